"""Cancelling jobs that wait: tombstones by id, and taking a payload that is known out of its queue.

May be in here: marking, asking, taking out. May not: finding a job by its id (admin), ending one that runs (worker/),
delayed jobs (delayed.py).

Who wants to cancel a waiting job knows its id and not where it is in the list. So it leaves a tombstone, and a worker
that reserves a job under that id drops it. Tombstones end by themselves, and there are never many.
"""

from collections.abc import Sequence
from typing import NamedTuple

from resque.store.keys import Keys
from resque.store.operation import Operation, number
from resque.store.scripts import Script
from resque.store.settle import METRICS_LIFE

TOMBSTONES = 10_000
"""So many a queue; beyond that those go that would expire next."""
SEARCH_DEPTH = 100_000


class Waiting(NamedTuple):
    """A waiting job: its very bytes, its id, the digest of its unique lock, a field of metrics (both: "" = none)."""

    raw: bytes
    id: str
    lock: str
    field: str


def mark(keys: Keys, queue: str, id: str, until: float) -> Operation[bool]:
    """A tombstone until `until`, in seconds since 1970. False if there was one: it has the new end now."""
    return Operation(Script("mark"), (keys.cancelled(queue),), (id, f"{until:.6f}", TOMBSTONES), bool)


def unmark(keys: Keys, queue: str, id: str) -> Operation[bool]:
    """Remove a tombstone. False if there was none."""
    return Operation("ZREM", (keys.cancelled(queue),), (id,), bool)


def marked(keys: Keys, queue: str, ids: Sequence[str], now: float) -> Operation[list[bool]]:
    """Whether there is a tombstone for each of these ids that holds at `now` (seconds since 1970)."""
    assert ids, "nothing to ask is no trip"
    return Operation(
        "ZMSCORE",
        (keys.cancelled(queue),),
        tuple(ids),
        lambda reply: [until is not None and float(until) > now for until in reply],
    )


def count(keys: Keys, queue: str) -> Operation[int]:
    """How many tombstones there are, those that have expired among them."""
    return Operation("ZCARD", (keys.cancelled(queue),), (), number)


def take_waiting(keys: Keys, queue: str, job: Waiting, minute: int) -> Operation[bool]:
    """waiting -> dropped, counted as cancelled. False if it does not wait (any more): then somebody has reserved it.

    Its errors of earlier attempts go with it, and its unique lock if that names it.
    """
    named = [keys.queue(queue), keys.attempts(queue), keys.stat("cancelled"), keys.metrics(queue, minute)]
    if job.lock:
        named.append(keys.lock(queue, job.lock))
    args = (job.raw, job.id, job.field, METRICS_LIFE, keys.direction.from_back, SEARCH_DEPTH)
    return Operation(Script("take_waiting"), tuple(named), args, bool)
