"""From a call to what is sent: validate, stamp, encode. Pure, but for what a job's own before_enqueue does.

May be in here: everything that is decided before the first byte goes out; sync and asyncio clients share it.
May not: sending, clocks (the time comes in).
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from uuid_utils import uuid7

from resque.errors import ConfigError
from resque.jobs.definition import Call, Definition
from resque.jobs.options import JobOptions, check_queue_name
from resque.jobs.retry import LONGEST
from resque.jobs.unique import Conflict, digest
from resque.payload import codec
from resque.payload.payload import Meta

KEY_LIFE = 86400.0
"""Seconds that a `key` is remembered."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock that a job takes when it is stored. `ttl` in seconds."""

    digest: str
    ttl: float
    conflict: Conflict


class Prepared(msgspec.Struct, frozen=True):
    """A job ready to be sent. `due`: when it is to run, in seconds since 1970; None: now. A struct and not a dataclass
    because bulk enqueueing makes many."""

    id: str
    queue: str
    job: str
    payload: bytes
    due: float | None = None
    front: bool = False
    lock: Lock | None = None
    definition: Definition | None = None


def prepare(call: Call[Any], now: float, limit: int) -> Prepared:
    """Check the arguments against perform's signature, stamp id, queue and times, encode.

    Raises BadArguments, Unserializable, PayloadTooLarge, ConfigError, or what the job's before_enqueue raises. `limit`
    in bytes, `now` in seconds since 1970.
    """
    definition, options = call.definition, call.options
    definition.check(call.args, call.kwargs)
    if definition.hooks is not None:
        definition.hooks.before_enqueue(call.args, call.kwargs)
    if options is definition.options and not definition.has_times:  # almost always
        id = str(uuid7())
        meta = Meta(id=id, queue=options.queue, enqueued_at=round(now, 3))
        payload = codec.encode(definition.name, call.args, call.kwargs, meta, limit=limit)
        return Prepared(id, options.queue, definition.name, payload, definition=definition)
    return _prepare(call, now, limit)


def by_name(
    name: str, args: list[Any] | tuple[Any, ...], kwargs: dict[str, Any], queue: str, now: float, limit: int
) -> Prepared:
    """The same for a job that another code base defines: the name is all we know."""
    check_queue_name(queue)
    id = str(uuid7())
    meta = Meta(id=id, queue=queue, enqueued_at=round(now, 3))
    return Prepared(id, queue, name, codec.encode(name, args, kwargs, meta, limit=limit))


def _prepare(call: Call[Any], now: float, limit: int) -> Prepared:
    """A job with times or a lock."""
    definition, options = call.definition, call.options
    due = _due(options, now)
    start = now if due is None else due
    until, lock = _lock(call, start - now)
    id = str(uuid7())
    meta = Meta(
        id=id,
        queue=options.queue,
        enqueued_at=round(now, 3),
        due_at=None if due is None else round(due, 3),
        expires_at=None if options.expires is None else round(start + options.expires, 3),
        deadline_at=None if options.deadline is None else round(start + options.deadline, 3),
        lock=None if lock is None else f"{until}:{lock.digest}",
    )
    payload = codec.encode(definition.name, call.args, call.kwargs, meta, limit=limit)
    return Prepared(id, options.queue, definition.name, payload, due, options.at_front, lock, definition)


def _due(options: JobOptions, now: float) -> float | None:
    """When it is to run; None: at once."""
    due = options.at if options.at is not None else now + (options.delay or 0.0)
    if due - now > LONGEST:
        raise ConfigError("at is more than ten years away; keep such a date in a database and enqueue the job then")
    return due if due > now else None


def _lock(call: Call[Any], delay: float) -> tuple[str, Lock | None]:
    """Until when its lock holds, and the lock."""
    definition, unique, key = call.definition, call.options.unique, call.options.key
    if key is not None:
        return "ttl", Lock(digest(definition.name, {"using(key)": key}), KEY_LIFE + delay, "skip")
    if unique is None or definition.fingerprint is None:
        return "", None
    found = definition.fingerprint.of(call.args, call.kwargs)
    return unique.until, Lock(found, unique.lifetime(delay), unique.on_conflict)
