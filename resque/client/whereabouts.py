"""Whereabouts: where one job is, and cancelling it. Questions and answers, without sending any.

May be in here: the order in which places are looked at, what a find means. May not: sending (reach.py), how it is
shown.

Redis lists cannot be asked by id: a job that waits, runs or has failed is looked for, in the order in which jobs move,
and only so far: `SEARCH` jobs a list. Delayed ones are found at once. What moves while we look may be missed by one
look, so there are two.

A conversation is a generator: it yields operations, is sent their answers, and returns what it found.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from resque.errors import StoreError
from resque.payload import codec, failure
from resque.payload.payload import Payload
from resque.store import cancelling, delayed, failures, inflight, queues, stats, workers
from resque.store.cancelling import Waiting
from resque.store.keys import Keys
from resque.store.operation import Operation

State = Literal["delayed", "waiting", "running", "failed", "ended", "unknown"]
"""running: a worker has it, it may not have started yet. ended: it is in none of these places any more: done, or
dropped. unknown: a list was too long to be searched to its end."""

Cancelled = Literal["delayed", "waiting", "running", "marked", "failed", "ended"]
"""Where it was. delayed, waiting: it is gone. running: its worker is asked to end it. marked: it was not found in a
list that is too long to be searched; it is dropped when a worker comes to it. failed, ended: nothing to cancel."""

SEARCH = 20_000
TOMBSTONE_LIFE = 30 * 86400.0
"""Seconds."""
RUNNING_LIFE = 3600.0
"""The same for a job that ran when it was cancelled, and may end by itself: then nothing takes the mark away."""
_WINDOW = 1000
_LOOKS = 2

Conversation = Generator[Sequence[Operation[Any]], list[Any], Any]


@dataclass(frozen=True, slots=True)
class Status:
    """Where a job is. `due` (seconds since 1970) if it is delayed, `worker` (its member name) if one has it, `error` if
    it has failed, `attempt` where its payload was seen."""

    state: State
    due: float | None = None
    worker: str | None = None
    error: str | None = None
    attempt: int | None = None
    raw: bytes = field(default=b"", repr=False)


def status(keys: Keys, queue: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], Status]:
    """Where the job is now."""
    is_complete = True
    for _ in range(_LOOKS):
        for look in (_delayed, _waiting, _running, _failed):
            found = yield from look(keys, queue, id)
            if isinstance(found, Status):
                return found
            is_complete = is_complete and found
    return Status("ended" if is_complete else "unknown")


def cancel(keys: Keys, queue: str, id: str, now: float) -> Generator[Sequence[Operation[Any]], list[Any], Cancelled]:
    """Cancel it, wherever it is. `now` in seconds since 1970.

    The tombstone comes first: whoever reserves the job while we look for it drops it.
    """
    minute = int(now // 60)
    _sure((yield [cancelling.mark(keys, queue, id, now + TOMBSTONE_LIFE)]))
    found = yield from status(keys, queue, id)
    if found.state == "unknown":
        return "marked"
    answer: Cancelled = "ended" if found.state in ("ended", "failed") else found.state
    if found.state == "failed":
        answer = "failed"
    job, lock = _known(found.raw)
    field = stats.dropped_field(job, "cancelled")
    if found.state == "delayed":
        (gone,) = _sure((yield [delayed.cancel(keys, queue, id, lock, field, minute)]))
        if not gone:  # it has just become due: the tombstone gets it
            return "waiting"
    elif found.state == "waiting":
        (gone,) = _sure((yield [cancelling.take_waiting(keys, queue, Waiting(found.raw, id, lock, field), minute)]))
        if not gone:
            return "waiting"
    elif found.state == "running":  # the mark stays for a while: it may come back to the queue, or raise and be retried
        yield from _ask_worker(keys, found.worker or "", id)
        _sure((yield [cancelling.mark(keys, queue, id, now + RUNNING_LIFE)]))
        return answer
    _sure((yield [cancelling.unmark(keys, queue, id)]))
    return answer


def _ask_worker(keys: Keys, member: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], None]:
    (ids,) = _sure((yield [workers.ids(keys)]))
    for worker in ids:
        if worker.startswith(f"{member}:"):
            _sure((yield workers.command(keys, worker, f"cancel-job {id}")))


def _delayed(keys: Keys, queue: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], Status | bool]:
    (found,) = _sure((yield [delayed.find(keys, queue, id)]))
    if found is None:
        return True
    return Status("delayed", due=found.due, attempt=codec.tries_of(found.payload).attempt, raw=found.payload)


def _waiting(keys: Keys, queue: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], Status | bool]:
    for start in range(0, SEARCH, _WINDOW):
        (payloads,) = _sure((yield [queues.window(keys, queue, start, _WINDOW)]))
        raw = _with_id(payloads, id)
        if raw is not None:
            return Status("waiting", attempt=codec.tries_of(raw).attempt, raw=raw)
        if len(payloads) < _WINDOW:
            return True
    return False


def _running(keys: Keys, queue: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], Status | bool]:
    (leases,) = _sure((yield [inflight.leases(keys, queue)]))
    for member, _ in leases:
        (held,) = _sure((yield [inflight.held(keys, queue, member)]))
        raw = _with_id(held, id)
        if raw is not None:
            return Status("running", worker=member, attempt=codec.tries_of(raw).attempt, raw=raw)
    return True


def _failed(keys: Keys, queue: str, id: str) -> Generator[Sequence[Operation[Any]], list[Any], Status | bool]:
    for start in range(0, SEARCH, _WINDOW):
        (records,) = _sure((yield [failures.window(keys, start, _WINDOW)]))
        for record in records:
            if id.encode() in record:
                seen = failure.read(record)
                if seen.id == id and not seen.retried_at:
                    return Status("failed", error=f"{seen.exception}: {seen.error}", attempt=seen.attempt)
        if len(records) < _WINDOW:
            return True
    return False


def _with_id(payloads: Sequence[bytes], id: str) -> bytes | None:
    """The payload of this id. One look at the bytes spares reading the others."""
    wanted = id.encode()
    return next((raw for raw in payloads if wanted in raw and codec.id_of(raw) == id), None)


def _known(raw: bytes) -> tuple[str, str]:
    """Its class, and the digest of the lock that ends with it."""
    payload: Payload | None = codec.read_own(raw) if raw else None
    if payload is None or payload.meta is None:
        return "", ""
    until, _, digest = (payload.meta.lock or "").partition(":")
    return payload.job, "" if until == "ttl" else digest


def _sure(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, StoreError):
            raise answer
    return answers
