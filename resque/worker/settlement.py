"""Settlement: from jobs that have ended to the operations that settle them. Pure.

May be in here: asking `decide`, grouping by queue and by metrics, failure records. May not: sending (worker.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from resque import clock
from resque.jobs.outcome import Died, Done, Dropped, Failed, Later, Outcome, Raised, Released, Returned, decide
from resque.payload import codec, failure
from resque.payload.payload import Payload, Tries
from resque.store import settle, stats
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.settle import Conclude, Drop, Holder, Settled
from resque.store.stats import bucket
from resque.worker.hand import Entry

_SHORT = 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One operation, and the jobs that have left the hand when it has succeeded."""

    kind: str
    queue: str
    entries: Sequence[Entry]
    operation: Operation[Settled]


class Settlement:
    """Makes the operations for one worker."""

    def __init__(self, keys: Keys, member: str, id: str) -> None:
        self._keys = keys
        self._member = member
        self._id = id

    def parts(self, ended: Sequence[Entry], now: float) -> Iterator[Part]:
        """Everything that settles these jobs; `now` in seconds since 1970."""
        done: dict[str, list[Entry]] = {}
        others: dict[tuple[str, str], list[Entry]] = {}
        for entry in ended:
            if type(entry.ended) is Returned and entry.outcome is None and not _leaves_traces(entry.payload):
                found = done.get(entry.queue)
                if found is None:
                    found = done[entry.queue] = []
                found.append(entry)
            else:
                entry.outcome = outcome = entry.outcome or _outcome(entry)
                if isinstance(outcome, Failed):
                    entry.ended = Raised(outcome.error)  # also one whose process died too often: events tell why
                others.setdefault((_KINDS[type(outcome)], entry.queue), []).append(entry)
        minute = int(now // 60)
        for queue, entries in done.items():
            yield Part("done", queue, entries, self._finish(queue, entries, minute))
        for kind in _KINDS.values():
            for (each, queue), entries in others.items():
                if each == kind:
                    yield Part(kind, queue, entries, self._settle(kind, self._holder(queue), entries, now))

    def _settle(self, kind: str, holder: Holder, entries: Sequence[Entry], now: float) -> Operation[Settled]:
        keys, minute = self._keys, int(now // 60)
        match kind:
            case "done":
                return settle.conclude(keys, holder, [self._conclude(entry) for entry in entries], minute)
            case "later":
                return settle.later(keys, holder, [self._later(entry, now) for entry in entries], minute)
            case "dropped":
                return settle.drop(keys, holder, [_drop(entry) for entry in entries], minute)
            case "failed":
                return settle.fail(keys, holder, [self._fail(entry, holder.queue, now) for entry in entries], minute)
        return settle.release(keys, holder, [_release(entry) for entry in entries])

    def _finish(self, queue: str, entries: Sequence[Entry], minute: int) -> Operation[Settled]:
        groups: dict[tuple[str, int, int], int] = {}
        flat: list[bytes | int] = []
        boot_to_wall = clock.now() - clock.boottime()
        for entry in entries:
            group = (entry.job, _waited(entry, boot_to_wall), bucket(entry.seconds))
            number = groups.get(group)
            if number is None:
                number = groups[group] = len(groups)
            flat.append(number)
            flat.append(entry.raw)
        fields = [stats.done_fields(*group) for group in groups]
        return settle.finish(self._keys, self._holder(queue), fields, flat, minute)

    def _conclude(self, entry: Entry) -> Conclude:
        waited = _waited(entry, clock.now() - clock.boottime())
        fields = stats.done_fields(entry.job, waited, bucket(entry.seconds))
        return Conclude(entry.raw, entry.id, _lock(entry.payload), fields)

    def _later(self, entry: Entry, now: float) -> settle.Later:
        outcome, payload = entry.outcome, entry.payload
        assert isinstance(outcome, Later)
        assert payload is not None
        name = None if payload.meta is not None else entry.id
        attempt = payload.attempt + (1 if outcome.counts else 0)
        changed = codec.with_tries(entry.raw, Tries(name, attempt, payload.crashes)) or b""
        error = b"" if outcome.error is None else self._attempt(payload.attempt, outcome.error, now)
        fields = (stats.retried_field(entry.job),) if outcome.counts else ()
        return settle.Later(entry.raw, changed, entry.id, outcome.after, error, fields)

    def _attempt(self, attempt: int, error: BaseException, now: float) -> bytes:
        """What is kept of an attempt that is followed by another."""
        told = {
            "attempt": attempt,
            "failed_at": failure.time_text(now),
            "exception": failure.name_of(error)[:_SHORT],
            "error": failure.error_text(error)[:_SHORT],
            "worker": self._id,
        }
        return msgspec.json.encode(told)

    def _fail(self, entry: Entry, queue: str, now: float) -> tuple[bytes, bytes, str, str, str, str]:
        outcome = entry.outcome
        assert isinstance(outcome, Failed)
        record = failure.of_error(entry.raw, outcome.error, failed_at=now, worker=self._id, queue=queue, id=entry.id)
        fields = stats.failed_fields(entry.job, bucket(entry.seconds))
        return (entry.raw, record, *fields, entry.id, _lock(entry.payload))

    def _holder(self, queue: str) -> Holder:
        return Holder(queue, self._member, self._id)


_KINDS = {Done: "done", Later: "later", Dropped: "dropped", Failed: "failed", Released: "released"}


def _drop(entry: Entry) -> Drop:
    outcome = entry.outcome
    assert isinstance(outcome, Dropped)
    return Drop(
        entry.raw, outcome.reason, entry.id, _lock(entry.payload), (stats.dropped_field(entry.job, outcome.reason),)
    )


def _release(entry: Entry) -> tuple[bytes, bytes]:
    outcome = entry.outcome
    assert isinstance(outcome, Released)
    return entry.raw, codec.with_crashes(entry.raw, outcome.crashes)


def _outcome(entry: Entry) -> Outcome:
    """What `decide` says, with what it must know of earlier crashes: only they cost a look at the payload's end."""
    ended, raw = entry.ended, entry.raw
    assert ended is not None
    crashes = codec.tries_of(raw).crashes
    if isinstance(ended, Died):
        return decide(ended, crashes, readable=codec.with_tries(raw, Tries()) is not None)
    return decide(ended, crashes)


def _leaves_traces(payload: Payload | None) -> bool:
    """Whether there is more of this job in Redis than its payload: earlier attempts, or a lock."""
    if payload is None:
        return False
    return payload.tries is not None or (payload.meta is not None and payload.meta.lock is not None)


def _lock(payload: Payload | None) -> str:
    """The digest of the lock that ends with the job; "" = none."""
    lock = payload.meta.lock if payload is not None and payload.meta is not None else None
    until, _, digest = (lock or "").partition(":")
    return "" if until == "ttl" else digest


def _waited(entry: Entry, boot_to_wall: float) -> int:
    """The bucket of its time from when it was due to its start; -1: nobody knows."""
    meta = entry.payload.meta if entry.payload is not None else None
    return -1 if meta is None else bucket(entry.started_at + boot_to_wall - (meta.due_at or meta.enqueued_at))
