"""What every way of running has in common: open the payload, find the job, call it, say how it ended.

May be in here: the step from bytes to `Ended`, in the order that keeps a hostile payload harmless. May not: threads,
Redis, deciding what becomes of the job (jobs/outcome.py).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from resque.clock import boottime
from resque.errors import JobTimeout, UnknownJob, Unreadable
from resque.jobs.context import current
from resque.jobs.definition import Definition
from resque.jobs.outcome import Interrupted, Raised, Returned
from resque.jobs.registry import Registry
from resque.payload.codec import decode, read_own
from resque.payload.payload import Payload, mark_of
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Page

HELD_TOO_LONG = 5.0
_RETURNED = Returned()
_HELD = Interrupted("it was held for so long that the lease may be lost")

set_current = current.set
"""What `current_job()` tells; a runner sets it to None before it waits."""

Await = Callable[[Coroutine[Any, Any, Any]], Any]


class Performer:
    """Runs one entry after another, for one runner.

    1. Marks the start in the ledger, before the payload is read: one that kills its reader is known.
    2. Opens the payload and looks the job up by its exact name. For an unreadable or unknown one no user code runs.
    3. Calls perform, with the job as `current_job()`.
    4. Writes on the entry how it ended and how long it ran.

    This is the path of every job: what is written out here is written out because a call costs as much as the work.
    """

    def __init__(self, registry: Registry, page: Page, hand: Hand, runner: int, run_coroutine: Await) -> None:
        self._find = registry.find
        self._marks = page.marks
        self._since = page.since
        self._deadlines = page.deadlines
        self._hand = hand
        self._runner = runner
        self._run_coroutine = run_coroutine

    def perform(self, entry: Entry) -> bool:
        """Run it. False when it must run alone and was not meant to: nothing has happened then."""
        started = boottime()
        if started - entry.reserved_at > HELD_TOO_LONG:  # a suspended machine: somebody else may have it by now
            entry.ended = _HELD
            return True
        entry.started_at = started
        self._since[self._runner] = started
        self._marks[self._runner] = mark_of(entry.raw)
        try:
            entry.payload = payload = read_own(entry.raw) or decode(entry.raw, ruby=self._hand.is_ruby)
            definition = self._find(payload.job)
            if definition is None:
                raise UnknownJob(_unknown(payload.job))
            if definition.alone and not entry.alone:
                return False
            entry.job = definition.name
            set_current(entry)
            if definition.timeout is None:
                result = definition.invoke(payload.args, payload.kwargs)
                if definition.is_async:
                    self._run_coroutine(result)
            else:
                self._invoke_in_time(definition, payload, definition.timeout)
            entry.ended = _RETURNED
        except Unreadable as error:
            entry.ended = Raised(error.with_traceback(None))
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a job are that job's failure
            entry.ended = Raised(error)
        finally:
            self._marks[self._runner] = 0
        entry.seconds = boottime() - started
        return True

    def _invoke_in_time(self, definition: Definition, payload: Payload, timeout: float) -> None:
        """The same for a job with a timeout. Raises JobTimeout when its time was over."""
        now, has_raised = boottime(), False
        deadline = self._hand.deadlines[self._runner]
        self._deadlines[self._runner] = now + timeout  # the supervisor kills a job that does not heed
        try:
            if definition.is_async:
                self._run_coroutine(_in_time(definition.invoke(payload.args, payload.kwargs), timeout))
            else:
                deadline.arm(now, timeout)
                definition.invoke(payload.args, payload.kwargs)
        except JobTimeout:
            has_raised = True
            raise JobTimeout(f"it ran longer than its timeout of {timeout:g} s") from None
        finally:
            self._deadlines[self._runner] = 0.0
            deadline.disarm(has_raised=has_raised)


async def _in_time(coroutine: Coroutine[Any, Any, Any], timeout: float) -> Any:
    """Cancel it when its time is over. A TimeoutError of its own stays what it is."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise JobTimeout from None
        raise


def _unknown(name: str) -> str:
    return (
        f"no job named {name!r} is registered in this worker. Give the module that defines it with -A, "
        "or keep the old name with aliases= after a rename; then retry it"
    )
