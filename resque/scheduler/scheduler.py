"""Scheduler: lists the duties and runs them, in a child of every supervisor.

May be in here: the list, the conversation with the supervisor. May not: any duty.
It is a process of its own because a payload that kills its reader must not take the supervisor and all workers along.
"""

import select

from resque import clock, events
from resque.channel import Channel, ChannelClosed
from resque.config import Settings
from resque.errors import StoreError
from resque.loop import Timetable, backoff
from resque.scheduler.audit import Audit
from resque.scheduler.delayed import Promotion
from resque.scheduler.periodic import Periodic
from resque.scheduler.pruning import Pruning
from resque.scheduler.recovery import Mark, Recovery, Report
from resque.store import namespace
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.sync import SyncStore


class Scheduler:
    """The engine that is driven by the clock."""

    def __init__(self, settings: Settings, identity: Identity, channel: Channel, mark: Mark) -> None:
        self._settings = settings
        self._identity = identity
        self._channel = channel
        self._mark = mark
        self._store = SyncStore(settings)
        self._early: list[Report] = []
        self._schedules: dict[str, str] | None = None
        """What the workers' code declares and the duty has not been told yet."""
        self._stopping = False

    def run(self) -> None:
        """Work until the supervisor says stop, or is gone."""
        try:
            keys = self._keys()
            if keys is not None:
                self._run_duties(keys)
        except ChannelClosed:
            return  # no supervisor, no duties: another host's scheduler has them
        finally:
            self._store.close()

    def _run_duties(self, keys: Keys) -> None:
        member = self._identity.member
        recovery = Recovery(self._store, keys, self._identity, self._settings, self._mark)
        recovery.reports += self._early
        periodic = Periodic(self._store, keys, self._settings)
        timetable = Timetable(
            [
                recovery,
                Promotion(self._store, keys),
                periodic,
                Audit(self._store, keys, member, self._settings),
                Pruning(self._store, keys, member, self._settings),
            ]
        )
        while not self._stopping or recovery.reports:
            if self._schedules is not None:
                periodic.declare(self._schedules)
                timetable.hasten(periodic)
                self._schedules = None
            pause = timetable.run_due()
            while recovery.recovered:
                self._channel.send({"recovered": recovery.recovered.pop(0)})
            is_done = self._stopping and not recovery.reports
            reports = self._listen(0.0 if is_done else pause)
            if reports:
                recovery.reports += reports
                timetable.hasten(recovery)

    def _keys(self) -> Keys | None:
        """The namespace's keys, as soon as Redis can be reached."""
        failures = 0
        while not self._stopping:
            try:
                wire = self._store.run(namespace.claim(self._settings.prefix, self._settings.wire))
                return Keys(self._settings.prefix, wire)
            except StoreError as error:
                failures += 1
                wait = backoff(failures)
                events.emit("store.lost", error=error, wait=wait)
                until = clock.monotonic() + wait
                while not self._stopping and (left := until - clock.monotonic()) > 0:
                    self._early += self._listen(left)
        return None

    def _listen(self, seconds: float) -> list[Report]:
        """What the supervisor says within so long."""
        self._channel.flush()
        ready, _, _ = select.select([self._channel], [], [], seconds)
        found = []
        for message in self._channel.receive() if ready else []:
            if message.get("stop"):
                self._stopping = True
            elif "schedules" in message:
                self._schedules = message["schedules"]
            elif "died" in message:
                found.append(
                    Report(
                        message["died"],
                        message["id"],
                        tuple(message["queues"]),
                        tuple(message["started"]),
                        message["why"],
                        tuple(message.get("late", ())),
                        tuple(message.get("killed", ())),
                    )
                )
        return found
