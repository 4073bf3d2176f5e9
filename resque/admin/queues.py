"""Queues: list them, look into one, purge it, pause it.

May be in here: what a person asks about queues. May not: how it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from resque import clock
from resque.admin import jobs
from resque.admin.console import Console, known
from resque.admin.jobs import JobView
from resque.errors import StoreError
from resque.store import delayed, inflight, queues, reserve

WINDOW = 500
"""The most payloads that are read at once."""
_QUEUES_A_ROUND = 100


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue. None: Redis would not say (`trouble` tells why)."""

    name: str
    waiting: int | None
    in_flight: int | None
    oldest: float | None
    """Age in seconds of the job that is next, None when nothing waits or it does not say when it was enqueued."""
    paused: bool | None
    oversize: int | None
    """Foreign payloads that were moved aside, unread, for their size."""
    trouble: str = ""
    delayed: int | None = None
    """How many jobs wait for their time."""
    paused_by: str | None = None
    paused_at: float | None = None
    """Seconds since 1970. Both None where it is not paused, or somebody else's tool has done that."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One waiting job and its place: 0 is the next that a worker takes."""

    position: int
    job: JobView


def names(console: Console) -> list[str]:
    """All known queues, sorted."""
    return console.run(queues.names(console.keys))


def every(console: Console) -> list[QueueView]:
    """All known queues, sorted by name. No scan of the keyspace: a handful of trips a hundred queues."""
    all_names = names(console)
    found: list[QueueView] = []
    for start in range(0, len(all_names), _QUEUES_A_ROUND):
        found += _views(console, all_names[start : start + _QUEUES_A_ROUND])
    return found


def find(console: Console, name: str) -> QueueView | None:
    """One queue; None if nobody has ever put a job into it."""
    if name not in names(console) and not console.run(queues.length(console.keys, name)):
        return None
    return _views(console, [name])[0]


def show(console: Console, name: str, start: int = 0, count: int = 20) -> list[Waiting]:
    """Up to `count` (at most 500) waiting jobs from place `start` on, in the order in which workers will take them."""
    payloads = console.run(queues.window(console.keys, name, start, min(count, WINDOW)))
    return [Waiting(start + index, jobs.view(raw)) for index, raw in enumerate(payloads)]


def purge(console: Console, name: str) -> int:
    """Drop all waiting jobs of a queue, for good; jobs in flight go on. Returns how many, counted as purged."""
    return console.run(queues.purge(console.claim(), name))


def pause(console: Console, name: str, by: str) -> bool:
    """Let no worker start anything from a queue; what runs goes on. `by`: who does that, for others to see.

    False if it was paused already.
    """
    return console.run(queues.pause(console.claim(), name, by, round(clock.now(), 3)))


def resume(console: Console, name: str) -> bool:
    """Let workers go on with a queue. False if it was not paused."""
    return console.run(queues.resume(console.claim(), name))


def pause_all(console: Console) -> bool:
    """Let no worker start anything, Ruby's included: `pause-all-workers` of Resque. False if it was so already."""
    return console.run(queues.pause_all(console.claim()))


def resume_all(console: Console) -> bool:
    """The opposite of `pause_all`; queues that are paused by their names stay so. False if it was not so."""
    return console.run(queues.resume_all(console.claim()))


def all_paused(console: Console) -> bool:
    """Whether Resque's own switch is on."""
    return console.run(reserve.all_paused(console.keys))


def in_flight(console: Console, all_names: Sequence[str]) -> list[int | None]:
    """How many jobs of each queue workers hold: the lists of those who have a lease on it."""
    leases = console.ask([inflight.leases(console.keys, name) for name in all_names])
    pairs = [(name, member) for name, found in zip(all_names, leases, strict=True) for member, _ in known(found) or ()]
    counts = console.ask([inflight.count(console.keys, name, member) for name, member in pairs])
    totals: dict[str, int] = {}
    for (name, _), count in zip(pairs, counts, strict=True):
        totals[name] = totals.get(name, 0) + (known(count) or 0)
    return [
        None if isinstance(found, StoreError) else totals.get(name, 0)
        for name, found in zip(all_names, leases, strict=True)
    ]


def _views(console: Console, some: Sequence[str]) -> list[QueueView]:
    keys = console.keys
    waiting = console.ask([queues.length(keys, name) for name in some])
    oversize = console.ask([queues.oversize(keys, name) for name in some])
    paused = console.ask([queues.is_paused(keys, name) for name in some])
    notes = console.ask([queues.pause_note(keys, name) for name in some])
    first = console.ask([queues.window(keys, name, 0, 1) for name in some])
    later = console.ask([delayed.count(keys, name) for name in some])
    held = in_flight(console, some)
    found = []
    for index, name in enumerate(some):
        answers = (waiting[index], oversize[index], first[index], later[index])
        trouble = next((str(answer) for answer in answers if isinstance(answer, StoreError)), "")
        pause, note = known(paused[index]), _read_note(known(notes[index]))
        found.append(
            QueueView(
                name=name,
                waiting=known(waiting[index]),
                in_flight=held[index],
                oldest=_age(known(first[index])),
                paused=None if pause is None else bool(pause),
                oversize=known(oversize[index]),
                trouble=trouble,
                delayed=known(later[index]),
                paused_by=note.by,
                paused_at=note.at,
            )
        )
    return found


class _Note(msgspec.Struct):
    by: str | None = None
    at: float | None = None


def _read_note(raw: Any) -> _Note:
    """Who paused a queue, and when. Other tools write there what they like."""
    try:
        return msgspec.json.decode(raw or b"{}", type=_Note)
    except (ValueError, RecursionError, TypeError):
        return _Note()


def _age(first: list[bytes] | None) -> float | None:
    at = jobs.view(first[0]).enqueued_at if first else None
    return None if at is None else max(0.0, round(clock.now() - at, 3))
