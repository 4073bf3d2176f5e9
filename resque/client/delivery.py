"""Delivery: the trips of one enqueue, and what is known of each job after each of them. Pure.

May be in here: grouping into trips, the account of stored / unknown / missing. May not: sending.
Both clients drive it: `for operations in delivery.trips(keys)`, then `answered` or `broke`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from resque.client.prepare import Prepared
from resque.errors import EnqueueError, EnqueueUnknown, NotEnqueued, StoreError
from resque.store import queues
from resque.store.keys import Keys
from resque.store.operation import Operation

JOBS_A_TRIP = 1000


class Delivery:
    """The account of one enqueue call."""

    def __init__(self, jobs: Sequence[Prepared]) -> None:
        self.jobs = jobs
        self._position = 0
        self._under_way: list[list[Prepared]] = []
        self._stored: list[str] = []
        self._refused: list[str] = []
        self._reason: StoreError | None = None

    def trips(self, keys: Keys) -> Iterator[list[Operation[Any]]]:
        """The operations of each trip: at most a thousand jobs, one push a queue, in order."""
        while self._position < len(self.jobs):
            chunk = self.jobs[self._position : self._position + JOBS_A_TRIP]
            by_queue: dict[str, list[Prepared]] = {}
            for job in chunk:
                by_queue.setdefault(job.queue, []).append(job)
            self._under_way = list(by_queue.values())
            yield [op for q, jobs in by_queue.items() for op in queues.enqueue(keys, q, [job.payload for job in jobs])]
            self._position += len(chunk)

    def answered(self, results: Sequence[Any]) -> None:
        """Take the answers of a trip. The push decides: a name that was not written is found by the audit."""
        pushes = results[1::2]
        for jobs, result in zip(self._under_way, pushes, strict=True):
            if isinstance(result, StoreError):
                self._refused += [job.id for job in jobs]
                self._reason = result
            else:
                self._stored += [job.id for job in jobs]
        self._under_way = []

    def broke(self, error: StoreError) -> EnqueueError:
        """The error for a trip without answers."""
        doubtful = [job.id for jobs in self._under_way for job in jobs] if getattr(error, "sent", True) else []
        known = {*self._stored, *doubtful}
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
        """Raise NotEnqueued when the server refused a push."""
        if self._reason is not None:
            raise NotEnqueued(
                f"{_count(self._refused)} not stored: {self._reason}", stored=self._stored, missing=self._refused
            ) from self._reason


def _count(ids: Sequence[str]) -> str:
    return f"job {ids[0]} was" if len(ids) == 1 else f"{len(ids)} jobs were"
