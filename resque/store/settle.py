"""in-flight -> done, failed or waiting again: how a job leaves a worker's hands.

May be in here: the settling transitions. May not: deciding which one (jobs/outcome.py).
Each looks for the payload in the in-flight list first. Not there means that the lease was lost, or that it was settled
already: nothing is written and nothing counted. That fence is why every job counts at most once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resque.store.keys import Keys
from resque.store.operation import Operation, text
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


def fail(
    keys: Keys, holder: Holder, entries: Sequence[tuple[bytes, bytes, str, str]], minute: int
) -> Operation[Settled]:
    """in-flight -> failed. Each entry: payload, failure record, two fields of metrics ("" = none)."""
    named = (
        keys.inflight(holder.queue, holder.member),
        keys.failed(),
        keys.stat("processed"),
        keys.stat("processed", holder.id),
        keys.stat("failed"),
        keys.stat("failed", holder.id),
        keys.metrics(holder.queue, minute),
    )
    flat = tuple(item for entry in entries for item in entry)
    return Operation(
        Script("fail"), named, (keys.direction.from_front, keys.direction.push_back, METRICS_LIFE, *flat), _settled
    )


def release(keys: Keys, holder: Holder, entries: Sequence[tuple[bytes, bytes]]) -> Operation[Settled]:
    """in-flight -> waiting, at the front. Each entry: payload, and what to put in its place (b"" = itself).

    Give them in reserve order; they are pushed from the last to the first, so that the queue has its order again.
    """
    named = (keys.inflight(holder.queue, holder.member), keys.queue(holder.queue))
    flat = tuple(item for entry in reversed(entries) for item in entry)
    return Operation(Script("release"), named, (keys.direction.from_back, keys.direction.push_front, *flat), _settled)


def _settled(reply: Any) -> Settled:
    return Settled(int(reply[0]), int(reply[1]), text(reply[2]) if len(reply) > 2 else "")
