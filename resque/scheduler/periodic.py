"""Periodic: the ticks of cron entries become jobs, each tick once.

May be in here: which entries there are, which tick is due, storing what code and settings file declare. May not: what a
schedule means (jobs/cron.py), how a tick is fired once (store/periodic.py).

Every scheduler tries every tick, by the server's clock; the script lets one of them through. It compares with the
newest tick that was fired, which Redis remembers for each entry. So a scheduler needs to remember nothing, and one that
dies is missed by nobody. What an entry says is read again before anything is fired: what an operator has disabled does
not fire any more.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from uuid_utils import uuid7

from resque import clock, events
from resque.config import Settings
from resque.errors import ConfigError, Refused, ResqueError, StoreError, Unavailable
from resque.jobs import schedules
from resque.jobs.cron import Schedule, due
from resque.jobs.schedules import Entry
from resque.loop import backoff
from resque.payload import codec
from resque.payload.payload import Meta
from resque.store import namespace, periodic
from resque.store.keys import Keys
from resque.store.operation import Operation, sure
from resque.store.sync import SyncStore

_READ = 5.0
"""Seconds after which the entries are read again."""
_LIMIT = 20
"""Ticks of one entry, and _A_TRIP of all entries in one trip, before the other duties have their turn."""
_A_TRIP = 100
_BUDGET = 0.2
_JITTER = 0.03
_OURS = ("code:", "file:")


class _Known:
    """An entry as we know it. Times are the server's."""

    def __init__(self, raw: bytes, entry: Entry) -> None:
        self.raw = raw
        self.entry = entry
        self.schedule: Schedule = entry.schedule()
        self.last = entry.since
        self.next: float | None = None
        self.failures = 0
        self.rests_until = 0.0

    def looked_after(self, until: float) -> None:
        """Ticks up to here need nothing any more."""
        self.last = max(self.last, until)
        self.next = self.schedule.next_after(self.last)


class Periodic:
    """The duty."""

    name = "cron"

    def __init__(self, store: SyncStore, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._max_payload = settings.max_payload
        self._app = ",".join(settings.app)
        self._entries: dict[str, _Known] = {}
        self._disabled: set[str] = set()
        self._reported: dict[str, str] = {}
        self._read_due = 0.0
        self._offset = 0.0
        """What the server's clock shows when our monotonic one shows 0."""
        self._pending: dict[str, dict[str, Entry]] = {}
        """Source -> what it declares, to be stored."""
        self._declare_due = 0.0
        self._in_file: frozenset[str] = frozenset()
        if settings.cron.file:
            self._declare_file(settings.cron.by_name, settings.cron.file)

    def declare(self, entries: Mapping[str, str]) -> None:
        """What the code of our workers asks for: name -> JSON of all its entries. Stored with the next tick."""
        source, found = f"code:{self._app}", {}
        for name, text in entries.items():
            try:
                found[name] = schedules.read(name, text).changed(source=source)
            except ConfigError as error:
                self._report(name, error)
        self._pending[source] = found
        self._declare_due = 0.0

    def tick(self, now: float) -> float:
        """Store what was declared; fire what is due. Returns when the next tick or look is due."""
        if self._pending and now >= self._declare_due:
            self._declare_all(now)
        if now >= self._read_due or self._next() <= now + self._offset:
            server = self._read(now)
            self._read_due = now + _READ
            if self._fire(server):
                return 0.0
        return max(0.0, min(self._read_due - now, self._next() - self._offset - now + random.uniform(0, _JITTER)))

    def _next(self) -> float:
        """When the next thing is due, by the server's clock."""
        soonest = float("inf")
        for known in self._entries.values():
            if known.next is not None and known.entry.name not in self._disabled:
                soonest = min(soonest, max(known.next, known.rests_until))
        return soonest

    # reading ---------------------------------------------------------------------------------------------------

    def _read(self, now: float) -> float:
        """The entries as they are now. Returns the server's time."""
        server, found, self._disabled = sure(
            self._store.run_all([namespace.time(), periodic.entries(self._keys), periodic.disabled(self._keys)])
        )
        self._offset = server - now
        for name in set(self._entries).difference(found):
            del self._entries[name]
        new = [known for name, raw in found.items() if (known := self._changed(name, raw)) is not None]
        if new:
            self._recall(new)
        for known in self._entries.values():
            if known.entry.name in self._disabled:
                known.looked_after(server)  # it would not have fired
        return float(server)

    def _changed(self, name: str, raw: bytes) -> _Known | None:
        """The entry if we do not know it like this."""
        known = self._entries.get(name)
        if known is not None and known.raw == raw:
            return None
        self._entries.pop(name, None)
        try:
            return _Known(raw, schedules.read(name, raw))
        except ConfigError as error:
            self._report(name, error)
            return None

    def _recall(self, new: Sequence[_Known]) -> None:
        """What was fired of these before we knew them."""
        asked = [periodic.runs(self._keys, known.entry.queue, known.entry.name) for known in new]
        for known, runs in zip(new, self._store.run_all(asked), strict=True):
            name = known.entry.name
            if isinstance(runs, StoreError):
                self._report(name, runs)  # not kept: asked again with the next look
                continue
            known.looked_after(max((run.tick for run in runs), default=known.entry.since))
            self._entries[name] = known
            self._reported.pop(name, None)

    def _report(self, name: str, error: ResqueError) -> None:
        """Once: an entry that stays wrong must not flood the log."""
        text = f"cron entry {name!r}: {error}" if name not in str(error) else str(error)
        if self._reported.get(name) != text:
            self._reported[name] = text
            events.emit("loop.failed", loop=self.name, error=Refused(text))

    # firing ----------------------------------------------------------------------------------------------------

    def _fire(self, server: float) -> bool:
        """Fire what is due, one tick of each entry a trip: a tick that fails must not be overtaken by the next one.

        Whether more is due.
        """
        waiting = {known.entry.name: ticks for known in self._ready(server) if (ticks := self._due(known, server))}
        is_cut = any(len(ticks) == _LIMIT for ticks in waiting.values())
        end = clock.monotonic() + _BUDGET
        while waiting:
            if clock.monotonic() > end:
                return True
            names = list(waiting)[:_A_TRIP]
            turn = [(self._entries[name], waiting[name].pop(0)) for name in names]
            refused = self._fire_each(turn, server)
            for name in names:
                ticks = waiting.pop(name)
                if ticks and name not in refused:
                    waiting[name] = ticks  # behind the others
        return is_cut

    def _ready(self, server: float) -> list[_Known]:
        return [
            known
            for name, known in self._entries.items()
            if known.next is not None and max(known.next, known.rests_until) <= server and name not in self._disabled
        ]

    def _due(self, known: _Known, server: float) -> list[float]:
        ticks = due(known.schedule, known.last, server, known.entry.missed, _LIMIT)
        if not ticks:
            known.looked_after(server)  # they were missed, and nothing is to be done about it
        return ticks

    def _fire_each(self, turn: Sequence[tuple[_Known, float]], server: float) -> set[str]:
        """One trip. Returns the names of the entries that could not be fired."""
        operations: list[Operation[Any]] = []
        sent: list[tuple[_Known, float, str]] = []
        refused: set[str] = set()
        for known, tick in turn:
            entry = known.entry
            try:
                id, payload = _job(entry, tick, server, self._max_payload)
            except ResqueError as error:
                refused.add(self._rest(known, error, server))
                continue
            sent.append((known, tick, id))
            operations += periodic.tick(self._keys, entry.queue, entry.name, int(tick), id, payload)
        answers = self._store.run_all(operations)[1::2] if operations else []
        for (known, tick, id), fired in zip(sent, answers, strict=True):
            entry = known.entry
            if isinstance(fired, StoreError):
                refused.add(self._rest(known, fired, server))
                continue
            known.failures = 0
            known.looked_after(tick)
            self._reported.pop(entry.name, None)
            if fired:
                events.emit("cron.fired", name=entry.name, queue=entry.queue, id=id, tick=int(tick))
        return refused

    def _rest(self, known: _Known, error: ResqueError, server: float) -> str:
        known.failures += 1
        known.rests_until = server + backoff(known.failures)
        self._report(known.entry.name, error)
        return known.entry.name

    # declaring -------------------------------------------------------------------------------------------------

    def _declare_file(self, tables: Mapping[str, Any], file: str) -> None:
        source, found = f"file:{self._app}", {}
        for name, table in tables.items():
            try:
                found[name] = schedules.from_table(name, table, source)
            except ConfigError as error:
                self._report(name, ConfigError(f"{file}: {error}"))
        self._pending[source] = found
        self._in_file = frozenset(found)

    def _declare_all(self, now: float) -> None:
        """Store what is pending. If the server will not have it, later: the entries that are there go on."""
        for source in list(self._pending):
            try:
                self._store_declared(source, self._pending[source])
            except (Refused, Unavailable) as error:
                self._report(source, error)
                self._declare_due = now + _READ
                return
            del self._pending[source]
            self._reported.pop(source, None)
            self._read_due = now

    def _store_declared(self, source: str, declared: Mapping[str, Entry]) -> None:
        """Put what is declared, remove what this source does not declare any more, touch nothing else."""
        server, stored = sure(self._store.run_all([namespace.time(), periodic.entries(self._keys)]))
        known = {name: entry for name, raw in stored.items() if (entry := _readable(name, raw)) is not None}
        changes: list[Operation[Any]] = []
        for name, entry in declared.items():
            old = known.get(name)
            if name in self._in_file and source.startswith("code:"):
                continue  # whoever runs this host has the last word
            if old is not None and not old.source.startswith(_OURS):
                taken = ConfigError(f"cron entry {name!r} of {source!r} is not stored: {old.source!r} has this name")
                self._report(name, taken)
                continue
            since = old.since if old is not None and old.says_the_same(entry) else round(server, 3)
            raw = schedules.write(entry.changed(since=since))
            if raw != stored.get(name):
                changes.append(periodic.put(self._keys, name, raw))
        gone = [name for name, entry in known.items() if entry.source == source and name not in declared]
        if gone:
            changes.append(periodic.remove(self._keys, gone))
        if changes:
            sure(self._store.run_all(changes))


def _job(entry: Entry, tick: float, now: float, limit: int) -> tuple[str, bytes]:
    """The id and the payload of a tick's job. It knows its tick: that is when it was to run."""
    id = str(uuid7())
    meta = Meta(
        id=id,
        queue=entry.queue,
        enqueued_at=round(now, 3),
        due_at=tick,
        expires_at=None if entry.expires is None else round(now + entry.expires, 3),
        deadline_at=None if entry.deadline is None else round(now + entry.deadline, 3),
    )
    return id, codec.encode(entry.job, entry.args, entry.kwargs, meta, limit=limit)


def _readable(name: str, raw: bytes) -> Entry | None:
    try:
        return schedules.read(name, raw)
    except ConfigError:
        return None
