"""Payload <-> bytes.

May be in here: encoding a job, reading any bytes as a payload, rewriting the trailer; later signing and encryption in
their order. May not: pickle in any form, Redis, clocks, what an argument must be (plain.py), what reading refuses
(strict.py).

Reading has two paths that give the same answer. The fast one is for the bytes of our own encoder: what msgspec reads
and writes again byte for byte has no duplicate keys, no fields that it skipped (where it does not look at UTF-8), no
white space and no second way to write a number. The careful one (strict.py) is for everybody else's.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from uuid_utils import uuid7

from resque.errors import PayloadTooLarge, Unreadable, Unserializable
from resque.payload.payload import (
    FIRST,
    TRAILER_BYTES,
    TRAILER_MARK,
    TRAILER_MARK_AT,
    Meta,
    Payload,
    Tries,
    is_id,
    join,
    split,
)
from resque.payload.plain import MAX_DEPTH, is_plain, plain
from resque.payload.strict import MAX_BYTES, MAX_DIGITS, careful, is_name, is_shallow, may_hold_long_integer

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Payload).decode
_LEAST, _MOST = -(10**MAX_DIGITS), 10**MAX_DIGITS
_SMALL = 1024  # bytes


def encode(job: str, args: list[Any] | tuple[Any, ...], kwargs: dict[str, Any], meta: Meta, *, limit: int) -> bytes:
    """The bytes of a job; `limit` is in bytes.

    Raises Unserializable when an argument would not come back the same (the message names the place), and
    PayloadTooLarge above the limit.

    >>> encode("NoOp", [1], {}, Meta("0193", "default", 1.5), limit=1024)
    b'{"class":"NoOp","args":[1],"meta":{"id":"0193","queue":"default","enqueued_at":1.5}}'
    """
    if not is_name(job):
        raise Unserializable(f"{job[:60]!r} cannot name a job; a name is a letter or _, then letters, digits and _.:")
    if is_plain(args) and (not kwargs or is_plain((kwargs,), MAX_DEPTH + 1)):
        try:
            raw = _encode(Payload(job, list(args), kwargs, meta))
        except UnicodeEncodeError:
            raw = _encode_converted(job, args, kwargs, meta)
    else:
        raw = _encode_converted(job, args, kwargs, meta)
    if len(raw) > limit:
        raise PayloadTooLarge(
            f"{job} takes {len(raw)} bytes; the limit is {limit}. Store the data elsewhere and pass a reference"
        )
    return raw


def decode(raw: bytes, *, ruby: bool = False) -> Payload:
    """Read a payload that anybody may have pushed. Raises Unreadable (has .reason), whatever the bytes, nothing else.

    `ruby`: also take args that are no list, as Ruby's Resque does.

    Fields that are not ours mean nothing; so do `meta`, `sig` and `tries` of another shape than ours.

    >>> decode(b'{"class":"Echo","args":[1]}').args
    [1]
    """
    payload = read_own(raw)
    return payload if payload is not None else _decode_foreign(raw, ruby)


def id_of(raw: bytes) -> str | None:
    """The id of a payload, also of one that cannot be read but was put back with one. Never raises."""
    try:
        return decode(raw).id
    except Unreadable:
        return tries_of(raw).id


def tries_of(raw: bytes) -> Tries:
    """How often a payload was tried, without reading the rest; Tries() when it does not say. Never raises."""
    if raw.find(TRAILER_MARK, TRAILER_MARK_AT) < 0:
        return FIRST
    return split(raw)[1] or FIRST


def with_tries(raw: bytes, tries: Tries) -> bytes | None:
    """The payload with this trailer; every byte before it is kept. None when `raw` is not `{…}`. Never raises.

    >>> with_tries(b'{"class":"Echo","args":[]}', Tries(attempt=2))
    b'{"class":"Echo","args":[],"tries":{"attempt":2,"crashes":0}}'
    """
    return join(raw, tries)


def with_crashes(raw: bytes, crashes: int) -> bytes:
    """The payload with this count of crashes; b"" (= as it is) when that has not changed or cannot be written.

    A payload without an id gets one: it is written back for the first time.
    """
    tries = tries_of(raw)
    if crashes == tries.crashes:
        return b""
    name = tries.id or (None if id_of(raw) else str(uuid7()))
    return with_tries(raw, Tries(name, tries.attempt, crashes)) or b""


def without_tries(raw: bytes, *, keep_id: bool = True) -> bytes:
    """The payload as if it had never been tried, for an operator's retry. Never raises.

    Bytes without a trailer come back as they are. With `keep_id`, an id that lives only in the trailer stays there,
    with attempt 1 and no crashes.
    """
    head, tries = split(raw)
    if tries is None:
        return raw
    if keep_id and tries.id is not None:
        return join(head, Tries(tries.id)) or head
    return head


def read_own(raw: bytes) -> Payload | None:
    """The fast path of `decode`. Never raises; None for bytes not in our encoder's form, or that may break a limit."""
    if len(raw) > MAX_BYTES:
        return None
    try:
        payload = _decode(raw)
        if _encode(payload) != raw:
            return None
    except (ValueError, RecursionError, MemoryError, TypeError, OverflowError):
        return None
    job, meta = payload.job, payload.meta
    if not (job.isascii() and job.isidentifier()) and not is_name(job):  # is_name's own short cut, without the call
        return None
    if meta is not None and not (meta.id.isascii() and meta.id.isprintable()):  # is_id, without the call
        return None
    # msgspec keeps no limit of depth or digits. For few flat arguments, looking at them is cheaper than at the bytes.
    if len(raw) <= _SMALL and not payload.kwargs:
        for value in payload.args:
            kind = type(value)
            if kind is list or kind is dict or (kind is int and not _LEAST < value < _MOST):
                break
        else:
            return payload
    return payload if is_shallow(raw) and not may_hold_long_integer(raw) else None


def read_any(head: bytes, ruby: bool = False) -> Payload:
    """The careful path of `decode`, for bytes without a trailer. Raises Unreadable, nothing else."""
    fields = careful(head, ruby=ruby)
    kwargs = fields.get("kwargs")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise Unreadable("kwargs is not an object")
    sig = fields.get("sig")
    return Payload(
        job=fields["class"],
        args=fields["args"],
        kwargs=kwargs or {},
        meta=_meta(fields.get("meta")),
        sig=sig if isinstance(sig, str) else None,
    )


def _encode_converted(job: str, args: Iterable[Any], kwargs: dict[str, Any], meta: Meta) -> bytes:
    plain_args = [plain(value, f"args[{index}]") for index, value in enumerate(args)]
    plain_kwargs = plain(kwargs, "kwargs", MAX_DEPTH + 1)
    return _encode(Payload(job, plain_args, plain_kwargs, meta))


def _decode_foreign(raw: bytes, ruby: bool) -> Payload:
    if len(raw) > MAX_BYTES + TRAILER_BYTES:  # before anything looks at it
        raise Unreadable(f"{len(raw)} bytes; the limit is {MAX_BYTES}")
    head, tries = split(raw)
    if tries is None:
        return read_any(raw, ruby)
    if split(head)[1] is not None:
        raise Unreadable("duplicate key 'tries'")
    payload = read_own(head) or read_any(head, ruby)
    return Payload(payload.job, payload.args, payload.kwargs, payload.meta, payload.sig, tries)


def _meta(value: Any) -> Meta | None:
    try:
        meta = msgspec.convert(value, Meta)
    except (ValueError, TypeError, OverflowError):
        return None
    return meta if is_id(meta.id) else None
