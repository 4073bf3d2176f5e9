"""Schedules: the entries of cron; when they fired, when they will; switch them off and on, fire one by hand.

May be in here: reading an entry for a person, whatever is in Redis. May not: what a schedule means (jobs/cron.py),
firing ticks (scheduler/), how it is shown.

An entry that is switched off by its name stays so, also while no deployment has it.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

from uuid_utils import uuid7

from resque import clock
from resque.admin.console import Console, known
from resque.client.client import Client
from resque.client.prepare import Prepared
from resque.errors import ConfigError
from resque.jobs import schedules
from resque.jobs.cron import Schedule
from resque.jobs.schedules import Entry
from resque.payload import codec
from resque.payload.payload import Meta
from resque.store import namespace, periodic
from resque.store.periodic import Run

NEXT = 100
"""The most ticks that are told ahead."""


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry. What cannot be read has no `entry` and no `schedule`, and `trouble` says why."""

    name: str
    entry: Entry | None
    schedule: Schedule | None
    enabled: bool
    runs: list[Run] = field(default_factory=list)
    """The last ticks that were fired, with the ids of their jobs, the newest first; at most 20."""
    trouble: str = ""

    def next(self, count: int = 1) -> list[float]:
        """The next ticks, at most 100, in seconds since 1970. [] for one that does not fire."""
        if self.schedule is None or not self.enabled:
            return []
        return self.schedule.ticks(clock.now(), float("inf"), min(count, NEXT))


def every(console: Console) -> list[EntryView]:
    """All entries, sorted by name."""
    return _views(console, sorted(console.run(periodic.entries(console.keys)).items()))


def find(console: Console, name: str) -> EntryView | None:
    """One entry, or None."""
    raw = console.run(periodic.entries(console.keys)).get(name)
    return None if raw is None else _views(console, [(name, raw)])[0]


def enable(console: Console, name: str) -> bool:
    """Let an entry fire again. False if it was enabled.

    It begins anew: ticks of the time in which it was disabled are not missed ones, whatever its policy says, and a
    scheduler that starts later could not know of them otherwise. Written before it is enabled, or one might fire.
    """
    keys = console.claim()
    if name in console.run(periodic.disabled(keys)):
        raw = console.run(periodic.entries(keys)).get(name)
        with suppress(ConfigError):  # what cannot be read does not fire anyhow
            if raw is not None:
                server: float = console.run(namespace.time())
                entry = schedules.read(name, raw).changed(since=round(server, 3))
                console.run(periodic.put(keys, name, schedules.write(entry)))
    return console.run(periodic.enable(keys, name))


def disable(console: Console, name: str) -> bool:
    """Let an entry fire no more, on all hosts. False if it was disabled."""
    return console.run(periodic.disable(console.claim(), name))


def run_now(console: Console, view: EntryView) -> str | None:
    """Enqueue the job of an entry once, beside its ticks and also while it is disabled. Returns the job's id.

    None: the entry cannot be read. Raises JobError, EnqueueError.
    """
    if view.entry is None:
        return None
    console.claim()
    with closing(Client(console.settings)) as client:
        return client.send([_job(view.entry, clock.now(), console.settings.max_payload)])[0].id


def _job(entry: Entry, now: float, limit: int) -> Prepared:
    """As a tick would make it, without a tick."""
    id = str(uuid7())
    meta = Meta(
        id=id,
        queue=entry.queue,
        enqueued_at=round(now, 3),
        expires_at=None if entry.expires is None else round(now + entry.expires, 3),
        deadline_at=None if entry.deadline is None else round(now + entry.deadline, 3),
    )
    payload = codec.encode(entry.job, entry.args, entry.kwargs, meta, limit=limit)
    return Prepared(id, entry.queue, entry.job, payload)


def _views(console: Console, entries: Sequence[tuple[str, bytes]]) -> list[EntryView]:
    disabled = console.run(periodic.disabled(console.keys))
    read = [_view(name, raw, name not in disabled) for name, raw in entries]
    asked = [(index, view.entry.queue) for index, view in enumerate(read) if view.entry is not None]
    answers = console.ask([periodic.runs(console.keys, queue, read[index].name) for index, queue in asked])
    for (index, _), runs in zip(asked, answers, strict=True):
        read[index].runs.extend(known(runs) or [])
    return read


def _view(name: str, raw: bytes, enabled: bool) -> EntryView:
    try:
        entry = schedules.read(name, raw)
        return EntryView(name, entry, entry.schedule(), enabled)
    except ConfigError as error:
        return EntryView(name, None, None, enabled, trouble=str(error))
