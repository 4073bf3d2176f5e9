"""From a call to what is sent: validate, stamp, encode. Pure.

May be in here: everything that is decided before the first byte goes out; sync and asyncio clients share it.
May not: sending, clocks (the time comes in).
"""

from dataclasses import dataclass
from typing import Any

from uuid_utils import uuid7

from resque.jobs.definition import Call
from resque.jobs.options import check_queue_name
from resque.payload import codec
from resque.payload.payload import Meta


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job ready to be sent."""

    id: str
    queue: str
    job: str
    payload: bytes


def prepare(call: Call[Any], now: float, limit: int) -> Prepared:
    """Check the arguments against perform's signature, stamp id, queue and time, encode.

    Raises BadArguments, Unserializable, PayloadTooLarge. `limit` in bytes, `now` in seconds since 1970.
    """
    definition = call.definition
    definition.check(call.args, call.kwargs)
    return _stamped(definition.name, call.args, call.kwargs, call.options.queue, now, limit)


def by_name(
    name: str, args: list[Any] | tuple[Any, ...], kwargs: dict[str, Any], queue: str, now: float, limit: int
) -> Prepared:
    """The same for a job that another code base defines: the name is all we know."""
    check_queue_name(queue)
    return _stamped(name, args, kwargs, queue, now, limit)


def _stamped(
    name: str, args: list[Any] | tuple[Any, ...], kwargs: dict[str, Any], queue: str, now: float, limit: int
) -> Prepared:
    id = str(uuid7())
    meta = Meta(id=id, queue=queue, enqueued_at=round(now, 3))
    return Prepared(id, queue, name, codec.encode(name, args, kwargs, meta, limit=limit))
