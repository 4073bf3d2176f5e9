"""Context: which job is running here and now.

May be in here: the facts about the running job, a contextvar. May not: anything that acts, a clock, a store.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """The facts about a running job.

    id: None for a job from elsewhere that brought none.
    queue, job: the queue it was taken from and its wire name.
    attempt: 1 for the first try. crashes: how often it was in hand when its worker died.
    enqueued_at: seconds since 1970, or None when the payload does not say.
    worker: the id of the worker that runs it.
    """

    id: str | None
    queue: str
    job: str
    attempt: int = 1
    crashes: int = 0
    enqueued_at: float | None = None
    worker: str = ""
    stop: Callable[[], bool] = field(default=_never, repr=False, compare=False)

    @property
    def should_stop(self) -> bool:
        """Whether the worker wants to end (a deploy, for example): a long job that can go on another time saves what it
        has and raises or returns. It has as long as the worker's `--drain`; what runs on is put back and starts anew.

        >>> for row in rows:
        ...     if current_job().should_stop:
        ...         return Import.enqueue(start=row.number)
        """
        return self.stop()


class Running(Protocol):
    """Who can say what job runs. A worker's entry is one: the facts are only put together when somebody asks."""

    def context(self) -> JobContext:
        """The facts about the running job."""


current: ContextVar[Running | None] = ContextVar("resque_current_job", default=None)
"""For executors: set to what runs, and to None after it."""


def current_job() -> JobContext | None:
    """The job that runs here, or None outside of one (a plain call in a unit test, for example).

    asyncio tasks that a job starts see it too; threads that a job starts do not, unless they run in
    `contextvars.copy_context()`.

    >>> current_job() is None
    True
    """
    running = current.get()
    return None if running is None else running.context()
