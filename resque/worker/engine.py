"""Engine: a worker process at work: its loop, its executor, and what it hears from outside.

May be in here: wiring the parts, who has which thread, signals and messages turned into calls. May not: what a process
is before and after (process.py), the order of work (worker.py).

    threads   the loop on a thread of its own, the runners on the main thread and on more (executors/threads.py)
    fork      the loop on the main thread, and no other thread (executors/fork.py)
"""

import asyncio
import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resque import events
from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.errors import JobKilled, ResqueError
from resque.jobs.outcome import Condemned, Stale
from resque.jobs.registry import Registry
from resque.payload.payload import mark_of
from resque.store.identity import Identity
from resque.worker.executors import deadline
from resque.worker.executors.base import Executor
from resque.worker.executors.fork import Forks, House
from resque.worker.executors.threads import Threads
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Page
from resque.worker.privileges import adopt_orphans
from resque.worker.queues import Queues
from resque.worker.signals import WISHES, Signals
from resque.worker.view import View
from resque.worker.wake import Wake
from resque.worker.worker import Parts, Worker

EXIT_OK, EXIT_ERROR = 0, 1
_HEED_WITHIN = 0.8
"""Seconds in which a job that an operator ends must have ended, before its process is ended."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What the supervisor gives a child."""

    nonce: str
    page: Page
    channel: Channel
    supervisor: int
    version: str


class Engine:
    """What both ways of running have in common."""

    def __init__(self, settings: Settings, seat: Seat, who: Identity, signals: Signals) -> None:
        self._settings = settings
        self._seat = seat
        self._who = who
        self._signals = signals
        self._exit = EXIT_ERROR
        self._is_ready = False

    def _build(self, loop: asyncio.AbstractEventLoop, hand: Hand, wake: Wake, executor: Executor) -> None:
        self._loop = loop
        self._hand = hand
        self._executor = executor
        hand.should_stop = lambda: self._seat.page.is_stopping
        view = View(self._settings, self._who, hand, supervisor=self._seat.supervisor, version=self._seat.version)
        queues = Queues(self._settings, self._announce)
        parts = Parts(hand, wake, self._seat.page, queues, view, executor)
        self._worker = Worker(self._settings, parts, self._leaving)

    def _live(self) -> bool:
        """The loop's life. False when jobs still run that have been released: they must end with this process, now."""
        try:
            is_clean = self._loop.run_until_complete(self._work())
            self._exit = EXIT_OK
            return is_clean
        except ResqueError as error:
            say(error)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        os._exit(EXIT_ERROR)

    async def _work(self) -> bool:
        self._loop.add_reader(self._signals.socket, self._on_signal)
        self._loop.add_reader(self._seat.channel, self._on_message)
        is_clean = await self._worker.run(self._ready)
        await self._worker.leave()
        events.emit("worker.stopped", id=self._who.id)
        return is_clean

    def _on_signal(self) -> None:
        for number in self._signals.read():
            if number in WISHES:
                self._worker.stop(WISHES[number])
            elif number == signal.SIGCHLD:
                self._on_child()

    def _on_child(self) -> None:
        """A process that we have started has ended. In a worker with threads these are the jobs' own business."""

    def _on_message(self) -> None:
        """What operators want, passed on by the supervisor."""
        try:
            messages = self._seat.channel.receive()
        except ChannelClosed:
            os._exit(EXIT_ERROR)
        for message in messages:
            if "quiet" in message:
                self._worker.quiet(bool(message["quiet"]))
            if "leave" in message:
                self._worker.recycle(str(message["leave"]))
            if "kill-job" in message:
                self._kill_jobs(str(message["kill-job"]))
            if "cancel-job" in message:
                self._cancel_job(str(message["cancel-job"]))
            if "stacks" in message:
                faulthandler.dump_traceback(sys.stderr, all_threads=True)

    def _kill_jobs(self, which: str) -> None:
        """End these jobs ("*": all that run). What can only be ended with this process is the supervisor's to end."""
        wanted = [entry for entry in self._running() if which in ("*", entry.id)]
        left = self._executor.end(wanted, Condemned(JobKilled("an operator ended it")))
        self._condemn(left)
        asked = [entry for entry in wanted if entry not in left]
        if asked:
            self._loop.call_later(_HEED_WITHIN, self._condemn_deaf, asked)

    def _cancel_job(self, which: str) -> None:
        """Somebody does not want this job any more. It is asked; no process is ended for it."""
        wanted = [entry for entry in self._running() if entry.id == which]
        for entry in wanted:
            entry.is_cancelled = True
        self._executor.end(wanted, Stale("cancelled"))
        self._hand.end_unstarted(which, Stale("cancelled"))

    def _running(self) -> list[Entry]:
        return [entry for entry in self._hand.current if entry is not None]

    def _condemn_deaf(self, asked: Sequence[Entry]) -> None:
        running = self._running()
        self._condemn([entry for entry in asked if entry in running])

    def _condemn(self, entries: Sequence[Entry]) -> None:
        if entries:
            self._tell({"condemned": [mark_of(entry.raw) for entry in entries]})

    def _ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._tell({"ready": True})
            events.emit("worker.started", id=self._who.id, queues=self._settings.queues)

    def _leaving(self, why: str) -> None:
        events.emit("worker.recycled", id=self._who.id, why=why)
        self._tell({"leaving": why})

    def _announce(self, queues: Sequence[str]) -> bool:
        return self._tell({"queues": list(queues)})

    def _tell(self, message: dict[str, object]) -> bool:
        try:
            return self._seat.channel.send(message)
        except ChannelClosed:
            os._exit(EXIT_ERROR)  # no supervisor renews our leases any more: what we hold is recovered


class ThreadEngine(Engine):
    """The loop on its own thread, the runners on this one and more."""

    def __init__(self, settings: Settings, registry: Registry, seat: Seat, who: Identity, signals: Signals) -> None:
        super().__init__(settings, seat, who, signals)
        loop = asyncio.new_event_loop()
        wake = Wake(loop)
        hand = Hand(who.id, wake.set_from_thread, settings.concurrency)
        self._threads = Threads(settings.concurrency, hand, registry, seat.page)
        signal.signal(deadline.SIGNAL, self._threads.main_deadline.on_signal)
        self._build(loop, hand, wake, self._threads)

    def run(self) -> int:
        """Work until told to stop. Returns the exit code."""
        thread = threading.Thread(target=self._run_loop, name="resque-loop", daemon=True)
        thread.start()
        self._threads.run()
        thread.join()
        return self._exit

    def _run_loop(self) -> None:
        if not self._live():
            os._exit(EXIT_OK)  # a runner is still in a job that was released: it must not go on for nobody
        self._threads.stop()


class ForkEngine(Engine):
    """The loop on this thread, and each job in a process of its own."""

    def __init__(
        self, settings: Settings, registry: Registry, seat: Seat, who: Identity, signals: Signals, house: House
    ) -> None:
        super().__init__(settings, seat, who, signals)
        loop = _Loop()
        wake = Wake(loop)
        hand = Hand(who.id, wake.set, settings.concurrency)
        self._forks = Forks(hand, registry, seat.page, house)
        self._build(loop, hand, wake, self._forks)

    def run(self) -> int:
        """Work until told to stop. Returns the exit code."""
        adopt_orphans()
        warn_of_threads()
        self._forks.open()
        self._live()
        return self._exit

    def _on_child(self) -> None:
        self._forks.reap()

    def _condemn_deaf(self, asked: Sequence[Entry]) -> None:
        """Each job has a process of its own, and Forks has killed that by now: no reason to end this one."""


class _Loop(asyncio.SelectorEventLoop):
    """asyncio resolves the names of hosts on threads. A process that forks must not have any, and can wait."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)


def warn_of_threads() -> None:
    """For a process that is about to fork."""
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if names:
        events.emit("worker.forks_with_threads", threads=names)


def say(error: ResqueError) -> None:
    """One line for whoever started this."""
    sys.stderr.write(f"resque: {error}\n")
    sys.stderr.flush()
