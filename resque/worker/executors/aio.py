"""Tasks: async jobs, many at once, on an event loop and a thread of their own.

May be in here: tasks and their loop, cancelling, noticing a job that blocks the loop. May not: Redis, calling sync jobs
(threads.py), outcomes.

A runner opens a job, sees that it is async and hands it on with its cell. When a task ends, the next job is opened
here, in the same cell: with async jobs only, no other thread has anything to do. The loop is no worker's loop: a job
that blocks it stops the other async jobs, and nothing else. uvloop is used where it is installed.
"""

import asyncio
import inspect
import sys
import threading
from asyncio import new_event_loop
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any

from resque import clock, events
from resque.clock import boottime
from resque.jobs.definition import Definition
from resque.jobs.outcome import Ended, Interrupted, Raised, Returned
from resque.jobs.retry import verb_of
from resque.worker.executors.base import RETURNED, Opener, in_time, judge, set_current
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Page

with suppress(ImportError):  # asyncio's own is as right, and half as fast
    from uvloop import new_event_loop

BLOCKED = 1.0
"""A job that lets the loop do nothing else for so long is named in the log, in seconds."""
INTERRUPT_WITHIN = 1.5
_BEAT = 0.25
_INFINITY = float("inf")


class Tasks:
    """The async jobs of a process. The loop and its thread begin with the first one."""

    def __init__(self, hand: Hand, opener: Opener, page: Page) -> None:
        self._hand = hand
        self._open = opener.open
        self._page = page
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._incoming: deque[tuple[Entry, Definition, int]] = deque()
        self._is_called = False
        self._will_wake = False
        self._ours: set[Entry] = set()
        """All that were handed to us and have not ended."""
        self._running: dict[Entry, asyncio.Task[None]] = {}
        self._ends: dict[Entry, Ended] = {}
        """Why a task was cancelled, when it was us."""
        self._context = Context()
        """What every job starts with: nothing, or it would see what the job before it has set."""
        self._beat = 0.0
        self._is_beating = False
        self._has_told = False

    def start(self, entry: Entry, definition: Definition, cell: int) -> None:
        """Await this job, which has been opened in `cell`. From any thread."""
        loop = self._loop or self._begin()
        self._ours.add(entry)
        self._incoming.append((entry, definition, cell))
        if not self._is_called:  # one call for many
            self._is_called = True
            loop.call_soon_threadsafe(self._take_in)

    def cancel(self, entries: Sequence[Entry], ended: Ended) -> list[Entry]:
        """End these jobs so. Returns those that are none of ours. From any thread."""
        ours = [entry for entry in entries if entry in self._ours]
        self._cancel(ours, ended)
        return [entry for entry in entries if entry not in ours]

    async def interrupt(self, why: Interrupted) -> None:
        """End all of them, and wait for that; some may not heed."""
        self._cancel(list(self._ours), why)
        end = clock.monotonic() + INTERRUPT_WITHIN
        while self._running and clock.monotonic() < end:  # noqa: ASYNC110 - another thread ends them
            await asyncio.sleep(0.01)

    def look(self) -> float:
        """Notice when a job blocks the loop. Returns the seconds until the next look."""
        if not self._running:
            return _INFINITY
        since = clock.monotonic() - self._beat
        if since < BLOCKED:
            self._has_told = False
        elif not self._has_told:
            self._has_told = True
            entry = self._current()
            name = {} if entry is None else {"id": entry.id, "job": entry.job}
            events.emit("loop.blocked", seconds=since, **name, at=self._place())
        return _BEAT

    def close(self) -> None:
        """End the loop. What still runs there is cancelled."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(INTERRUPT_WITHIN)

    # on the loop's thread ----------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = new_event_loop()
                self._thread = threading.Thread(target=self._live, args=(loop,), name="resque-tasks", daemon=True)
                self._beat = clock.monotonic()
                self._thread.start()
                self._loop = loop
            return self._loop

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=INTERRUPT_WITHIN / 2))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _take_in(self) -> None:
        self._is_called = False
        while self._incoming:
            self._create(*self._incoming.popleft())

    def _create(self, entry: Entry, definition: Definition, cell: int) -> None:
        loop = asyncio.get_running_loop()
        perform = self._perform(entry, definition, cell)
        self._running[entry] = loop.create_task(perform, context=self._context.copy())
        if not self._is_beating:
            self._keep_beating(loop)

    async def _perform(self, entry: Entry, definition: Definition, cell: int) -> None:
        """One job, from its call to the next job. Nothing that it raises leaves this."""
        page, payload = self._page, entry.payload
        assert payload is not None
        set_current(entry)
        try:
            if definition.timeout is None:
                result = await definition.invoke(payload.args, payload.kwargs)
            else:
                page.deadlines[cell] = boottime() + definition.timeout  # the supervisor kills one that does not heed
                result = await in_time(definition.invoke(payload.args, payload.kwargs), definition.timeout)
            verb = None if result is None else verb_of(result)
            del result
            entry.ended = RETURNED if verb is None else Returned(verb)
        except asyncio.CancelledError as error:
            entry.ended = self._ends.get(entry) or Raised(error)
        except BaseException as error:
            entry.ended = Raised(error)
        if entry.ended is not RETURNED and entry.ended is not self._ends.get(entry):
            await self._judge(entry, definition)
        page.marks[cell] = 0
        page.deadlines[cell] = 0.0
        entry.seconds = boottime() - entry.started_at
        self._ends.pop(entry, None)
        del self._running[entry]
        self._ours.discard(entry)
        self._end(entry, cell)
        self._go_on(cell)

    async def _judge(self, entry: Entry, definition: Definition) -> None:
        with suppress(asyncio.CancelledError):  # at the very end: the hooks are cut off, the outcome stands
            for hook in judge(entry, definition):
                await hook

    def _end(self, entry: Entry, cell: int) -> None:
        self._hand.current[cell] = None
        self._hand.ended.append(entry)
        if not self._will_wake:  # one wake-up for all that end in this turn of the loop
            self._will_wake = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._will_wake = False
        self._hand.wake()

    def _go_on(self, cell: int) -> None:
        """The next job in this cell: an async one is started here, another one is left to a runner."""
        hand = self._hand
        while True:
            try:
                entry = hand.unstarted.popleft()
            except IndexError:
                break
            hand.current[cell] = entry
            definition = self._open(entry, cell)
            if definition is not None and definition.is_async:
                self._ours.add(entry)
                self._create(entry, definition, cell)
                return
            hand.current[cell] = None
            if definition is not None:
                self._page.marks[cell] = 0
                entry.started_at = 0.0
                hand.unstarted.appendleft(entry)
                break
            if entry.ended is None:
                hand.park(entry)
            else:
                self._end(entry, cell)
        hand.free.append(cell)
        if hand.unstarted:  # also what came just before the cell was free again
            hand.offer()

    def _keep_beating(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = clock.monotonic()
        self._is_beating = bool(self._running)
        if self._is_beating:
            loop.call_later(_BEAT, self._keep_beating, loop)

    # from other threads ------------------------------------------------------------------------------------------

    def _cancel(self, entries: Sequence[Entry], ended: Ended) -> None:
        if self._loop is None:
            return

        def cancel(loop: asyncio.AbstractEventLoop) -> None:
            for entry in entries:
                task = self._running.get(entry)
                if task is None:
                    continue
                if inspect.getcoroutinestate(task.get_coro()) == inspect.CORO_CREATED:  # type: ignore[arg-type]
                    loop.call_soon(cancel, loop)  # cancelled now, it would never begin, and so never say how it ended
                    return
            for entry in entries:
                task = self._running.get(entry)
                if task is not None:
                    self._ends[entry] = ended
                    task.cancel()

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(cancel, self._loop)

    def _current(self) -> Entry | None:
        """Whose code the loop is in just now."""
        task: Any = asyncio.current_task(self._loop)
        return next((entry for entry, each in list(self._running.items()) if each is task), None)

    def _place(self) -> str:
        """Where that is: the innermost frame of the loop's thread."""
        frame = sys._current_frames().get(self._thread.ident or 0) if self._thread is not None else None
        return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
