"""Process: what a child is before and after its work.

May be in here: user and rights, dying with the supervisor, the title, importing the application, the exit code. May
not: work (engine.py, scheduler/).

A child has a process group of its own, so that Ctrl-C reaches the supervisor alone, which tells its children in order.
"""

import gc
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence

import setproctitle

from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.errors import AppNotFound, ConfigError
from resque.jobs.registry import Registry
from resque.jobs.schedules import write
from resque.payload.payload import mark_of
from resque.scheduler.scheduler import Scheduler
from resque.store.identity import identity
from resque.worker.engine import EXIT_ERROR, EXIT_OK, ForkEngine, Seat, ThreadEngine, say, warn_of_threads
from resque.worker.executors.fork import House
from resque.worker.privileges import become, die_with_parent, no_new_privileges, open_files
from resque.worker.signals import WISHES, Signals
from resque.worker.subscription import Subscription

EXIT_APP = 4
_SWITCH_INTERVAL = 0.0005


def import_app(modules: Sequence[str]) -> None:
    """Import the modules that define the jobs. Raises AppNotFound, which names the module and the reason."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in modules:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise AppNotFound(
                f"the module {name!r} cannot be imported: {type(error).__name__}: {error}. "
                "Give -A the dotted name of a module, seen from the current folder"
            ) from error


def preload(modules: Sequence[str]) -> None:
    """import_app in the parent of all worker processes: they share its memory, as long as nobody writes to it."""
    import_app(modules)
    gc.collect()
    gc.freeze()
    warn_of_threads()


def run_worker(settings: Settings, registry: Registry, seat: Seat) -> int:
    """The life of a worker process. Returns its exit code."""
    signals = Signals(*([signal.SIGCHLD] if settings.fork else []))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)  # blocked since before the fork
    sys.setswitchinterval(_SWITCH_INTERVAL)
    who = identity(seat.nonce, os.getpid(), Subscription(settings.queues).label)
    try:
        _settle_in(settings, seat, f"resque-{seat.version}: worker {settings.queues}")
        import_app(settings.app)
        _declare(registry, seat.channel)
    except AppNotFound as error:
        say(error)
        return EXIT_APP
    except (ConfigError, ChannelClosed) as error:
        say(error)
        return EXIT_ERROR
    for definition in registry.definitions():
        definition.prepare()
    gc.collect()
    gc.freeze()
    if not settings.fork:
        return ThreadEngine(settings, registry, seat, who, signals).run()
    kept = open_files() - {seat.channel.fileno(), *signals.filenos()}
    keep_env = settings.keep_env if settings.scrub_env else None
    house = House(kept, keep_env, f"resque-{seat.version}: job", settings.grace)
    return ForkEngine(settings, registry, seat, who, signals, house).run()


def _declare(registry: Registry, channel: Channel) -> None:
    """Tell the supervisor which cron entries the code asks for, also that there are none. Raises ChannelClosed."""
    is_told = channel.send({"schedules": {entry.name: write(entry).decode() for entry in registry.schedules}})
    while not is_told:  # there may be more of them than a socket takes at once
        select.select([], [channel], [], 1.0)
        is_told = channel.flush()


def run_scheduler(settings: Settings, seat: Seat) -> int:
    """The life of a scheduler process."""
    for number in WISHES:
        signal.signal(number, signal.SIG_IGN)  # the supervisor says when: what a dead worker held comes back first
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
    who = identity(seat.nonce, os.getpid(), "scheduler")

    def mark(payload: bytes | None) -> None:
        seat.page.marks[0] = 0 if payload is None else mark_of(payload)

    try:
        _settle_in(settings, seat, f"resque-{seat.version}: scheduler")
        Scheduler(settings, who, seat.channel, mark).run()
    except ConfigError as error:
        say(error)
        return EXIT_ERROR
    return EXIT_OK


def _settle_in(settings: Settings, seat: Seat, title: str) -> None:
    """Own process group, the user, death with the supervisor, no way to more rights, title. Raises ConfigError."""
    os.setpgid(0, 0)
    if settings.user is not None:
        become(settings.user, settings.group)
    if not die_with_parent(seat.supervisor):
        os._exit(EXIT_ERROR)
    no_new_privileges()
    setproctitle.setproctitle(title)
