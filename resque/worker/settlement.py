"""Settlement: from jobs that have ended to the operations that settle them. Pure.

May be in here: asking `decide`, grouping by queue and by metrics, failure records. May not: sending (worker.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resque import clock
from resque.jobs.outcome import Died, Done, Ended, Failed, Outcome, Raised, Returned, decide
from resque.payload import codec, failure
from resque.payload.payload import Tries
from resque.store import settle, stats
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.settle import Holder, Settled
from resque.store.stats import bucket
from resque.worker.hand import Entry

_DONE = decide(Returned(), 0)
"""The outcome of almost every job."""


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
        failed: dict[str, list[tuple[Entry, BaseException]]] = {}
        released: dict[str, list[tuple[Entry, bytes]]] = {}
        for entry in ended:
            assert entry.ended is not None
            outcome = _DONE if isinstance(entry.ended, Returned) else _outcome(entry.raw, entry.ended)
            if isinstance(outcome, Done):
                found = done.get(entry.queue)
                if found is None:
                    found = done[entry.queue] = []
                found.append(entry)
            elif isinstance(outcome, Failed):
                entry.ended = Raised(outcome.error)  # also one whose process died too often: events tell why
                failed.setdefault(entry.queue, []).append((entry, outcome.error))
            else:
                released.setdefault(entry.queue, []).append((entry, codec.with_crashes(entry.raw, outcome.crashes)))
        minute = int(now // 60)
        for queue, entries in done.items():
            yield Part("done", queue, entries, self._finish(queue, entries, minute))
        for queue, failures in failed.items():
            yield Part("failed", queue, [entry for entry, _ in failures], self._fail(queue, failures, now))
        for queue, releases in released.items():
            pairs = [(entry.raw, changed) for entry, changed in releases]
            operation = settle.release(self._keys, self._holder(queue), pairs)
            yield Part("released", queue, [entry for entry, _ in releases], operation)

    def _finish(self, queue: str, entries: Sequence[Entry], minute: int) -> Operation[Settled]:
        groups: dict[tuple[str, int, int], int] = {}
        flat: list[bytes | int] = []
        boot_to_wall = clock.now() - clock.boottime()
        for entry in entries:
            meta = entry.payload.meta if entry.payload is not None else None
            waited = -1 if meta is None else bucket(entry.started_at + boot_to_wall - meta.enqueued_at)
            group = (entry.job, waited, bucket(entry.seconds))
            number = groups.get(group)
            if number is None:
                number = groups[group] = len(groups)
            flat.append(number)
            flat.append(entry.raw)
        fields = [stats.done_fields(*group) for group in groups]
        return settle.finish(self._keys, self._holder(queue), fields, flat, minute)

    def _fail(self, queue: str, failures: Sequence[tuple[Entry, BaseException]], now: float) -> Operation[Settled]:
        rows = []
        for entry, error in failures:
            record = failure.of_error(entry.raw, error, failed_at=now, worker=self._id, queue=queue, id=entry.id)
            rows.append((entry.raw, record, *stats.failed_fields(entry.job, bucket(entry.seconds)), entry.id, ""))
        return settle.fail(self._keys, self._holder(queue), rows, int(now // 60))

    def _holder(self, queue: str) -> Holder:
        return Holder(queue, self._member, self._id)


def _outcome(raw: bytes, ended: Ended) -> Outcome:
    """What `decide` says, with what it must know of earlier crashes: only they cost a look at the payload's end."""
    crashes = codec.tries_of(raw).crashes
    if isinstance(ended, Died):
        return decide(ended, crashes, readable=codec.with_tries(raw, Tries()) is not None)
    return decide(ended, crashes)
