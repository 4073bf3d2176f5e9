"""Unique jobs: enqueue under a lock, and free it.

May be in here: taking and freeing locks at enqueue and at start. May not: which jobs count as the same (jobs/unique.py
gives the digest). Whatever ends a job frees its lock in the same script (settle.py, delayed.py, cancelling.py).

A lock is a key with a life of its own that holds the id of its job. It is only ever freed by comparing that id: a job
whose lock has expired must not free that of the next one.
"""

from typing import Any, Literal, NamedTuple

from resque.store.keys import Keys
from resque.store.operation import Operation, text
from resque.store.queues import name
from resque.store.scripts import Script

SEARCH_JOBS = 1000
SEARCH_BYTES = 8 * 1024 * 1024
"""How far from the back a waiting holder is looked for, when it is to be replaced."""


class Claim(NamedTuple):
    """A job and the lock that it wants. `due` None: it may run now; `front`: then at the front of its queue."""

    id: str
    payload: bytes
    digest: str
    ttl: float
    """Seconds after which the lock is gone, whatever happens."""
    conflict: Literal["skip", "replace", "raise"]
    due: float | None = None
    front: bool = False


class Claimed(NamedTuple):
    """Whether it was stored, and under which id; if not, the id of the job that holds the lock."""

    stored: bool
    id: str


def enqueue(keys: Keys, queue: str, claim: Claim) -> list[Operation[Any]]:
    """waiting or delayed <- new, if its lock is free: make the queue's name known, then lock and store in one script.

    If the lock is held: "skip" and "raise" store nothing (raising is up to the caller). "replace" puts the new job in
    the holder's place: a delayed holder is removed; a waiting one, if it is found near the back, gives its place to
    the new job, or is removed when that is delayed or goes to the front. A holder that runs or is not found is left
    alone, and the new job is stored beside it. In each case the lock names the new job then. What was not stored or
    was replaced is counted as deduplicated. The second answer is a Claimed.
    """
    assert claim.digest, "a lock needs a name"
    ends = keys.direction
    named = (
        keys.lock(queue, claim.digest),
        keys.queue(queue),
        keys.delayed(queue),
        keys.payloads(queue),
        keys.attempts(queue),
        keys.stat("deduplicated"),
    )
    args = (
        claim.id,
        claim.payload,
        max(1, round(claim.ttl * 1000)),
        claim.conflict,
        "" if claim.due is None else f"{claim.due:.6f}",
        ends.push_front if claim.front else ends.push_back,
        ends.back,
        int(claim.front),
        SEARCH_JOBS,
        SEARCH_BYTES,
    )
    return [
        name(keys, queue),
        Operation(Script("enqueue_unique"), named, args, lambda reply: Claimed(bool(reply[0]), text(reply[1]))),
    ]


def unlock(keys: Keys, queue: str, digest: str, id: str) -> Operation[bool]:
    """Free a lock if it names this job. False if it was free or names another."""
    return Operation(Script("unlock"), (keys.lock(queue, digest),), (id,), bool)
