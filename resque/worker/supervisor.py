"""Supervisor: the parent. Starts, watches, replaces and stops worker processes and one scheduler.

1. Forks the scheduler and N workers; replaces those that die, slower if they die young.
2. Renews the leases of what its workers hold (leases.py).
3. When a child has died and is reaped, and its process group is gone, tells the scheduler what it held and what ran.
4. On TERM, INT or QUIT passes the wish on, waits, kills what does not obey, and leaves when everything is settled.

May be in here: processes. May not: job code, payloads (only their marks). One thread, so that fork is safe.
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import setproctitle

from resque import channel, clock, events
from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.jobs.registry import Registry
from resque.loop import Timetable, backoff
from resque.store.identity import Identity, identity, nonce
from resque.worker.commands import Commands
from resque.worker.leases import Leases
from resque.worker.ledger import Ledger, Page
from resque.worker.notify import Notifier
from resque.worker.privileges import OomCounter, why_died
from resque.worker.process import EXIT_APP, EXIT_ERROR, EXIT_OK, Seat, run_scheduler, run_worker
from resque.worker.signals import SIGNALLED, WISHES, Signals
from resque.worker.subscription import Subscription

_YOUNG = 2.0
_KILL_AFTER = 3.0
_LAST_RECOVERY = 5.0
_LEAST_RECOVERY = 1.5


@dataclass(slots=True)
class _Child:
    slot: int
    pid: int
    who: Identity
    channel: Channel
    page: Page
    born: float
    queues: set[str] = field(default_factory=set)
    late: list[int] = field(default_factory=list)
    """The marks of the jobs for whose sake it was killed: they did not heed their timeout."""
    killed: list[int] = field(default_factory=list)
    """The same: an operator ended them."""
    is_ready: bool = False
    is_killed: bool = False
    """Killed by us, on purpose: its jobs are not to blame."""


class Supervisor:
    """Runs until it is told to stop."""

    def __init__(self, settings: Settings, registry: Registry, version: str) -> None:
        self._settings = settings
        self._registry = registry
        self._version = version
        self._label = Subscription(settings.queues).label
        self._ledger = Ledger(settings.processes + 1, settings.concurrency)
        self._workers: dict[int, _Child] = {}
        self._scheduler: _Child | None = None
        self._reports: dict[str, dict[str, Any]] = {}
        self._due: dict[int, float] = dict.fromkeys(range(settings.processes + 1), 0.0)
        self._deaths: dict[int, int] = {}
        self._leases = Leases(settings, self._living)
        self._timetable = Timetable([self._leases])
        self._commands = Commands(settings)
        self._notifier = Notifier()
        self._told_ready = False
        self._beat_due = 0.0
        self._oom = OomCounter()
        self._retired: set[int] = set()
        """Slots whose worker an operator has stopped: they stay empty."""
        self._wish: str | None = None
        self._deadline = float("inf")
        self._is_leaving = False
        self._exit = EXIT_OK
        self._is_over = False

    def run(self) -> int:
        """Supervise. Returns the exit code: 0, or 1 / 4 when no worker could start."""
        setproctitle.setproctitle(f"resque-{self._version}: supervisor {self._settings.queues}")
        signals = Signals(signal.SIGCHLD, *SIGNALLED)
        self._signals = signals
        events.emit("supervisor.started", pid=os.getpid())
        try:
            while not self._is_over:
                self._start_missing()
                pause = min(self._timetable.run_due(), self._next_event())
                self._hear_operators(self._wait(max(0.0, pause)))
                self._obey(signals.read())
                self._listen()
                self._reap()
                self._kill_late()
                self._enforce()
                self._notify()
        finally:
            for child in self._children():
                _kill(child.pid)
            signals.restore()
            self._commands.close()
            self._leases.close()
        events.emit("supervisor.stopped", pid=os.getpid())
        return self._exit

    def _notify(self) -> None:
        """Tell systemd (or whoever wants to know) that all workers are there, that we leave, that we live."""
        if not self._told_ready and sum(c.is_ready for c in self._workers.values()) == self._settings.processes:
            self._told_ready = True
            self._notifier.ready()
        interval, now = self._notifier.watchdog_interval(), clock.monotonic()
        if interval is not None and now >= self._beat_due:
            self._beat_due = now + interval / 2  # our loop turns once a second at least
            self._notifier.beat()
        self._oom.look()

    # starting --------------------------------------------------------------------------------------------------

    def _start_missing(self) -> None:
        now = clock.monotonic()
        last = self._settings.processes
        if self._scheduler is None and self._due[last] <= now and (self._wish is None or self._reports):
            self._scheduler = self._fork(last, "scheduler", self._schedule)
            for report in self._reports.values():
                self._tell(self._scheduler, report)
        if len(self._retired) == last and not self._workers:
            self._wish = self._wish or "drain"  # an operator has stopped them all: nothing is left to supervise
        if self._wish is None:
            for slot in range(last):
                if slot not in self._workers and slot not in self._retired and self._due[slot] <= now:
                    self._workers[slot] = self._fork(slot, self._label, self._work)

    def _work(self, seat: Seat) -> int:
        return run_worker(self._settings, self._registry, seat)

    def _schedule(self, seat: Seat) -> int:
        return run_scheduler(self._settings, seat)

    def _fork(self, slot: int, label: str, life: Callable[[Seat], int]) -> _Child:
        ours, theirs = channel.pair()
        page = self._ledger.page(slot)
        page.clear()
        seat = Seat(nonce(), page, theirs, os.getpid(), self._version)
        sys.stdout.flush()
        sys.stderr.flush()
        # Until the child has handlers of its own, a wish that meets it waits: ours would write into our own socket.
        signal.pthread_sigmask(signal.SIG_BLOCK, WISHES)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_child(seat, life)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
        theirs.close()
        return _Child(slot, pid, identity(seat.nonce, pid, label), ours, page, clock.monotonic())

    def _be_child(self, seat: Seat, life: Callable[[Seat], int]) -> None:
        """In the child: never returns, so that no code of the parent runs twice."""
        code = EXIT_ERROR
        try:
            self._signals.restore()
            for child in self._children():
                child.channel.close()
            code = life(seat)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    # watching --------------------------------------------------------------------------------------------------

    def _children(self) -> list[_Child]:
        return [*self._workers.values(), *([self._scheduler] if self._scheduler else [])]

    def _living(self) -> list[tuple[Identity, list[str]]]:
        """Those whose leases need us: an idle worker's waits renew what they may catch."""
        return [(child.who, sorted(child.queues)) for child in self._workers.values() if not child.page.is_idle]

    def _next_event(self) -> float:
        """Seconds until something must be started or enforced."""
        now = clock.monotonic()
        starts = [due for slot, due in self._due.items() if due > now and self._wish is None]
        return min([1.0, self._deadline - now, *(due - now for due in starts)])

    def _wait(self, seconds: float) -> bool:
        """Sleep until something is to be read; whether it is what an operator asked."""
        ear = self._commands
        if self._leases.keys is not None and self._wish is None:
            ear.listen(self._leases.keys, [child.who.id for child in self._workers.values() if child.is_ready])
        watched: list[Any] = [self._signals.socket, *(child.channel for child in self._children())]
        readable, _, _ = select.select([*watched, *ear.sockets()], [], [], seconds)
        return any(one in ear.sockets() for one in readable)

    def _hear_operators(self, there_is_news: bool) -> None:
        heard = self._commands.heard() if there_is_news else None
        child = next((c for c in self._workers.values() if heard and c.who.id == heard[0]), None)
        if heard is None or child is None:
            return
        events.emit("worker.ordered", id=child.who.id, what=heard[1])
        match heard[1]:
            case "quiet" | "resume":
                self._tell(child, {"quiet": heard[1] == "quiet"})
            case "stop":
                self._retired.add(child.slot)
                _signal(child.pid, signal.SIGTERM)
            case "kill":
                child.is_killed = True
                _kill(child.pid)
            case order if order.startswith("kill-job "):
                self._tell(child, {"kill-job": order.removeprefix("kill-job ")})

    def _tell(self, child: _Child, message: dict[str, Any]) -> None:
        """A child that is dying hears nothing; the scheduler that comes after it is told all reports."""
        with suppress(ChannelClosed):
            child.channel.send(message)

    def _obey(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in SIGNALLED:
                for child in self._workers.values():
                    self._tell(child, SIGNALLED[number])
            if number not in WISHES:
                continue
            again = self._wish is not None
            events.emit("supervisor.stopping", pid=os.getpid(), why=signal.Signals(number).name)
            self._stop(WISHES[number], number, now=again)

    def _stop(self, wish: str, number: int, *, now: bool) -> None:
        self._wish = self._wish or wish
        self._notifier.stopping()
        patience = 0.0 if now else self._settings.drain if wish == "drain" else float("inf")
        self._deadline = min(self._deadline, clock.monotonic() + patience + _KILL_AFTER)
        for child in self._workers.values():
            _signal(child.pid, number)

    def _listen(self) -> None:
        for child in self._children():
            with suppress(ChannelClosed):  # it is dying: waitpid will tell
                child.channel.flush()
            self._hear_out(child)

    def _hear_out(self, child: _Child) -> None:
        """All that it has said, also just before its death: a queue announced then still counts."""
        with suppress(ChannelClosed):
            for message in child.channel.receive():
                self._hear(child, message)

    def _hear(self, child: _Child, message: dict[str, Any]) -> None:
        if "queues" in message:
            child.queues.update(message["queues"])
        if message.get("ready"):
            child.is_ready = True
            self._deaths.pop(child.slot, None)
        if "condemned" in message:
            self._condemn(child, message["condemned"])
        if "recovered" in message:
            self._reports.pop(message["recovered"], None)

    # deaths ----------------------------------------------------------------------------------------------------

    def _kill_late(self) -> None:
        """Jobs that did not heed their timeout, whatever C code they are in. Their neighbours are not blamed."""
        for child in self._workers.values():
            late = child.page.late(clock.boottime(), self._settings.grace)
            if late and not child.is_killed:
                child.late = late
                self._kill_for_a_job(child, "a job did not heed its timeout")

    def _condemn(self, child: _Child, marks: list[int]) -> None:
        """An operator wants these jobs to end. If they still run, their process ends; only they are blamed."""
        running = [mark for mark in marks if mark in child.page.started()]
        if running and not child.is_killed:
            child.killed = running
            self._kill_for_a_job(child, "an operator ended its job")

    def _kill_for_a_job(self, child: _Child, why: str) -> None:
        child.is_killed = True
        events.emit("worker.killed", id=child.who.id, pid=child.pid, why=why)
        _kill(child.pid)

    def _reap(self) -> None:
        for child in self._children():
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._bury(child, status)

    def _bury(self, child: _Child, status: int) -> None:
        self._hear_out(child)
        code = os.waitstatus_to_exitcode(status)
        why = why_died(status, is_oom=self._oom.claim() if code == -signal.SIGKILL else None)
        _kill_group(child.pid)
        child.channel.close()
        if child is self._scheduler:
            self._scheduler = None
            if code == EXIT_OK:
                return
        else:
            del self._workers[child.slot]
        if code != EXIT_OK or self._wish is None:
            events.emit("worker.died", id=child.who.id, pid=child.pid, why=why)
        self._report(child, why)
        self._reschedule(child)
        if code in (EXIT_APP, EXIT_ERROR) and not child.is_ready and child.slot < self._settings.processes:
            self._give_up(code)

    def _report(self, child: _Child, why: str) -> None:
        report = {
            "died": child.who.member,
            "id": child.who.id,
            "queues": sorted(child.queues),
            "started": [] if child.is_killed else child.page.started(),
            "late": child.late,
            "killed": child.killed,
            "why": why,
        }
        self._reports[child.who.member] = report
        if self._scheduler is not None:
            self._tell(self._scheduler, report)

    def _reschedule(self, child: _Child) -> None:
        """At once after a long life; later and later for those that die young."""
        now = clock.monotonic()
        young = now - child.born < _YOUNG
        self._deaths[child.slot] = self._deaths.get(child.slot, 0) + 1 if young else 0
        deaths = self._deaths[child.slot]
        self._due[child.slot] = now + (backoff(deaths) if deaths > 1 else 0.0)

    def _give_up(self, code: int) -> None:
        """A worker that cannot even start will not start next time either."""
        self._exit = code
        if self._wish is None:
            self._stop("drain", signal.SIGTERM, now=True)

    def _enforce(self) -> None:
        """The end: kill what does not obey, wait for the last recovery, then leave."""
        if self._wish is None:
            return
        now = clock.monotonic()
        if self._workers:
            if now >= self._deadline:
                for child in self._workers.values():
                    child.is_killed = True
                    _kill(child.pid)
            return
        if not self._is_leaving:  # also what was killed just now comes back before we go
            self._is_leaving = True
            self._deadline = max(min(self._deadline, now + _LAST_RECOVERY), now + _LEAST_RECOVERY)
        if self._scheduler is not None and (not self._reports or now >= self._deadline):
            self._dismiss(self._scheduler)
        self._is_over = self._scheduler is None and (not self._reports or now >= self._deadline)

    def _dismiss(self, scheduler: _Child) -> None:
        self._tell(scheduler, {"stop": True})
        if clock.monotonic() >= self._deadline:
            _kill(scheduler.pid)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _kill(pid: int) -> None:
    _signal(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    """What the child has started dies with it: nothing may go on with a job that is about to run elsewhere."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
