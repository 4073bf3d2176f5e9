"""Supervisor: the parent. Starts, watches, replaces and stops worker processes and one scheduler.

1. Forks the scheduler and N workers (nursery.py); replaces those that die, slower if they die young.
2. Renews the leases of what its workers hold (leases.py).
3. When a child has died and is reaped, and its process group is gone, tells the scheduler what it held and what ran
   (deaths.py).
4. A worker that leaves of its own will (so many jobs, so much memory, new code) is replaced at once, while it lets its
   last jobs end.
5. On TERM, INT or QUIT passes the wish on, waits, kills what does not obey, and leaves when everything is settled.

May be in here: which processes there should be. May not: job code, payloads (only their marks). One thread, so that
fork is safe.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import setproctitle

from resque import clock, events
from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.errors import AppNotFound
from resque.jobs.registry import Registry
from resque.loop import Timetable, backoff
from resque.store.identity import Identity
from resque.worker.commands import Commands
from resque.worker.deaths import Deaths
from resque.worker.engine import EXIT_ERROR, EXIT_OK, Seat, say
from resque.worker.leases import Leases
from resque.worker.notify import Notifier
from resque.worker.nursery import Child, Kind, Nursery
from resque.worker.process import EXIT_APP, preload, run_scheduler, run_worker
from resque.worker.signals import SIGNALLED, WISHES, Signals
from resque.worker.subscription import Subscription

_YOUNG = 2.0
_KILL_AFTER = 3.0
_LAST_RECOVERY = 5.0
_LEAST_RECOVERY = 1.5
_NEVER = float("inf")


class Watcher(Protocol):
    """Tells when source files have changed (dev/reload.py)."""

    def run(self, channel: Channel, parent_pid: int, /) -> int: ...


class Supervisor:
    """Runs until it is told to stop."""

    def __init__(self, settings: Settings, registry: Registry, version: str, watcher: Watcher | None = None) -> None:
        self._settings = settings
        self._registry = registry
        self._version = version
        self._watch = watcher
        self._label = Subscription(settings.queues).label
        # Twice as many as there are workers: some may be leaving. And the scheduler, and the watcher.
        self._nursery = Nursery(2 * settings.processes + 2, settings.concurrency, version, self._forget)
        self._wanted = settings.processes
        self._workers: list[Child] = []
        self._scheduler: Child | None = None
        self._watcher: Child | None = None
        self._deaths = Deaths()
        self._schedules: dict[str, Any] | None = None
        self._due: dict[Kind, float] = {"worker": 0.0, "scheduler": 0.0}
        self._died_young: dict[Kind, int] = {"worker": 0, "scheduler": 0}
        self._leases = Leases(settings, self._living, self._kill_holders)
        self._timetable = Timetable([self._leases])
        self._commands = Commands(settings)
        self._notifier = Notifier()
        self._told_ready = False
        self._reloaded = 0.0
        self._beat_due = 0.0
        self._wish: str | None = None
        self._deadline = _NEVER
        self._is_leaving = False
        self._exit = EXIT_OK
        self._is_over = False

    def run(self) -> int:
        """Supervise. Returns the exit code: 0, or 1 / 4 when no worker could start."""
        setproctitle.setproctitle(f"resque-{self._version}: supervisor {self._settings.queues}")
        if self._settings.preload:
            try:
                preload(self._settings.app)
            except AppNotFound as error:
                say(error)
                return EXIT_APP
        self._signals = Signals(signal.SIGCHLD, *SIGNALLED)
        events.emit("supervisor.started", pid=os.getpid())
        try:
            while not self._is_over:
                self._start_missing()
                pause = min(self._timetable.run_due(), self._next_event())
                self._hear_operators(self._wait(max(0.0, pause)))
                self._obey(self._signals.read())
                self._listen()
                self._reap()
                self._kill_late()
                self._enforce()
                self._notify()
        finally:
            for child in self._children():
                child.kill()
            self._forget()
        events.emit("supervisor.stopped", pid=os.getpid())
        return self._exit

    def _notify(self) -> None:
        """Tell systemd (or whoever wants to know) that all workers are there, that we leave, that we live."""
        if not self._told_ready and sum(child.is_ready for child in self._active()) == self._settings.processes:
            self._told_ready = True
            self._notifier.ready()
        interval, now = self._notifier.watchdog_interval(), clock.monotonic()
        if interval is not None and now >= self._beat_due:
            self._beat_due = now + interval / 2  # our loop turns once a second at least
            self._notifier.beat()
        self._deaths.look()

    # starting --------------------------------------------------------------------------------------------------

    def _start_missing(self) -> None:
        now, reports = clock.monotonic(), self._deaths.reports
        if self._scheduler is None and self._due["scheduler"] <= now and (self._wish is None or reports):
            self._scheduler = self._fork("scheduler", "scheduler", self._schedule)
            for message in [*reports, *([self._schedules] if self._schedules is not None else [])]:
                self._scheduler.tell(message)
        if not self._wanted and not self._workers:
            self._wish = self._wish or "drain"  # all have left, as they were told to: nothing is left to supervise
        if self._wish is not None:
            return
        if self._watch is not None and self._watcher is None:
            self._watcher = self._fork("watcher", "watcher", self._watch_files)
        while len(self._active()) < self._wanted and self._due["worker"] <= now and self._has_place():
            if self._settings.burst and reports:
                return  # it would find its queues empty, and leave before these jobs are back
            self._workers.append(self._fork("worker", self._label, self._work))

    def _has_place(self) -> bool:
        """For a worker: not for the last ones, as long as a helper is missing that may need it."""
        missing = (self._scheduler is None) + (self._watch is not None and self._watcher is None)
        return self._nursery.places > missing

    def _work(self, seat: Seat) -> int:
        return run_worker(self._settings, self._registry, seat)

    def _schedule(self, seat: Seat) -> int:
        return run_scheduler(self._settings, seat)

    def _watch_files(self, seat: Seat) -> int:
        assert self._watch is not None
        return self._watch.run(seat.channel, seat.supervisor)

    def _fork(self, kind: Kind, label: str, life: Callable[[Seat], int]) -> Child:
        return self._nursery.fork(kind, label, life, self._children())

    def _forget(self) -> None:
        """Close what is ours: at the end, and in a child."""
        self._signals.restore()
        self._commands.close()
        self._leases.close()

    # watching --------------------------------------------------------------------------------------------------

    def _children(self) -> list[Child]:
        return [*self._workers, *(child for child in (self._scheduler, self._watcher) if child is not None)]

    def _active(self) -> list[Child]:
        return [child for child in self._workers if not child.is_leaving]

    def _living(self) -> list[tuple[Identity, list[str]]]:
        """Those whose leases need us: an idle worker's waits renew what they may catch."""
        return [(child.who, sorted(child.queues)) for child in self._workers if not child.page.is_idle]

    def _kill_holders(self) -> None:
        """Our leases may be lost, and somebody else may run these jobs soon: ours must not overlap them."""
        for child in self._workers:
            if not child.page.is_idle and not child.is_killed:
                self._kill_for_a_reason(child, "its leases could not be renewed")

    def _next_event(self) -> float:
        """Seconds until something must be started or enforced."""
        now = clock.monotonic()
        starts = [due for due in self._due.values() if now < due < _NEVER and self._wish is None]
        return min([1.0, self._deadline - now, *(due - now for due in starts)])

    def _wait(self, seconds: float) -> bool:
        """Sleep until something is to be read; whether it is what an operator asked."""
        ear = self._commands
        if self._leases.keys is not None and self._wish is None:
            ear.listen(self._leases.keys, [child.who.id for child in self._workers if child.is_ready])
        watched: list[Any] = [self._signals.socket, *(child.channel for child in self._children())]
        readable, _, _ = select.select([*watched, *ear.sockets()], [], [], seconds)
        return any(one in ear.sockets() for one in readable)

    def _hear_operators(self, there_is_news: bool) -> None:
        heard = self._commands.heard() if there_is_news else None
        child = next((c for c in self._workers if heard and c.who.id == heard[0]), None)
        if heard is None or child is None:
            return
        events.emit("worker.ordered", id=child.who.id, what=heard[1])
        match heard[1]:
            case "quiet" | "resume":
                child.tell({"quiet": heard[1] == "quiet"})
            case "stop":
                self._retire(child)
                child.signal(signal.SIGTERM)
            case "kill":
                child.is_killed = True
                child.kill()
            case order if order.startswith(("kill-job ", "cancel-job ")):
                what, _, id = order.partition(" ")
                child.tell({what: id})

    def _retire(self, child: Child) -> None:
        """It leaves for good: nobody takes its place."""
        if not child.is_leaving:
            child.is_leaving = True
            self._wanted -= 1

    def _obey(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in SIGNALLED:
                for child in self._workers:
                    child.tell(SIGNALLED[number])
            if number not in WISHES:
                continue
            again = self._wish is not None
            events.emit("supervisor.stopping", pid=os.getpid(), why=signal.Signals(number).name)
            self._stop(WISHES[number], number, now=again)

    def _stop(self, wish: str, number: int, *, now: bool) -> None:
        self._wish = self._wish or wish
        self._notifier.stopping()
        patience = 0.0 if now else self._settings.drain if wish == "drain" else _NEVER
        self._deadline = min(self._deadline, clock.monotonic() + patience + _KILL_AFTER)
        for child in self._workers:
            child.signal(number)

    def _listen(self) -> None:
        for child in self._children():
            with suppress(ChannelClosed):  # it is dying: waitpid will tell
                child.channel.flush()
            self._hear_out(child)

    def _hear_out(self, child: Child) -> None:
        """All that it has said, also just before its death: a queue announced then still counts."""
        with suppress(ChannelClosed):
            for message in child.channel.receive():
                self._hear(child, message)

    def _hear(self, child: Child, message: dict[str, Any]) -> None:
        if "queues" in message:
            child.queues.update(message["queues"])
        if message.get("ready"):
            child.is_ready = True
            self._died_young["worker"] = 0
        if message.get("leaving") == "burst":
            self._retire(child)
        elif "leaving" in message:
            child.is_leaving = True
        if "condemned" in message:
            self._condemn(child, message["condemned"])
        if "recovered" in message:
            self._deaths.recovered(message["recovered"])
        if "schedules" in message and message != self._schedules:
            self._schedules = message
            if self._scheduler is not None:
                self._scheduler.tell(message)
        if "changed" in message:
            self._reload(message["changed"])

    def _reload(self, changed: list[str]) -> None:
        """New code: fresh processes, while the old ones let their jobs end. One that could not start is tried again."""
        events.emit("supervisor.reloading", changed=changed[:5])
        self._due["worker"] = 0.0
        self._reloaded = clock.monotonic()
        for child in self._active():
            child.tell({"leave": "new code"})

    # deaths ----------------------------------------------------------------------------------------------------

    def _kill_late(self) -> None:
        """Jobs that did not heed their timeout, whatever C code they are in. Their neighbours are not blamed."""
        if self._settings.fork:
            return  # each job has a process of its own there, and its worker ends that
        for child in self._workers:
            late = child.page.late(clock.boottime(), self._settings.grace)
            if late and not child.is_killed:
                child.late = late
                self._kill_for_a_reason(child, "a job did not heed its timeout")

    def _condemn(self, child: Child, marks: list[int]) -> None:
        """An operator wants these jobs to end. If they still run, their process ends; only they are blamed."""
        running = [mark for mark in marks if mark in child.page.started()]
        if running and not child.is_killed:
            child.killed = running
            self._kill_for_a_reason(child, "an operator ended its job")

    def _kill_for_a_reason(self, child: Child, why: str) -> None:
        child.is_killed = True
        events.emit("worker.killed", id=child.who.id, pid=child.pid, why=why)
        child.kill()

    def _reap(self) -> None:
        for child in self._children():
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._bury(child, status)

    def _bury(self, child: Child, status: int) -> None:
        self._hear_out(child)
        code, why = os.waitstatus_to_exitcode(status), self._deaths.why(status)
        self._nursery.clear(child)
        if child is self._watcher:
            self._watcher, self._watch = None, None  # it has said why; the workers go on with the code that they have
            if self._due["worker"] == _NEVER:
                self._cannot_start(EXIT_APP)
            return
        if child is self._scheduler:
            self._scheduler = None
            if code == EXIT_OK:
                return
        else:
            self._workers.remove(child)
        is_well = code == EXIT_OK and (self._wish is not None or child.is_leaving)
        if not is_well:
            events.emit("worker.died", id=child.who.id, pid=child.pid, why=why)
        report = self._deaths.add(child, why)
        if self._scheduler is not None:
            self._scheduler.tell(report)
        if not is_well:
            self._reschedule(child)
        is_new = child.born >= self._reloaded  # else it says nothing about the code as it is now
        if code in (EXIT_APP, EXIT_ERROR) and not child.is_ready and child.kind == "worker" and is_new:
            self._cannot_start(code)

    def _reschedule(self, child: Child) -> None:
        """At once after a long life; later and later for those that die young."""
        now = clock.monotonic()
        young = now - child.born < _YOUNG
        deaths = self._died_young[child.kind] = self._died_young[child.kind] + 1 if young else 0
        self._due[child.kind] = now + (backoff(deaths) if deaths > 1 else 0.0)

    def _cannot_start(self, code: int) -> None:
        """A worker that cannot even start will not start next time either, unless its code is changed."""
        if self._watch is not None:
            self._due["worker"] = _NEVER
            return
        self._exit = code
        if self._wish is None:
            self._stop("drain", signal.SIGTERM, now=True)

    def _enforce(self) -> None:
        """The end: kill what does not obey, wait for the last recovery, then leave."""
        if self._wish is None:
            return
        now, reports = clock.monotonic(), self._deaths.reports
        if self._workers:
            if now >= self._deadline:
                for child in self._workers:
                    child.is_killed = True
                    child.kill()
            return
        if not self._is_leaving:  # also what was killed just now comes back before we go
            self._is_leaving = True
            self._deadline = max(min(self._deadline, now + _LAST_RECOVERY), now + _LEAST_RECOVERY)
        if not reports or now >= self._deadline:
            for helper in self._children():
                helper.tell({"stop": True})
                if now >= self._deadline:
                    helper.kill()
        self._is_over = self._scheduler is None and (not reports or now >= self._deadline)
