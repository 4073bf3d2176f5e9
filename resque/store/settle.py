"""in-flight -> done, failed, dropped, delayed or waiting again: how a job leaves a worker's hands.

May be in here: the settling transitions. May not: deciding which one (jobs/outcome.py).
Each looks for the payload in the in-flight list first. Not there means that the lease was lost, or that it was settled
already: nothing is written and nothing counted. That fence is why every job counts at most once.

A unique lock is named by its digest, "" = none, and freed if it holds the job's id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from resque.store.attempts import KEEP
from resque.store.keys import Keys
from resque.store.operation import Arg, Operation, text
from resque.store.scripts import Script

METRICS_LIFE = 3 * 86400


@dataclass(frozen=True, slots=True)
class Settled:
    """How many of the payloads were still ours, how many jobs the in-flight list holds now, and an error or ""."""

    ours: int
    inflight: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose in-flight list of which queue: `member` is `host~nonce:pid`, `id` has the queues behind it."""

    queue: str
    member: str
    id: str


class Later(NamedTuple):
    """A job that is tried again after `delay` seconds."""

    raw: bytes
    changed: bytes
    """What is stored in its place; b"" = itself."""
    id: str
    delay: float
    error: bytes
    """A JSON object without a line feed, for `attempts`; b"" = none."""
    fields: tuple[str, ...]
    """Of metrics, each goes up by one; "" = none."""


class Drop(NamedTuple):
    """A job that is not to be done."""

    raw: bytes
    reason: str
    """Its counter: expired, cancelled or discarded."""
    id: str
    lock: str
    fields: tuple[str, ...]


class Conclude(NamedTuple):
    """A job that is done and has left traces: it has been retried, or has a lock."""

    raw: bytes
    id: str
    lock: str
    fields: tuple[str, ...]


Failing = tuple[bytes, bytes, str, str, str, str] | tuple[bytes, bytes, str, str]
"""Payload, failure record, two fields of metrics ("" = none), id, lock. Without the last two nothing is kept of it."""


def finish(
    keys: Keys, holder: Holder, groups: Sequence[tuple[str, str, str]], entries: Sequence[bytes | int], minute: int
) -> Operation[Settled]:
    """in-flight -> done. `entries` is flat: group, payload, group, payload … in reserve order.

    A group is three fields of the metrics hash that go up by one a job: done, wait bucket, run bucket ("" = none).
    """
    assert entries, "nothing to settle is no trip"
    named = (
        keys.inflight(holder.queue, holder.member),
        keys.stat("processed"),
        keys.stat("processed", holder.id),
        keys.metrics(holder.queue, minute),
    )
    flat = tuple(name for group in groups for name in group)
    args = (keys.direction.from_front, METRICS_LIFE, len(groups), *flat, *entries)
    return Operation(Script("finish"), named, args, _settled)


def conclude(keys: Keys, holder: Holder, rows: Sequence[Conclude], minute: int) -> Operation[Settled]:
    """in-flight -> done, for jobs with errors of earlier attempts or a lock to clear; `finish` is the fast path."""
    assert rows, "nothing to settle is no trip"
    named = [
        keys.inflight(holder.queue, holder.member),
        keys.stat("processed"),
        keys.stat("processed", holder.id),
        keys.metrics(holder.queue, minute),
        keys.attempts(holder.queue),
    ]
    places = _Places(named)
    args: list[Arg] = [keys.direction.from_front, METRICS_LIFE]
    for row in rows:
        args += [row.raw, row.id, places.lock(keys, holder, row.lock), len(row.fields), *row.fields]
    return Operation(Script("conclude"), tuple(named), tuple(args), _settled)


def fail(keys: Keys, holder: Holder, entries: Sequence[Failing], minute: int) -> Operation[Settled]:
    """in-flight -> failed. The errors of earlier attempts go from `attempts` into the record, as its last field."""
    named = [
        keys.inflight(holder.queue, holder.member),
        keys.failed(),
        keys.stat("processed"),
        keys.stat("processed", holder.id),
        keys.stat("failed"),
        keys.stat("failed", holder.id),
        keys.metrics(holder.queue, minute),
        keys.attempts(holder.queue),
    ]
    places = _Places(named)
    args: list[Arg] = [keys.direction.from_front, keys.direction.push_back, METRICS_LIFE]
    for entry in entries:
        id, lock = entry[4:] or ("", "")
        args += [*entry[:4], id, places.lock(keys, holder, lock)]
    return Operation(Script("fail"), tuple(named), tuple(args), _settled)


def drop(keys: Keys, holder: Holder, rows: Sequence[Drop], minute: int) -> Operation[Settled]:
    """in-flight -> dropped, each counted under its reason. Its attempts, tombstone and lock go with it."""
    assert rows, "nothing to settle is no trip"
    named = [
        keys.inflight(holder.queue, holder.member),
        keys.attempts(holder.queue),
        keys.cancelled(holder.queue),
        keys.metrics(holder.queue, minute),
    ]
    places = _Places(named)
    args: list[Arg] = [keys.direction.from_front, METRICS_LIFE]
    for row in rows:
        counter, lock = places.of(keys.stat(row.reason)), places.lock(keys, holder, row.lock)
        args += [row.raw, counter, row.id, lock, len(row.fields), *row.fields]
    return Operation(Script("drop"), tuple(named), tuple(args), _settled)


def later(keys: Keys, holder: Holder, rows: Sequence[Later], minute: int) -> Operation[Settled]:
    """in-flight -> delayed, due so many seconds from now by the server's clock; counted as retried.

    An id that is taken in `delayed`, be it by the same bytes, becomes `id~1`: each copy in flight is a job of its own.
    """
    assert rows, "nothing to settle is no trip"
    named = (
        keys.inflight(holder.queue, holder.member),
        keys.delayed(holder.queue),
        keys.payloads(holder.queue),
        keys.attempts(holder.queue),
        keys.stat("retried"),
        keys.metrics(holder.queue, minute),
    )
    args: list[Arg] = [keys.direction.from_front, METRICS_LIFE, KEEP]
    for row in rows:
        assert b"\n" not in row.error, "a line feed stands between two errors"
        args += [row.raw, row.changed, row.id, f"{row.delay:.6f}", row.error, len(row.fields), *row.fields]
    return Operation(Script("later"), named, tuple(args), _settled)


def release(keys: Keys, holder: Holder, entries: Sequence[tuple[bytes, bytes]]) -> Operation[Settled]:
    """in-flight -> waiting, at the front. Each entry: payload, and what to put in its place (b"" = itself).

    Give them in reserve order; they are pushed from the last to the first, so that the queue has its order again.
    """
    named = (keys.inflight(holder.queue, holder.member), keys.queue(holder.queue))
    flat = tuple(item for entry in reversed(entries) for item in entry)
    return Operation(Script("release"), named, (keys.direction.from_back, keys.direction.push_front, *flat), _settled)


class _Places:
    """Where scripts find the keys that some rows need: each is named once, behind the others."""

    def __init__(self, named: list[str]) -> None:
        self._named = named
        self._places: dict[str, int] = {}

    def of(self, key: str) -> int:
        """The place of a key in KEYS."""
        place = self._places.get(key)
        if place is None:
            self._named.append(key)
            place = self._places[key] = len(self._named)
        return place

    def lock(self, keys: Keys, holder: Holder, digest: str) -> int:
        """The place of a lock; 0 for none."""
        return self.of(keys.lock(holder.queue, digest)) if digest else 0


def _settled(reply: Any) -> Settled:
    return Settled(int(reply[0]), int(reply[1]), text(reply[2]) if len(reply) > 2 else "")
