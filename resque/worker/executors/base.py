"""What every way of running has in common: open the payload, find the job, call it, say how it ended.

May be in here: the step from bytes to `Ended`, in the order that keeps a hostile payload harmless. May not: threads,
Redis, deciding what becomes of the job (jobs/outcome.py).
"""

from collections.abc import Callable, Coroutine
from typing import Any

from uuid_utils import uuid7

from resque import clock
from resque.errors import UnknownJob, Unreadable
from resque.jobs import context
from resque.jobs.outcome import Interrupted, Raised, Returned
from resque.jobs.registry import Registry
from resque.payload import codec
from resque.worker.hand import Entry
from resque.worker.ledger import Page

HELD_TOO_LONG = 5.0
_RETURNED = Returned()
_HELD = Interrupted("it was held for so long that the lease may be lost")

_set_current = context.current.set

Await = Callable[[Coroutine[Any, Any, Any]], Any]


class Performer:
    """Runs one entry after another.

    1. Marks the start in the ledger, before the payload is read: one that kills its reader is known.
    2. Opens the payload and looks the job up by its exact name. For an unreadable or unknown one no user code runs.
    3. Calls perform, with the job as `current_job()`.
    4. Writes on the entry how it ended and how long it ran.
    """

    def __init__(self, registry: Registry, page: Page) -> None:
        self._find = registry.find
        self._page = page

    def perform(self, entry: Entry, runner: int, run_coroutine: Await) -> bool:
        """Run it. False when it must run alone and was not meant to: nothing has happened then."""
        started = clock.boottime()
        if started - entry.reserved_at > HELD_TOO_LONG:  # a suspended machine: somebody else may have it by now
            entry.ended = _HELD
            return True
        entry.started_at = started
        self._page.start(runner, entry.raw, started)
        try:
            payload = entry.payload = codec.decode(entry.raw)
            entry.id = payload.id or str(uuid7())
            definition = self._find(payload.job)
            if definition is None:
                raise UnknownJob(_unknown(payload.job))
            if definition.alone and not entry.alone:
                return False
            entry.job = definition.name
            _set_current(entry)
            result = definition.invoke(payload.args, payload.kwargs)
            if definition.is_async:
                run_coroutine(result)
            entry.ended = _RETURNED
        except Unreadable as error:
            entry.ended = Raised(error.with_traceback(None))
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a job are that job's failure
            entry.ended = Raised(error)
        finally:
            _set_current(None)
            self._page.end(runner)
        entry.seconds = clock.boottime() - started
        return True


def _unknown(name: str) -> str:
    return (
        f"no job named {name!r} is registered in this worker. Give the module that defines it with -A, "
        "or keep the old name with aliases= after a rename; then retry it"
    )
