"""In-flight lists and their leases: read again, renew, adopt, forget, audit.

May be in here: what keeps reserved jobs from being lost. May not: who does it and when (worker/leases.py, scheduler/).
Lease ends are milliseconds of the server's clock: hosts may disagree about the time, the server does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from resque.store.keys import Keys
from resque.store.operation import Operation, number, scores, text
from resque.store.scripts import Script


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that is gone. `seen`: the lease end (ms) that was watched; None: it is known to be dead."""

    member: str
    seen: float | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """Payloads that moved, in reserve order, and how many are left; `None` instead when the lease had changed."""

    payloads: list[bytes]
    left: int


def held(keys: Keys, queue: str, worker: str) -> Operation[list[bytes]]:
    """What a worker holds of a queue, in reserve order: the truth, wherever it is in doubt."""
    key = keys.inflight(queue, worker)
    front_left = keys.direction.front == "LEFT"
    return Operation("LRANGE", (key,), (0, -1), lambda reply: list(reply) if front_left else list(reversed(reply)))


def holds_any(keys: Keys, queues: Sequence[str], worker: str) -> Operation[int]:
    """How many of the worker's in-flight lists are not empty: one command for all of them."""
    return Operation("EXISTS", tuple(keys.inflight(q, worker) for q in queues), (), number)


def count(keys: Keys, queue: str, worker: str) -> Operation[int]:
    """How many jobs of a queue a worker holds."""
    return Operation("LLEN", (keys.inflight(queue, worker),), (), number)


def leases(keys: Keys, queue: str) -> Operation[list[tuple[str, float]]]:
    """Every worker with a lease on a queue, and when it ends (ms)."""
    return Operation("ZRANGE", (keys.leases(queue),), (0, -1, "WITHSCORES"), scores)


def renew(keys: Keys, queues: Sequence[str], workers: Sequence[str], lease: float) -> Operation[int]:
    """A new end, `lease` seconds from now, for every lease that these workers have on these queues."""
    return Operation(Script("renew"), tuple(keys.leases(q) for q in queues), (round(lease * 1000), *workers), number)


def shorten(keys: Keys, queue: str, worker: str, lease_end_ms: int) -> Operation[int]:
    """Cut a lease that ends later than `lease_end_ms`: a clock that jumped must not reserve jobs for a year."""
    return Operation("ZADD", (keys.leases(queue),), ("XX", "LT", "CH", lease_end_ms, worker), number)


def adopt(
    keys: Keys, queue: str, lost: Lost, recoverer: str, lease: float, count: int = 100
) -> Operation[Adopted | None]:
    """in-flight of `lost` -> in-flight of `recoverer`, the newest `count` of them; `lease` in seconds."""
    named = (keys.leases(queue), keys.inflight(queue, lost.member), keys.inflight(queue, recoverer))
    ends = keys.direction
    mark = "" if lost.seen is None else repr(lost.seen)
    args = (ends.front, ends.back, lost.member, mark, recoverer, round(lease * 1000), count)
    return Operation(Script("adopt"), named, args, _adopted)


def forget(keys: Keys, queue: str, worker: str, seen: float) -> Operation[int]:
    """A worker that holds nothing loses its place in the leases; 1 if it did."""
    return Operation(Script("forget"), (keys.leases(queue), keys.inflight(queue, worker)), (worker, repr(seen)), number)


def end_lease(keys: Keys, queue: str, worker: str, now_ms: int) -> Operation[int]:
    """A clean exit: the lease ends now."""
    return Operation("ZADD", (keys.leases(queue),), ("XX", "CH", now_ms, worker), number)


def audit(keys: Keys, queue: str, worker: str, lease: float) -> Operation[tuple[bool, bool]]:
    """Give an in-flight list its queue's name and a lease if they are missing: (name was, lease was)."""
    named = (keys.queues(), keys.leases(queue), keys.inflight(queue, worker))
    return Operation(
        Script("audit"), named, (queue, worker, round(lease * 1000)), lambda reply: (bool(reply[0]), bool(reply[1]))
    )


def scan(keys: Keys, kind: Literal["list", "zset"], cursor: int) -> Operation[tuple[int, list[str]]]:
    """One step over the keyspace for keys that hold jobs: next cursor (0 = the round is done), keys. Lists hold those
    that wait or are in flight, zsets those that are delayed."""
    args = (cursor, "MATCH", keys.audit_pattern(), "COUNT", 500, "TYPE", kind)
    return Operation("SCAN", (), args, lambda reply: (int(reply[0]), [text(key) for key in reply[1]]))


def _adopted(reply: Any) -> Adopted | None:
    return Adopted(list(reply[2]), int(reply[1])) if int(reply[0]) else None
