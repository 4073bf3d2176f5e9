"""One job: what can be seen of it from its bytes, where it is, and cancelling it by its id.

May be in here: reading a payload for a person, whatever the bytes are; finding the queue of a job. May not: what the
places of a job are and what cancelling means in each (client/whereabouts.py), escaping for a terminal or a page
(whoever shows it does that).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar

from resque import clock
from resque.admin.console import Console, known
from resque.client import whereabouts
from resque.client.reach import Talk
from resque.client.whereabouts import Cancelled, Status
from resque.errors import Unreadable
from resque.payload import codec, failure
from resque.payload.payload import Meta
from resque.store import delayed, failures, inflight, queues
from resque.store.operation import Operation

T = TypeVar("T")

SEARCH = 100_000
"""How many waiting jobs, over all queues, and how many failed ones are looked through for one id."""
_WINDOW = 500
_LISTS_A_TRIP = 20


@dataclass(frozen=True, slots=True)
class JobView:
    """A payload. Where it cannot be read, `job` is None, `unreadable` says why, and the bytes are still there."""

    raw: bytes
    id: str | None
    job: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued_at: float | None
    """Seconds since 1970; None for a payload that somebody else has pushed."""
    attempt: int
    crashes: int
    unreadable: str = ""
    lock: str = ""
    """The digest of the unique lock that ends with this job; "" = none."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a job is. `queue` None: in none that was searched; "unknown" then means that one was too long for that."""

    queue: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class CancelledJob:
    """Where a job was when it was cancelled. "unknown": its queue was not found, and nothing was done."""

    queue: str | None
    was: Cancelled | Literal["unknown"]


def view(raw: bytes) -> JobView:
    """A payload for people. Never raises.

    >>> view(b'{"class":"Echo","args":[1]}').job
    'Echo'
    """
    tries = codec.tries_of(raw)
    try:
        payload = codec.decode(raw)
    except Unreadable as error:
        return JobView(raw, tries.id, None, [], {}, None, tries.attempt, tries.crashes, error.reason)
    meta = payload.meta
    at = meta.enqueued_at if meta is not None else None
    job = JobView(raw, payload.id, payload.job, payload.args, payload.kwargs, at, tries.attempt, tries.crashes)
    return job if meta is None or meta.lock is None else _locked(job, meta)


class _Trace(NamedTuple):
    """What the search for a job's queue has found. `deep`: its payload, if it waits there."""

    queue: str | None
    is_complete: bool
    deep: bytes = b""


def locate(console: Console, queue: str | None, id: str) -> Located:
    """Where the job of this id is. Without its queue all that are known are searched, up to 100,000 jobs in all.

    Raises StoreError.
    """
    trace = _trace(console, id) if queue is None else _Trace(queue, True)
    name = trace.queue
    if name is None:
        return Located(None, Status("ended" if trace.is_complete else "unknown"))
    status = _hold(console, lambda keys: whereabouts.status(keys, name, id))
    if status.state == "unknown" and trace.deep:  # further from the front than a single queue is searched
        status = Status("waiting", attempt=codec.tries_of(trace.deep).attempt, raw=trace.deep)
    return Located(name, status)


def cancel(console: Console, queue: str | None, id: str) -> CancelledJob:
    """Cancel the job of this id, wherever it is; see `Handle.cancel`. Its queue is searched as `locate` does.

    Raises StoreError.
    """
    console.claim()
    trace = _trace(console, id) if queue is None else _Trace(queue, True)
    name = trace.queue
    if name is None:
        return CancelledJob(None, "ended" if trace.is_complete else "unknown")
    return CancelledJob(name, _hold(console, lambda keys: whereabouts.cancel(keys, name, id, clock.now())))


def _hold(console: Console, talk: Talk[T]) -> T:
    """Hold a conversation with Redis to its end."""
    conversation = talk(console.keys)
    answers: list[Any] | None = None
    while True:
        try:
            asked = next(conversation) if answers is None else conversation.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result
        answers = console.ask(asked)


def _trace(console: Console, id: str) -> _Trace:
    """The queue of a job, and whether everything was searched. What costs least is asked first."""
    keys = console.keys
    names = console.run(queues.names(keys))
    later = console.ask([delayed.find(keys, name, id) for name in names])
    found = next((name for name, job in zip(names, later, strict=True) if known(job) is not None), None)
    if found is None:
        found = next((name for name, raws in _held(console, names) if _with_id(raws, id)), None)
    if found is not None:
        return _Trace(found, True)
    left, is_complete = SEARCH, True
    for name in names:
        raw, looked = _among_waiting(console, name, id, left)
        left -= looked
        if raw:
            return _Trace(name, True, raw)
        is_complete = is_complete and left > 0
    found, everything = _among_failed(console, id)
    return _Trace(found, is_complete and everything)


def _held(console: Console, names: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
    """What workers hold of each queue, some lists at a time."""
    leases = console.ask([inflight.leases(console.keys, name) for name in names])
    pairs = [(name, member) for name, found in zip(names, leases, strict=True) for member, _ in known(found) or ()]
    for start in range(0, len(pairs), _LISTS_A_TRIP):
        some = pairs[start : start + _LISTS_A_TRIP]
        held = console.ask([inflight.held(console.keys, name, member) for name, member in some])
        yield from ((name, known(payloads) or []) for (name, _), payloads in zip(some, held, strict=True))


def _among_waiting(console: Console, name: str, id: str, most: int) -> tuple[bytes, int]:
    """Its payload if it waits in this queue, and how many jobs were looked at: `most` if there are more."""
    for start in range(0, most, _WINDOW):
        payloads = _asked(console, queues.window(console.keys, name, start, _WINDOW))
        raw = _with_id(payloads, id)
        if raw or len(payloads) < _WINDOW:
            return raw, start + len(payloads)
    return b"", most


def _among_failed(console: Console, id: str) -> tuple[str | None, bool]:
    """The queue of its newest record, and whether the whole list was looked at."""
    for start in range(0, SEARCH, _WINDOW):
        records = _asked(console, failures.window(console.keys, start, _WINDOW))
        for record in records:
            if id.encode() in record:
                seen = failure.read(record)
                if seen.id == id and seen.queue:
                    return seen.queue, True
        if len(records) < _WINDOW:
            return None, True
    return None, False


def _asked(console: Console, operation: Operation[list[bytes]]) -> list[bytes]:
    """A window of a list; empty where the key is something else."""
    return known(console.ask([operation])[0]) or []


def _with_id(raws: Iterable[bytes], id: str) -> bytes:
    """The payload of this id. One look at the bytes spares reading the others."""
    wanted = id.encode()
    return next((raw for raw in raws if wanted in raw and codec.id_of(raw) == id), b"")


def _locked(job: JobView, meta: Meta) -> JobView:
    until, _, digest = (meta.lock or "").partition(":")
    return job if until == "ttl" else replace(job, lock=digest)
