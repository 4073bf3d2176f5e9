"""What every way of running has in common: open the payload, find the job, call it, say how it ended.

May be in here: the step from bytes to `Ended`, in the order that keeps a hostile payload harmless; what a worker may
ask of any executor. May not: threads, Redis, deciding what becomes of the job (jobs/outcome.py).

A worker runs at most `concurrency` jobs at once. It has as many **cells**: a cell is the right to run one job, and its
number is the place in the shared page where the supervisor reads what runs (ledger.py). Free cells lie in `hand.free`.
"""

import asyncio
import random
import traceback
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from resque import clock
from resque.clock import boottime
from resque.errors import JobTimeout, UnknownJob, Unreadable
from resque.jobs.context import current
from resque.jobs.definition import Definition
from resque.jobs.outcome import Condemned, Failed, Interrupted, Later, Raised, Returned, Rules, Stale, decide
from resque.jobs.registry import Registry
from resque.jobs.retry import verb_of
from resque.payload.codec import decode, read_own
from resque.payload.payload import Meta, Payload, mark_of
from resque.worker.executors.deadline import Cancelled
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

    def end(self, entries: Sequence[Entry], ended: Condemned | Stale) -> list[Entry]:
        """Somebody ends these jobs: an operator, or who cancels them. Returns those that only the end of this process
        can end for sure."""

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
            entry.job = definition.name
            meta = payload.meta
            if meta is not None and (meta.lock or meta.expires_at or meta.deadline_at) and not _may_start(entry, meta):
                definition = None
            elif definition.alone and not entry.alone:
                entry.alone, definition = True, None
            if definition is not None:
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
                    result = asyncio.run(result)
            else:
                result = self._in_time(definition, payload, cell)
            verb = None if result is None else verb_of(result)
            del result  # a large one would live as long as the next job
            entry.ended = RETURNED if verb is None else Returned(verb)
        except BaseException as error:
            entry.ended = Raised(error)
        if entry.ended is not RETURNED:
            for hook in judge(entry, definition):
                asyncio.run(hook)  # only where async jobs come here
        self._marks[cell] = 0
        entry.seconds = boottime() - entry.started_at

    def _in_time(self, definition: Definition, payload: Payload, cell: int) -> Any:
        """The same for a job with a timeout. Raises JobTimeout when its time was over."""
        now, timeout, has_raised = boottime(), definition.timeout or 0.0, False
        self._deadlines[cell] = now + timeout  # a job that does not heed is killed
        try:
            if definition.is_async:
                return asyncio.run(in_time(definition.invoke(payload.args, payload.kwargs), timeout))
            self._deadline.arm(now, timeout)
            return definition.invoke(payload.args, payload.kwargs)
        except JobTimeout:
            has_raised = True
            raise too_late(timeout) from None
        except Cancelled:
            has_raised = True
            raise
        finally:
            self._deadlines[cell] = 0.0
            self._deadline.disarm(has_raised=has_raised)


def judge(entry: Entry, definition: Definition) -> list[Any]:
    """Decide what becomes of a job that raised, or returned a verb: here, where its error is still an object. Tells its
    hooks. Returns what is still to be awaited."""
    try:
        return _judge(entry, definition)
    except MemoryError:  # what the job holds is still held, by the frames of its error
        if isinstance(entry.ended, Raised):
            traceback.clear_frames(entry.ended.error.__traceback__)
        return _judge(entry, definition)


def _judge(entry: Entry, definition: Definition) -> list[Any]:
    ended, payload = entry.ended, entry.payload
    if entry.is_cancelled:  # nobody wants another attempt
        ended = Stale("cancelled")
    assert ended is not None
    assert payload is not None
    deadline = payload.meta.deadline_at if payload.meta is not None else None
    left = None if deadline is None else deadline - clock.now()
    rules = Rules(definition.retry, payload.attempt, left, random.random)
    entry.outcome = outcome = decide(ended, payload.crashes, rules=rules)
    if definition.hooks is None:
        return []
    match outcome:
        case Later(after, True, error) if error is not None:
            return definition.hooks.ended(error, after, is_dead=False)
        case Failed(error):
            return definition.hooks.ended(error, None, is_dead=True)
    return []


def _may_start(entry: Entry, meta: Meta) -> bool:
    """False: it is too old (and has ended), or its lock must be freed first (and nothing has ended)."""
    now = clock.now() if meta.expires_at or meta.deadline_at else 0.0
    if meta.expires_at is not None and meta.expires_at < now:
        entry.ended = Stale("expired")
    elif meta.deadline_at is not None and meta.deadline_at < now:
        entry.ended = Raised(JobTimeout("its deadline had passed before it was started"))
    elif entry.is_clear or meta.lock is None or not meta.lock.startswith("start:"):
        return True
    return False


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
