"""Delivery: the trips of one enqueue, and what is known of each job after each of them. Pure.

May be in here: grouping into trips, the account of stored / unknown / missing. May not: sending.
Both clients drive it: `for operations in delivery.trips(keys)`, then `answered` or `broke`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from resque.client.prepare import Prepared
from resque.errors import EnqueueError, EnqueueUnknown, NotEnqueued, NotUnique, StoreError
from resque.store import delayed, queues, unique
from resque.store.delayed import Delayed
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.unique import Claim, Claimed

JOBS_A_TRIP = 1000


class Delivery:
    """The account of one enqueue call."""

    def __init__(self, jobs: Sequence[Prepared]) -> None:
        self.jobs = jobs
        self.taken: dict[str, str] = {}
        """Jobs that were not stored because another one stands for them: id -> that one's id."""
        self._position = 0
        self._under_way: list[list[Prepared]] = []
        self._stored: list[str] = []
        self._refused: list[str] = []
        self._reason: StoreError | None = None

    def trips(self, keys: Keys) -> Iterator[list[Operation[Any]]]:
        """The operations of each trip: at most a thousand jobs, in order; one push for all of a queue."""
        while self._position < len(self.jobs):
            chunk = self.jobs[self._position : self._position + JOBS_A_TRIP]
            self._under_way = _groups(chunk)
            yield [op for jobs in self._under_way for op in _operations(keys, jobs[0].queue, jobs)]
            self._position += len(chunk)

    def answered(self, results: Sequence[Any]) -> None:
        """Take the answers of a trip. Each second one decides: a name that was not written is found by the audit."""
        decisive = results[1::2]
        for jobs, result in zip(self._under_way, decisive, strict=True):
            if isinstance(result, StoreError):
                self._refused += [job.id for job in jobs]
                self._reason = result
            elif isinstance(result, Claimed) and not result.stored and result.id != jobs[0].id:
                self.taken[jobs[0].id] = result.id
            else:
                self._stored += [job.id for job in jobs]
        self._under_way = []

    def broke(self, error: StoreError) -> EnqueueError:
        """The error for a trip without answers."""
        doubtful = [job.id for jobs in self._under_way for job in jobs] if getattr(error, "sent", True) else []
        known = {*self._stored, *doubtful, *self.taken}
        missing = [job.id for job in self.jobs if job.id not in known]
        if doubtful:
            return EnqueueUnknown(
                f"{_count(doubtful)} sent but not confirmed: {error}. Look for the id before you repeat, "
                "or make the job safe to run twice",
                stored=self._stored,
                unknown=doubtful,
                missing=missing,
            )
        return NotEnqueued(
            f"{_count(missing)} not stored: {error}. It is safe to repeat", stored=self._stored, missing=missing
        )

    def raise_if_refused(self) -> None:
        """Raise NotEnqueued when the server refused a push, NotUnique when a job of that policy was not unique."""
        if self._reason is not None:
            raise NotEnqueued(
                f"{_count(self._refused)} not stored: {self._reason}", stored=self._stored, missing=self._refused
            ) from self._reason
        strict = [job for job in self.jobs if job.id in self.taken and job.lock and job.lock.conflict == "raise"]
        if strict:
            raise NotUnique(
                f"{strict[0].job} was not stored: the job {self.taken[strict[0].id]} is the same and has not ended",
                stored=self._stored,
                taken={job.id: self.taken[job.id] for job in strict},
            )


def _groups(jobs: Sequence[Prepared]) -> list[list[Prepared]]:
    """Jobs that go the same way go together; one with a lock goes alone, and what comes after it stays behind it."""
    groups: list[list[Prepared]] = []
    open_: dict[tuple[str, str], list[Prepared]] = {}
    first = jobs[0]
    if all(job.queue == first.queue and job.lock is None and job.due is None and not job.front for job in jobs):
        return [list(jobs)]  # almost always
    for job in jobs:
        way = (job.queue, "delayed" if job.due is not None else "front" if job.front else "back")
        if job.lock is not None:
            open_.pop(way, None)
            groups.append([job])
        elif way in open_:
            open_[way].append(job)
        else:
            open_[way] = [job]
            groups.append(open_[way])
    return groups


def _operations(keys: Keys, queue: str, jobs: Sequence[Prepared]) -> list[Operation[Any]]:
    """Two for each group, the second decides."""
    first = jobs[0]
    if first.lock is not None:
        lock = first.lock
        claim = Claim(first.id, first.payload, lock.digest, lock.ttl, lock.conflict, first.due, first.front)
        return unique.enqueue(keys, queue, claim)
    if first.due is not None:
        return delayed.delay(keys, queue, [Delayed(job.id, job.due or 0.0, job.payload) for job in jobs])
    return queues.enqueue(keys, queue, [job.payload for job in jobs], front=first.front)


def _count(ids: Sequence[str]) -> str:
    return f"job {ids[0]} was" if len(ids) == 1 else f"{len(ids)} jobs were"
