"""Waiting jobs: enqueue, look, purge, pause. One function a transition or question; each returns an Operation.

May be in here: how queues are asked and filled. May not: what a payload means.
"""

import json
from collections.abc import Sequence
from typing import Any

from resque.store.keys import Keys
from resque.store.operation import Operation, nothing, number, texts
from resque.store.scripts import Script


def enqueue(keys: Keys, queue: str, payloads: Sequence[bytes], *, front: bool = False) -> list[Operation[Any]]:
    """waiting <- new: make the queue's name known, then push to its back (or front). Two commands, one trip.

    The name is written first: a job in a queue that no `*` worker knows would wait for ever.
    """
    key = keys.queue(queue)
    if front:
        payloads = payloads[::-1]  # the last pushed is the first to come out
    return [
        name(keys, queue),
        Operation(keys.direction.push_front if front else keys.direction.push_back, (key,), tuple(payloads), nothing),
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


def pause(keys: Keys, queue: str, by: str, at: float) -> Operation[bool]:
    """Let no worker start anything from a queue. False if it was paused already: it keeps the note of who did that.

    The note is JSON: who, and when in seconds since 1970.
    """
    note = json.dumps({"by": by, "at": at})
    return Operation("SET", (keys.paused(queue),), (note, "NX"), bool)


def resume(keys: Keys, queue: str) -> Operation[bool]:
    """The opposite of `pause`. False if it was not paused."""
    return Operation("DEL", (keys.paused(queue),), (), bool)


def pause_note(keys: Keys, queue: str) -> Operation[bytes | None]:
    """What was noted when the queue was paused; None if it is not."""
    return Operation("GET", (keys.paused(queue),))


def pause_all(keys: Keys) -> Operation[bool]:
    """Resque's own switch, which Ruby's workers obey, too. False if it was on already."""
    return Operation("SET", (keys.pause_all(),), ("true", "GET"), lambda reply: reply != b"true")


def resume_all(keys: Keys) -> Operation[bool]:
    """The opposite of `pause_all`; queues that were paused by their names stay so. False if there was no switch."""
    return Operation("DEL", (keys.pause_all(),), (), bool)


def purge(keys: Keys, queue: str) -> Operation[int]:
    """waiting -> dropped: all of them, counted. Returns how many."""
    return Operation(Script("purge"), (keys.queue(queue), keys.stat("purged")), (), number)


def _from_front(keys: Keys, key: str, start: int, count: int) -> Operation[list[bytes]]:
    assert count > 0, "a window shows something: LRANGE would take 0 for everything"
    if keys.direction.front == "LEFT":
        return Operation("LRANGE", (key,), (start, start + count - 1), list)
    return Operation("LRANGE", (key,), (-start - count, -start - 1), lambda reply: list(reversed(reply)))
