"""Waiting jobs: enqueue, look, purge. One function a transition or question; each returns an Operation.

May be in here: how queues are asked and filled. May not: what a payload means.
"""

from collections.abc import Sequence
from typing import Any

from resque.store.keys import Keys
from resque.store.operation import Operation, nothing, number, texts
from resque.store.scripts import Script


def enqueue(keys: Keys, queue: str, payloads: Sequence[bytes]) -> list[Operation[Any]]:
    """waiting <- new: make the queue's name known, then push to its back. Two commands, one trip.

    The name is written first: a job in a queue that no `*` worker knows would wait for ever.
    """
    return [
        name(keys, queue),
        Operation(keys.direction.push_back, (keys.queue(queue),), tuple(payloads), nothing),
    ]


def name(keys: Keys, queue: str) -> Operation[Any]:
    """Make a queue's name known. 1 if it was not."""
    return Operation("SADD", (keys.queues(),), (queue,), number)


def names(keys: Keys) -> Operation[list[str]]:
    """All known queues, sorted."""
    return Operation("SMEMBERS", (keys.queues(),), (), texts)


def length(keys: Keys, queue: str) -> Operation[int]:
    """How many jobs wait."""
    return Operation("LLEN", (keys.queue(queue),), (), number)


def window(keys: Keys, queue: str, start: int, count: int) -> Operation[list[bytes]]:
    """`count` waiting payloads, from position `start`, in the order in which they will be reserved."""
    return _from_front(keys, keys.queue(queue), start, count)


def oversize(keys: Keys, queue: str) -> Operation[int]:
    """How many foreign payloads were moved aside for their size."""
    return Operation("LLEN", (keys.oversize(queue),), (), number)


def is_paused(keys: Keys, queue: str) -> Operation[int]:
    """1 if the queue is paused."""
    return Operation("EXISTS", (keys.paused(queue),), (), number)


def purge(keys: Keys, queue: str) -> Operation[int]:
    """waiting -> dropped: all of them, counted. Returns how many."""
    return Operation(Script("purge"), (keys.queue(queue), keys.stat("purged")), (), number)


def _from_front(keys: Keys, key: str, start: int, count: int) -> Operation[list[bytes]]:
    assert count > 0, "a window shows something: LRANGE would take 0 for everything"
    if keys.direction.front == "LEFT":
        return Operation("LRANGE", (key,), (start, start + count - 1), list)
    return Operation("LRANGE", (key,), (-start - count, -start - 1), lambda reply: list(reversed(reply)))
