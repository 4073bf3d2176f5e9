"""Handle: what an enqueuer gets back.

May be in here: which job it was, where it is now, cancelling it. May not: Redis; nothing is looked up that was not
asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from resque import clock, events
from resque.client import whereabouts
from resque.client.prepare import Prepared
from resque.client.reach import Reach
from resque.client.whereabouts import Cancelled, Status
from resque.errors import ConfigError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Handle(Generic[R]):
    """An enqueued job. `R` is what its perform returns.

    >>> handle = ProcessOrderJob.enqueue(123)
    >>> handle.id, handle.status().state
    ('0192f0c1-…', 'waiting')
    """

    id: str
    queue: str
    job: str
    _reach: Reach | None = field(default=None, repr=False, compare=False)

    def status(self) -> Status:
        """Where the job is now: delayed, waiting, running, failed or ended; "unknown" when a list was too long to be
        searched (20,000 jobs). Raises StoreError."""
        return self._client().ask(lambda keys: whereabouts.status(keys, self.queue, self.id))

    async def astatus(self) -> Status:
        """`status`, awaited."""
        return await self._client().aask(lambda keys: whereabouts.status(keys, self.queue, self.id))

    def cancel(self) -> Cancelled:
        """Cancel it; returns where it was. One that waits or is delayed is gone then, and counted as cancelled.

        One that runs is asked to end: async jobs are cancelled, with --fork its process is ended, in a thread
        `current_job().should_stop` becomes true, and one with a timeout is interrupted. Raises StoreError.
        """
        return self._client().ask(lambda keys: whereabouts.cancel(keys, self.queue, self.id, clock.now()))

    async def acancel(self) -> Cancelled:
        """`cancel`, awaited."""
        return await self._client().aask(lambda keys: whereabouts.cancel(keys, self.queue, self.id, clock.now()))

    def _client(self) -> Reach:
        if self._reach is None:
            raise ConfigError("this handle was made by hand: only what enqueueing gave back can be asked")
        return self._reach


def handles(jobs: Sequence[Prepared], taken: Mapping[str, str], reach: Reach) -> list[Handle[Any]]:
    """Handles for jobs that were stored, or for those that stand for them; tells subscribers and hooks."""
    found: list[Handle[Any]] = []
    is_wanted = events.wanted("job.enqueued")
    for job in jobs:
        handle: Handle[Any] = Handle(taken.get(job.id, job.id) if taken else job.id, job.queue, job.job, reach)
        found.append(handle)
        if taken and job.id in taken:
            events.emit("job.deduplicated", id=handle.id, queue=job.queue, job=job.job)
            continue
        if is_wanted:
            events.emit("job.enqueued", id=job.id, queue=job.queue, job=job.job)
        if job.definition is not None and job.definition.hooks is not None:
            job.definition.hooks.after_enqueue(handle)
    return found
