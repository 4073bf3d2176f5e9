"""Threads: sync jobs on runner threads, the first of which is the process's main thread.

May be in here: runners that take from the hand, how many there are. May not: Redis, outcomes, awaiting (aio.py).

The main thread runs jobs too, because signals and many libraries want it; the loop that talks to Redis has a thread of
its own. More runners are started when jobs wait although a cell is free: a worker of async jobs needs one runner only,
which opens each job and hands it on to the jobs' event loop, together with the cell.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue

from resque.clock import boottime
from resque.jobs.outcome import Condemned, Interrupted, Stale
from resque.jobs.registry import Registry
from resque.worker.executors.aio import Tasks
from resque.worker.executors.base import Caller, Opener, set_current
from resque.worker.executors.deadline import Cancelled, Deadline
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Page

_INFINITY = float("inf")


class Runner:
    """Takes jobs from the hand, one after another, until it is told to stop."""

    def __init__(self, hand: Hand, opener: Opener, page: Page, tasks: Tasks, deadline: Deadline) -> None:
        self._hand = hand
        self._open = opener.open
        self._call = Caller(page, deadline).call
        self._tasks = tasks
        self.deadline = deadline
        self.is_calling = False
        """Whether the last job that it took was one to call, and it has not gone idle since."""
        self.entry: Entry | None = None
        """The job that it calls."""
        self._gate: SimpleQueue[bool] = SimpleQueue()

    def run(self) -> None:
        """The runner's life."""
        free = self._hand.free
        while True:
            with suppress(IndexError):
                self._work(free.pop())
            if not self._wait():
                return

    def stop(self) -> None:
        """Let the runner end when it has nothing to run."""
        self._gate.put(False)

    def _work(self, cell: int) -> None:
        """Run what there is in this cell; give it back at the end, or on with a job that is awaited elsewhere."""
        hand, open_, call = self._hand, self._open, self._call
        take, ended, unstarted, current = hand.unstarted.popleft, hand.ended.append, hand.unstarted, hand.current
        while True:
            try:
                entry = take()
            except IndexError:
                hand.free.append(cell)
                return
            if len(unstarted) == hand.low:
                hand.wake()
            current[cell] = entry
            definition = open_(entry, cell)
            if definition is None:
                current[cell] = None
                if entry.ended is None:
                    hand.park(entry)
                else:
                    ended(entry)
            elif definition.is_async:
                self.is_calling = False
                self._tasks.start(entry, definition, cell)
                try:
                    cell = hand.free.pop()
                except IndexError:
                    return
            else:
                self.is_calling = True
                self.entry = entry
                call(entry, definition, cell)
                current[cell] = None
                ended(entry)

    def _wait(self) -> bool:
        """Wait for work; False = stop. The gate is listed before the second look, or a wake-up could be missed."""
        hand = self._hand
        self.is_calling, self.entry = False, None
        set_current(None)
        hand.wake()
        hand.idle.append(self._gate)
        if hand.unstarted and hand.free:
            try:
                hand.idle.remove(self._gate)
            except ValueError:
                pass  # the loop has seen the gate: its token is coming
            else:
                return True
        return self._gate.get()


class Threads:
    """All runners of a process, and the loop of its async jobs. An Executor."""

    def __init__(self, count: int, hand: Hand, registry: Registry, page: Page) -> None:
        self._count = count
        self._hand = hand
        self._page = page
        self._opener = Opener(registry, page, hand)
        self._tasks = Tasks(hand, self._opener, page)
        self.main_deadline = Deadline(is_main=True)
        self._runners = [self._runner(self.main_deadline)]
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Run jobs on this thread, too, until `stop`; returns when every runner has ended."""
        self._runners[0].run()
        for thread in self._threads:
            thread.join()
        self._tasks.close()

    def stop(self) -> None:
        """Tell all runners to end. From any thread, once `tick` is called no more."""
        for runner in self._runners:
            runner.stop()

    # as an Executor, on the loop's thread ------------------------------------------------------------------------

    def tick(self) -> float:
        """See Executor."""
        self._grow()
        return min(self._strike(), self._tasks.look())

    def end(self, entries: Sequence[Entry], ended: Condemned | Stale) -> list[Entry]:
        """See Executor: those that are awaited are cancelled. No thread can be ended from outside; a job with a timeout
        can be interrupted as if it were late, since it is guarded against what comes after its end."""
        left = self._tasks.cancel(entries, ended)
        if isinstance(ended, Stale):
            for runner in self._runners:
                if any(runner.entry is entry for entry in left):
                    runner.deadline.interrupt(Cancelled)
        return left

    async def interrupt(self, why: Interrupted) -> None:
        """See Executor: those that are awaited are cancelled. Threads go on until the process ends, for nobody."""
        await self._tasks.interrupt(why)

    def _strike(self) -> float:
        """End softly what is late on threads; returns the seconds until the next is."""
        now, soonest = boottime(), _INFINITY
        for runner in self._runners:
            deadline = runner.deadline
            if deadline.due:
                deadline.strike(now)
                soonest = min(soonest, deadline.due - now if deadline.due else soonest)
        return max(0.0, soonest)

    def _grow(self) -> None:
        """More runners, when jobs and cells wait for one and all that there are call jobs."""
        hand, room = self._hand, self._count - len(self._runners)
        if not room or not hand.unstarted or hand.idle or not all(runner.is_calling for runner in self._runners):
            return
        for _ in range(min(room, len(hand.unstarted), len(hand.free))):
            runner = self._runner(Deadline(is_main=False))
            number = len(self._runners)
            self._runners.append(runner)
            thread = threading.Thread(target=runner.run, name=f"resque-runner-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _runner(self, deadline: Deadline) -> Runner:
        return Runner(self._hand, self._opener, self._page, self._tasks, deadline)
