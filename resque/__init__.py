"""Resque for Python: background jobs as JSON in Redis lists.

    from resque import Job

    class ProcessOrderJob(Job):
        queue = "order_processing"

        def perform(self, order_id: int) -> None: ...

    ProcessOrderJob.enqueue(123)

The front door: re-exports the public names, each when it is first used (PEP 562), so that `import resque` is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resque.app import Resque, aenqueue, aenqueue_many, configure, enqueue, enqueue_many
    from resque.client.handle import Handle
    from resque.errors import EnqueueUnknown, NotEnqueued, NotUnique, ResqueError
    from resque.jobs.context import current_job
    from resque.jobs.job import Job, job
    from resque.jobs.limits import Limits
    from resque.jobs.periodic import cron
    from resque.jobs.retry import Cancel, Discard, Fail, Retry, RetryIn, Snooze
    from resque.jobs.unique import Unique

__version__ = "0.1.0"

_HOMES = {
    "Resque": "resque.app",
    "aenqueue": "resque.app",
    "aenqueue_many": "resque.app",
    "configure": "resque.app",
    "enqueue": "resque.app",
    "enqueue_many": "resque.app",
    "Handle": "resque.client.handle",
    "EnqueueUnknown": "resque.errors",
    "NotUnique": "resque.errors",
    "NotEnqueued": "resque.errors",
    "ResqueError": "resque.errors",
    "current_job": "resque.jobs.context",
    "Job": "resque.jobs.job",
    "job": "resque.jobs.job",
    "Limits": "resque.jobs.limits",
    "cron": "resque.jobs.periodic",
    "Cancel": "resque.jobs.retry",
    "Discard": "resque.jobs.retry",
    "Fail": "resque.jobs.retry",
    "Retry": "resque.jobs.retry",
    "RetryIn": "resque.jobs.retry",
    "Snooze": "resque.jobs.retry",
    "Unique": "resque.jobs.unique",
}

__all__ = [
    "Cancel",
    "Discard",
    "EnqueueUnknown",
    "Fail",
    "Handle",
    "Job",
    "Limits",
    "NotEnqueued",
    "NotUnique",
    "Resque",
    "ResqueError",
    "Retry",
    "RetryIn",
    "Snooze",
    "Unique",
    "aenqueue",
    "aenqueue_many",
    "configure",
    "cron",
    "current_job",
    "enqueue",
    "enqueue_many",
    "job",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'resque' has no attribute {name!r}")
    if name in ("Job", "job"):
        import_module("resque.app")  # puts the client behind the door that Job.enqueue goes through
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
