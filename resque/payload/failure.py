"""The record of a job that failed: Resque's fields and time format first, our additions after.

May be in here: writing a record, reading anybody's, the text of an error and of a traceback.
May not: where records are kept (store/), what is done about a failure (jobs/outcome.py), clocks.
"""

import base64
import binascii
import os
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, Unpack

import msgspec

from resque.errors import ToldError, Unreadable
from resque.payload.codec import decode, tries_of

MAX_ERROR = 64 * 1024
"""Bytes of an error's text that are kept."""
MAX_LINES = 200
"""Lines of a backtrace that are kept, the innermost."""
MAX_LINE = 4 * 1024
"""Bytes of one such line that are kept."""
UNREADABLE_RECORD = "(unreadable record)"

_MAX_RECORD = 16 * 1024 * 1024
_NULL = msgspec.Raw(b"null")
_CUT = "… (cut)"
_ROOM = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO = os.path.join(_ROOM, "dev") + os.sep  # its jobs are jobs like anybody's
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PLUMBING = (_STDLIB + "asyncio" + os.sep, _STDLIB + "concurrent" + os.sep, _STDLIB + "threading.py")
_ERRORS = (ValueError, RecursionError, MemoryError, TypeError, OverflowError)


class Failure(msgspec.Struct, omit_defaults=True):
    """A failed job. `payload` is the payload's JSON as it was, null if it could not be read.

    `raw` is the base64 of the original bytes, present when `payload` alone cannot give them back. `attempts` holds the
    errors of the earlier attempts, the oldest first, each a JSON value; None when there were none.
    """

    failed_at: str  # "2026/11/24 01:55:21 UTC"
    payload: msgspec.Raw
    exception: str
    error: str
    backtrace: list[str]
    worker: str
    queue: str
    id: str | None = None
    attempt: int = 1
    crashes: int = 0
    raw: str | None = None
    retried_at: str | None = None
    attempts: list[msgspec.Raw] | None = None


class Facts(TypedDict):
    """What `record` is told besides the payload and the error. Without the last three, they are the payload's own."""

    failed_at: float  # seconds since 1970
    worker: str
    queue: str
    id: NotRequired[str | None]
    attempt: NotRequired[int]
    crashes: NotRequired[int]


def record(raw: bytes, exception: str, error: str, backtrace: Iterable[str], **facts: Unpack[Facts]) -> bytes:
    """The failure record of the payload `raw`, as bytes. Never raises for whatever `raw` and the texts hold.

    >>> record(raw, "ValueError", "no such order", [], failed_at=1.5, worker="vm:1:q", queue="q")
    b'{"failed_at":"1970/01/01 00:00:01 UTC","payload":{"class":"Echo","args":[]},"exception":"ValueError",…}'
    """
    tries = tries_of(raw)
    try:
        name = decode(raw).id
        body = raw.strip(b" \t\r\n")  # white space around a value would be lost when the record is read
        inside, outside = msgspec.Raw(body), None if body == raw else base64.b64encode(raw).decode()
    except Unreadable:
        name, inside, outside = tries.id, _NULL, base64.b64encode(raw).decode()
    failure = Failure(
        failed_at=time_text(facts["failed_at"]),
        payload=inside,
        exception=_clean(exception, 1024),
        error=_clean(error, MAX_ERROR),
        backtrace=_clean_lines(backtrace),
        worker=_clean(facts["worker"], MAX_LINE),
        queue=_clean(facts["queue"], MAX_LINE),
        id=facts.get("id", name),
        attempt=facts.get("attempt", tries.attempt),
        crashes=facts.get("crashes", tries.crashes),
        raw=outside,
    )
    return msgspec.json.encode(failure)


def of_error(raw: bytes, error: BaseException, **facts: Unpack[Facts]) -> bytes:
    """The failure record for a job that ended with `error`: its class, text and backtrace. Never raises."""
    return record(raw, name_of(error), error_text(error), backtrace_of(error), **facts)


def name_of(error: BaseException) -> str:
    """The class of an error as records show it: dotted, but for Python's own and ours.

    >>> name_of(ValueError()), name_of(zlib.error())
    ('ValueError', 'zlib.error')
    """
    if isinstance(error, ToldError):
        return error.kind
    kind = type(error)
    bare = kind.__module__ in ("builtins", "resque.errors", "resque.jobs.retry")
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"


def read(record: bytes) -> Failure:
    """A record of ours, of Ruby's, or whatever else lies in the list. Never raises.

    What is no record gives a Failure with `exception` "(unreadable record)", its beginning as `error` and no payload.
    """
    if len(record) > _MAX_RECORD:
        return _garbage(record)
    try:
        fields = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
        return _failure(fields) if fields.keys() & {"payload", "exception", "error"} else _garbage(record)
    except _ERRORS:
        return _garbage(record)


def payload_bytes(failure: Failure) -> bytes:
    """The bytes of the payload as they were in the queue; b"" when the record holds none. Never raises."""
    if failure.raw is not None:
        try:
            return base64.b64decode(failure.raw, validate=True)
        except (binascii.Error, ValueError):
            return b""
    inside = bytes(failure.payload)
    return b"" if inside == b"null" else inside


def time_text(at: float) -> str:
    """Resque's form of a time in failure records, in UTC; `at` is in seconds since 1970.

    >>> time_text(1795485321.7)
    '2026/11/24 01:55:21 UTC'
    """
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y/%m/%d %H:%M:%S UTC")


def error_text(error: BaseException) -> str:
    """str(error), cut to 64 KiB; a note instead when its __str__ raises."""
    try:
        return _clean(str(error), MAX_ERROR)
    except Exception as second:  # a job's own exception class: anything may go wrong in it
        return f"(the error has no text: its __str__ raised {type(second).__name__})"


def backtrace_of(error: BaseException) -> list[str]:
    """Where `error` was raised, as Ruby writes it: "file.py:12:in perform", innermost first, at most 200 lines.

    Our own frames above the job's are cut off; [] when the job's own code was not reached. No values of variables.
    """
    if isinstance(error, ToldError):
        return list(error.backtrace)
    lines: deque[str] = deque(maxlen=MAX_LINES)
    step = error.__traceback__
    reached = False
    while step is not None:
        code = step.tb_frame.f_code
        reached = reached or not _is_above(code.co_filename)
        if reached:
            # A full deque drops the outermost line at its other end.
            lines.appendleft(f"{code.co_filename}:{step.tb_lineno}:in {code.co_name}")
        step = step.tb_next
    return list(lines)


def _is_above(file: str) -> bool:
    return (file.startswith(_ROOM) and not file.startswith(_DEMO)) or file.startswith(_PLUMBING)


def _clean(text: str, limit: int) -> str:
    """Without lone surrogates, which JSON cannot carry, and at most `limit` bytes long."""
    data = text[:limit].encode("utf-8", "replace")
    if len(data) <= limit and len(text) <= limit:
        return data.decode()
    return data[: limit - len(_CUT.encode())].decode("utf-8", "ignore") + _CUT


def _clean_lines(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    if len(every) > MAX_LINES:
        every = [*every[: MAX_LINES - 1], f"… {len(every) - MAX_LINES + 1} more lines (cut)"]
    return [_clean(line, MAX_LINE) for line in every]


def _failure(fields: dict[str, msgspec.Raw]) -> Failure:
    values = {name: _value(raw) for name, raw in fields.items() if name not in ("payload", "attempts")}
    return Failure(
        failed_at=_text(values.get("failed_at")),
        payload=fields.get("payload", _NULL),
        exception=_text(values.get("exception")),
        error=_text(values.get("error")),
        backtrace=_lines(values.get("backtrace")),
        worker=_text(values.get("worker")),
        queue=_text(values.get("queue")),
        id=_text(values.get("id")) or None,
        attempt=_count(values.get("attempt"), 1),
        crashes=_count(values.get("crashes"), 0),
        raw=values["raw"] if isinstance(values.get("raw"), str) else None,
        retried_at=_text(values.get("retried_at")) or None,
        attempts=_attempts(fields.get("attempts")),
    )


def _garbage(record: bytes) -> Failure:
    start = record[:1024].decode("utf-8", "replace")
    return Failure("", _NULL, UNREADABLE_RECORD, start, [], "", "")


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(bytes(raw).decode("utf-8", "replace"))
    except _ERRORS:
        return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _lines(value: Any) -> list[str]:
    if isinstance(value, list):
        return [_text(line) for line in value]
    return _text(value).splitlines()


def _attempts(raw: msgspec.Raw | None) -> list[msgspec.Raw] | None:
    if raw is None:
        return None
    try:
        clean = bytes(raw).decode("utf-8", "replace")
        return msgspec.json.decode(clean, type=list[msgspec.Raw]) or None
    except _ERRORS:
        return None


def _count(value: Any, default: int) -> int:
    return value if type(value) is int and value >= default else default
