"""Context: which job is running here and now.

May be in here: the facts about the running job, a contextvar. May not: anything that acts, a clock, a store.
"""

from contextvars import ContextVar, Token
from types import TracebackType

import msgspec


class JobContext(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a running job. A struct and not a dataclass because a worker makes one for every job.

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


current: ContextVar[JobContext | None] = ContextVar("resque_current_job", default=None)


def current_job() -> JobContext | None:
    """The job that runs here, or None outside of one (a plain call in a unit test, for example).

    asyncio tasks that a job starts see it too; threads that a job starts do not, unless they run in
    `contextvars.copy_context()`.

    >>> current_job() is None
    True
    """
    return current.get()


class running:
    """Make `context` the current job while the block runs. For executors. One instance serves one block.

    >>> with running(JobContext(id=None, queue="mail", job="SendMail")) as context:
    ...     current_job() is context
    True
    """

    __slots__ = ("_context", "_token")

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._token: Token[JobContext | None] | None = None

    def __enter__(self) -> JobContext:
        self._token = current.set(self._context)
        return self._context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            current.reset(self._token)
            self._token = None
