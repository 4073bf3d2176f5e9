"""Threads: sync jobs on runner threads, the first of which is the process's main thread.

May be in here: runners that take from the hand. May not: Redis, outcomes.

The main thread runs jobs too, because signals and many libraries want it; the loop that talks to Redis has a thread of
its own. An `async def` job runs on an event loop of its runner, one at a time.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from resque.jobs.registry import Registry
from resque.worker.executors.base import Performer, set_current
from resque.worker.executors.deadline import Deadline
from resque.worker.hand import Hand
from resque.worker.ledger import Page


class Runner:
    """Takes jobs from the hand, one after another, until it is told to stop."""

    def __init__(self, number: int, hand: Hand, registry: Registry, page: Page) -> None:
        self._number = number
        self._hand = hand
        self._perform = Performer(registry, page, hand, number, self._run_coroutine).perform
        self._gate: SimpleQueue[bool] = SimpleQueue()
        self._coroutines: asyncio.Runner | None = None

    def run(self) -> None:
        """The runner's life."""
        hand, perform = self._hand, self._perform
        take, ended, unstarted = hand.unstarted.popleft, hand.ended.append, hand.unstarted
        current, number = hand.current, self._number
        while True:
            try:
                entry = take()
            except IndexError:
                if not self._wait():
                    break
                continue
            if len(unstarted) == hand.low:
                hand.wake()
            current[number] = entry
            if perform(entry):
                current[number] = None
                ended(entry)
            else:
                current[number] = None
                hand.park(entry)
        if self._coroutines is not None:
            self._coroutines.close()

    def stop(self) -> None:
        """Let the runner end when it has nothing to run."""
        self._gate.put(False)

    def _wait(self) -> bool:
        """Wait for work; False = stop. The gate is listed before the second look, or a wake-up could be missed."""
        hand = self._hand
        set_current(None)
        hand.wake()
        hand.idle.append(self._gate)
        if hand.unstarted:
            try:
                hand.idle.remove(self._gate)
            except ValueError:
                pass  # the loop has seen the gate: its token is coming
            else:
                return True
        return self._gate.get()

    def _run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._coroutines is None:
            self._coroutines = asyncio.Runner()
        return self._coroutines.run(coroutine, context=copy_context())  # its own would be the first job's for ever


class Threads:
    """All runners of a process."""

    def __init__(self, count: int, hand: Hand, registry: Registry, page: Page) -> None:
        hand.current[:] = [None] * count
        self.main_deadline = Deadline(is_main=True)
        hand.deadlines[:] = [self.main_deadline, *(Deadline(is_main=False) for _ in range(count - 1))]
        self._runners = [Runner(number, hand, registry, page) for number in range(count)]
        self._threads = [
            threading.Thread(target=runner.run, name=f"resque-runner-{number}", daemon=True)
            for number, runner in enumerate(self._runners)
            if number > 0
        ]

    def run(self) -> None:
        """Run jobs on this thread, too, until `stop`; returns when every runner has ended."""
        for thread in self._threads:
            thread.start()
        self._runners[0].run()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Tell all runners to end. From any thread."""
        for runner in self._runners:
            runner.stop()
