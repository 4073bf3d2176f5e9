"""Process: what a child is before and after its work.

May be in here: dying with the supervisor, the title, importing the application, wiring a worker or a scheduler, the
exit code. May not: work.

A child has a process group of its own, so that Ctrl-C reaches the supervisor alone, which tells its children in order.
"""

import asyncio
import faulthandler
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import setproctitle

from resque import events
from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.errors import AppNotFound, ConfigError, ResqueError
from resque.jobs.registry import Registry
from resque.payload.payload import mark_of
from resque.scheduler.scheduler import Scheduler
from resque.store.identity import Identity, identity
from resque.worker.executors import deadline
from resque.worker.executors.threads import Threads
from resque.worker.hand import Hand
from resque.worker.ledger import Page
from resque.worker.privileges import die_with_parent, no_new_privileges
from resque.worker.queues import Queues
from resque.worker.signals import WISHES, Signals
from resque.worker.subscription import Subscription
from resque.worker.view import View
from resque.worker.wake import Wake
from resque.worker.worker import Parts, Worker

EXIT_OK, EXIT_ERROR, EXIT_APP = 0, 1, 4
_SWITCH_INTERVAL = 0.0005


@dataclass(frozen=True, slots=True)
class Seat:
    """What the supervisor gives a child."""

    nonce: str
    page: Page
    channel: Channel
    supervisor: int
    version: str


def import_app(modules: Sequence[str]) -> None:
    """Import the modules that define the jobs. Raises AppNotFound, which names the module and the reason."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise AppNotFound(
                f"the module {name!r} cannot be imported: {type(error).__name__}: {error}. "
                "Give -A the dotted name of a module, seen from the current folder"
            ) from error


def run_worker(settings: Settings, registry: Registry, seat: Seat) -> int:
    """The life of a worker process. Returns its exit code."""
    _settle_in(seat, f"resque-{seat.version}: worker {settings.queues}")
    signals = Signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)  # blocked since before the fork
    sys.setswitchinterval(_SWITCH_INTERVAL)
    who = identity(seat.nonce, os.getpid(), Subscription(settings.queues).label)
    try:
        import_app(settings.app)
    except AppNotFound as error:
        _say(error)
        return EXIT_APP
    gc.collect()
    gc.freeze()
    return _Engine(settings, registry, seat, who, signals).run()


def run_scheduler(settings: Settings, seat: Seat) -> int:
    """The life of a scheduler process."""
    _settle_in(seat, f"resque-{seat.version}: scheduler")
    for number in WISHES:
        signal.signal(number, signal.SIG_IGN)  # the supervisor says when: what a dead worker held comes back first
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
    who = identity(seat.nonce, os.getpid(), "scheduler")

    def mark(payload: bytes | None) -> None:
        seat.page.marks[0] = 0 if payload is None else mark_of(payload)

    try:
        Scheduler(settings, who, seat.channel, mark).run()
    except ConfigError as error:
        _say(error)
        return EXIT_ERROR
    return EXIT_OK


class _Engine:
    """A worker process at work: the loop on its own thread, the runners on this one and more."""

    def __init__(self, settings: Settings, registry: Registry, seat: Seat, who: Identity, signals: Signals) -> None:
        self._seat = seat
        self._queues = settings.queues
        self._who = who
        self._signals = signals
        self._loop = asyncio.new_event_loop()
        wake = Wake(self._loop)
        hand = self._hand = Hand(who.id, wake.set_from_thread, settings.concurrency)
        self._threads = Threads(settings.concurrency, hand, registry, seat.page)
        signal.signal(deadline.SIGNAL, self._threads.main_deadline.on_signal)
        view = View(settings, who, hand, supervisor=seat.supervisor, version=seat.version)
        queues = Queues(settings, self._announce)
        self._worker = Worker(settings, Parts(hand, wake, seat.page, queues, view, self._threads))
        self._exit = EXIT_ERROR
        self._is_ready = False

    def run(self) -> int:
        thread = threading.Thread(target=self._run_loop, name="resque-loop", daemon=True)
        thread.start()
        self._threads.run()
        thread.join()
        return self._exit

    def _run_loop(self) -> None:
        try:
            is_clean = self._loop.run_until_complete(self._work())
            self._exit = EXIT_OK
            if not is_clean:  # a runner is still in a job that was released: it must not go on for nobody
                os._exit(EXIT_OK)
        except ResqueError as error:
            _say(error)
            os._exit(EXIT_ERROR)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(EXIT_ERROR)
        finally:
            self._threads.stop()

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

    def _on_message(self) -> None:
        """What operators want, passed on by the supervisor."""
        try:
            messages = self._seat.channel.receive()
        except ChannelClosed:
            os._exit(EXIT_ERROR)
        for message in messages:
            if "quiet" in message:
                self._worker.quiet(bool(message["quiet"]))
            if "kill-job" in message:
                running = [entry for entry in self._hand.current if entry is not None]
                wanted = [entry for entry in running if message["kill-job"] in ("*", entry.id)]
                self._tell({"condemned": [mark_of(entry.raw) for entry in wanted]})
            if "stacks" in message:
                faulthandler.dump_traceback(sys.stderr, all_threads=True)

    def _ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._tell({"ready": True})
            events.emit("worker.started", id=self._who.id, queues=self._queues)

    def _announce(self, queues: Sequence[str]) -> bool:
        return self._tell({"queues": list(queues)})

    def _tell(self, message: dict[str, object]) -> bool:
        try:
            return self._seat.channel.send(message)
        except ChannelClosed:
            os._exit(EXIT_ERROR)  # no supervisor renews our leases any more: what we hold is recovered


def _settle_in(seat: Seat, title: str) -> None:
    """Own process group, death with the supervisor, no way to more rights, title."""
    os.setpgid(0, 0)
    if not die_with_parent(seat.supervisor):
        os._exit(EXIT_ERROR)
    no_new_privileges()
    setproctitle.setproctitle(title)


def _say(error: ResqueError) -> None:
    sys.stderr.write(f"resque: {error}\n")
    sys.stderr.flush()
