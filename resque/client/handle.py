"""Handle: what an enqueuer gets back.

May be in here: which job it was. May not: Redis; nothing is looked up that was not asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resque import events
from resque.client.prepare import Prepared

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Handle(Generic[R]):
    """An enqueued job. `R` is what its perform returns.

    >>> ProcessOrderJob.enqueue(123).id
    '0192f0c1-…'
    """

    id: str
    queue: str
    job: str


def handles(jobs: Sequence[Prepared]) -> list[Handle[Any]]:
    """Handles for jobs that were stored; tells the subscribers."""
    if events.wanted("job.enqueued"):
        for job in jobs:
            events.emit("job.enqueued", id=job.id, queue=job.queue, job=job.job)
    return [Handle(job.id, job.queue, job.job) for job in jobs]
