"""What every way of running has in common: open the payload, find the job, call it, say how it ended.

May be in here: the step from bytes to `Ended`, in the order that keeps a hostile payload harmless; what a worker may
ask of any executor. May not: threads, Redis, deciding what becomes of the job (jobs/outcome.py).

A worker runs at most `concurrency` jobs at once. It has as many **cells**: a cell is the right to run one job, and its
number is the place in the shared page where the supervisor reads what runs (ledger.py). Free cells lie in `hand.free`.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

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
RETURNED = Returned()
HELD = Interrupted("it was held for so long that the lease may be lost")

set_current = current.set
"""What `current_job()` tells; a runner sets it to None before it waits."""


class Executor(Protocol):
    """What a worker asks of its executor, on the loop's thread. Jobs reach it through the hand."""

    def tick(self) -> float:
        """Do what is due (end softly what is late, grow). Returns the seconds until something is due again."""

    def end(self, entries: Sequence[Entry], error: BaseException) -> list[Entry]:
        """An operator ends these jobs. Returns those that only the end of this process can end."""

    async def interrupt(self, why: Interrupted) -> None:
        """The worker's time is over: end what can be ended within two seconds; it counts as not run."""


class Deadlined(Protocol):
    """What ends one runner's job softly when its time is over (deadline.py)."""

    def arm(self, now: float, seconds: float) -> float: ...

    def disarm(self, *, has_raised: bool) -> None: ...


class Opener:
    """The first half of a run, the same for every executor.

    1. Marks the start in the ledger, before the payload is read: one that kills its reader is known.
    2. Opens the payload and looks the job up by its exact name. For an unreadable or unknown one no user code runs.

    This is the path of every job: what is written out here is written out because a call costs as much as the work.
    """

    def __init__(self, registry: Registry, page: Page, hand: Hand) -> None:
        self._find = registry.find
        self._marks = page.marks
        self._since = page.since
        self._hand = hand

    def open(self, entry: Entry, cell: int) -> Definition | None:
        """The job to call, with the ledger marked. None: it has ended already (`entry.ended`), or it must run alone and
        was not meant to (nothing has ended)."""
        started = boottime()
        if started - entry.reserved_at > HELD_TOO_LONG:  # a suspended machine: somebody else may have it by now
            entry.ended = HELD
            return None
        entry.started_at = started
        self._since[cell] = started
        self._marks[cell] = mark_of(entry.raw)
        try:
            entry.payload = payload = read_own(entry.raw) or decode(entry.raw, ruby=self._hand.is_ruby)
            definition = self._find(payload.job)
            if definition is None:
                raise UnknownJob(_unknown(payload.job))
            if not definition.alone or entry.alone:
                entry.job = definition.name
                return definition
        except Unreadable as error:
            entry.ended = Raised(error.with_traceback(None))
        except BaseException as error:
            entry.ended = Raised(error)
        self._marks[cell] = 0
        return None


class Caller:
    """The second half: call perform, with the job as `current_job()`, and write on the entry how it ended and how long
    it ran. One for each runner. An async job gets a loop of its own: where many are awaited, it does not come here."""

    def __init__(self, page: Page, deadline: Deadlined) -> None:
        self._marks = page.marks
        self._deadlines = page.deadlines
        self._deadline = deadline

    def call(self, entry: Entry, definition: Definition, cell: int) -> None:
        """Run it, whatever it raises: SystemExit and KeyboardInterrupt of a job are that job's failure."""
        payload = entry.payload
        assert payload is not None
        try:
            set_current(entry)
            if definition.timeout is None:
                result = definition.invoke(payload.args, payload.kwargs)
                if definition.is_async:
                    asyncio.run(result)
                del result  # a large one would live as long as the next job
            else:
                self._in_time(definition, payload, cell)
            entry.ended = RETURNED
        except BaseException as error:
            entry.ended = Raised(error)
        self._marks[cell] = 0
        entry.seconds = boottime() - entry.started_at

    def _in_time(self, definition: Definition, payload: Payload, cell: int) -> None:
        """The same for a job with a timeout. Raises JobTimeout when its time was over."""
        now, timeout, has_raised = boottime(), definition.timeout or 0.0, False
        self._deadlines[cell] = now + timeout  # a job that does not heed is killed
        try:
            if definition.is_async:
                asyncio.run(in_time(definition.invoke(payload.args, payload.kwargs), timeout))
            else:
                self._deadline.arm(now, timeout)
                definition.invoke(payload.args, payload.kwargs)
        except JobTimeout:
            has_raised = True
            raise too_late(timeout) from None
        finally:
            self._deadlines[cell] = 0.0
            self._deadline.disarm(has_raised=has_raised)


async def in_time(coroutine: Coroutine[Any, Any, Any], timeout: float) -> Any:
    """Await it, and cancel it when its time is over: JobTimeout. A TimeoutError of its own stays what it is."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise too_late(timeout) from None
        raise


def too_late(timeout: float) -> JobTimeout:
    """The error of a job that ran longer than its timeout, in seconds."""
    return JobTimeout(f"it ran longer than its timeout of {timeout:g} s")


def _unknown(name: str) -> str:
    return (
        f"no job named {name!r} is registered in this worker. Give the module that defines it with -A, "
        "or keep the old name with aliases= after a rename; then retry it"
    )
