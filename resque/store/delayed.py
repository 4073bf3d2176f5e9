"""Delayed jobs: in, out when their time has come, and what an operator does with them by id.

May be in here: the transitions new -> delayed, delayed -> waiting, delayed -> dropped, and questions. May not: when a
job is to run (its options, retry policies), who promotes (scheduler/). How a retry gets in: settle.py, `later`.
Due times are seconds of the server's clock, with a fraction; jobs with one due time are in the order of their ids,
which for ours is that of their making.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from resque.store.keys import Keys
from resque.store.operation import Operation, number, scores, text
from resque.store.queues import name
from resque.store.scripts import Script
from resque.store.settle import METRICS_LIFE

PROMOTE_BYTES = 16 * 1024 * 1024
"""A promotion moves no more than that (and one job) in one script: the server does nothing else meanwhile."""


class Delayed(NamedTuple):
    """A job that waits for its time: `due` in seconds since 1970. `payload` is b"" where it is missing in Redis."""

    id: str
    due: float
    payload: bytes


class Promoted(NamedTuple):
    """What a promotion did: how many moved, whether more is due now, and when the first one left is due.

    `broken`: entries without a payload, which were removed. `error`: why nothing more could move (then `left` says
    nothing about when to try again).
    """

    moved: int
    left: bool
    next_due: float | None
    broken: int
    error: str


def delay(keys: Keys, queue: str, jobs: Sequence[Delayed]) -> list[Operation[Any]]:
    """delayed <- new: make the queue's name known, then store. The second answer: the ids as stored, in order.

    The same id and bytes again are one job, which gets the new due time; an id that another payload has becomes `id~1`.
    """
    assert jobs, "nothing to store is no trip"
    flat = tuple(item for job in jobs for item in (job.id, _seconds(job.due), job.payload))
    named = (keys.delayed(queue), keys.payloads(queue))
    return [
        name(keys, queue),
        Operation(Script("delay"), named, flat, lambda reply: [text(id) for id in reply]),
    ]


def promote(keys: Keys, queue: str, limit: int) -> Operation[Promoted]:
    """delayed -> waiting, at the back: what is due by the server's clock, the longest due first, at most `limit`."""
    assert limit > 0, "a promotion of nothing would go on for ever"
    named = (keys.delayed(queue), keys.payloads(queue), keys.queue(queue))
    return Operation(Script("promote"), named, (keys.direction.push_back, limit, PROMOTE_BYTES), _promoted)


def next_due(keys: Keys, queue: str) -> Operation[float | None]:
    """When the first delayed job of a queue is due; None if there is none."""

    def parse(reply: Any) -> float | None:
        found = scores(reply)
        return found[0][1] if found else None

    return Operation("ZRANGE", (keys.delayed(queue),), (0, 0, "WITHSCORES"), parse)


def some(keys: Keys, queues: Sequence[str]) -> Operation[bool]:
    """Whether any of these queues has delayed jobs: one command, however many queues there are."""
    assert queues, "nothing to ask about is no trip"
    return Operation("EXISTS", tuple(keys.delayed(queue) for queue in queues), (), lambda reply: int(reply) > 0)


def count(keys: Keys, queue: str) -> Operation[int]:
    """How many jobs are delayed."""
    return Operation("ZCARD", (keys.delayed(queue),), (), number)


def window(keys: Keys, queue: str, start: int, count: int) -> Operation[list[Delayed]]:
    """`count` delayed jobs from position `start`, those that are due soonest first."""
    assert count > 0, "a window shows something: ZRANGE would take 0 for everything"
    named = (keys.delayed(queue), keys.payloads(queue))
    return Operation(Script("soonest"), named, (start, start + count - 1), _window)


def find(keys: Keys, queue: str, id: str) -> Operation[Delayed | None]:
    """The delayed job with this id, or None."""

    def parse(reply: Any) -> Delayed | None:
        return Delayed(id, float(reply[0]), bytes(reply[1])) if reply else None

    return Operation(Script("find"), (keys.delayed(queue), keys.payloads(queue)), (id,), parse)


def run_now(keys: Keys, queue: str, id: str, front: bool = False) -> Operation[bool]:
    """delayed -> waiting before its time, at the back or at the front. False if it is not delayed (any more)."""
    push = keys.direction.push_front if front else keys.direction.push_back
    named = (keys.delayed(queue), keys.payloads(queue), keys.queue(queue))
    return Operation(Script("run_now"), named, (id, push), bool)


def reschedule(keys: Keys, queue: str, id: str, due: float) -> Operation[bool]:
    """Another due time, in seconds since 1970. False if it is not delayed (any more). Its lock is not prolonged."""
    return Operation(Script("reschedule"), (keys.delayed(queue),), (id, _seconds(due)), bool)


def cancel(keys: Keys, queue: str, id: str, lock: str, field: str, minute: int) -> Operation[bool]:
    """delayed -> dropped, counted as cancelled. False if it is not delayed (any more).

    Its errors of earlier attempts go with it, and its unique lock (`lock`: the digest, "" = none) if that names `id`.
    `field`: a field of metrics, "" = none.
    """
    named = [keys.delayed(queue), keys.payloads(queue), keys.attempts(queue), keys.stat("cancelled")]
    named.append(keys.metrics(queue, minute))
    if lock:
        named.append(keys.lock(queue, lock))
    return Operation(Script("cancel"), tuple(named), (id, field, METRICS_LIFE), bool)


def _seconds(due: float) -> str:
    return f"{due:.6f}"


def _promoted(reply: Any) -> Promoted:
    moved, left, first, broken, error = reply
    return Promoted(int(moved), bool(left), float(first) if first else None, int(broken), text(error))


def _window(reply: Any) -> list[Delayed]:
    return [Delayed(text(reply[i]), float(reply[i + 1]), bytes(reply[i + 2])) for i in range(0, len(reply), 3)]
