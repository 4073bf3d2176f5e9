"""Forks: a process for each job, as Resque does it.

May be in here: starting, ending and reaping the process of a job, what that process is before and after the job. May
not: Redis, outcomes, the form of what it tells (pipe.py).

What a job leaks ends with it, limits apply to it alone, and a job that kills its process kills nothing else. The
process that forks has one thread, its loop: a child of a process with threads may wait for ever for a lock that nobody
holds. A child keeps the files that the application had opened when it was imported, its end of the pipe, and no others:
no connection to Redis. Its process group ends with it, and so does what has left the group, if nothing else runs.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import setproctitle

from resque import clock, events
from resque.clock import boottime
from resque.config import environment_scrub
from resque.errors import JobTimeout, ResqueError
from resque.jobs.definition import Definition
from resque.jobs.outcome import Condemned, Died, Ended, Interrupted, Raised, Stale
from resque.jobs.registry import Registry
from resque.loop import backoff
from resque.worker.executors import pipe
from resque.worker.executors.base import Caller, Opener
from resque.worker.executors.deadline import Alarm
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Page
from resque.worker.privileges import Children, OomCounter, apply_limits, die_with_parent, why_died

TERM_FIRST = 0.7
"""Seconds that a job has to leave when it is asked to, before it is killed."""
_LOOK = 0.5
_MOST_FILES = 2**31 - 1
_INFINITY = float("inf")
_set_handler: Any = getattr(signal.signal, "__wrapped__", signal.signal)
"""Without the enums around it: in a process that has just been forked, each thing that is used first costs a page."""
_NO_FORK = Interrupted("no process could be started for it")


@dataclass(frozen=True, slots=True)
class House:
    """What is the same for every job's process.

    kept: the files that stay open in it. keep_env: None = its environment is the worker's; else only what every program
    needs, and these names and patterns. title: how its process is called, before the job's name. grace: seconds from
    its timeout to its end.
    """

    kept: frozenset[int]
    keep_env: tuple[str, ...] | None
    title: str
    grace: float


@dataclass(slots=True, eq=False)
class _Child:
    pid: int
    entry: Entry
    cell: int
    reader: int
    told: bytearray = field(default_factory=bytearray)
    ended: Ended | None = None
    """How its job ended if it says nothing more: it was us who ended it."""
    kill_at: float = _INFINITY


class Forks:
    """The jobs of a worker process, each in a process of its own. An Executor, and a gate of the hand: all of it
    happens on the loop, in the main thread."""

    def __init__(self, hand: Hand, registry: Registry, page: Page, house: House) -> None:
        self._hand = hand
        self._open = Opener(registry, page, hand).open
        self._caller = Caller(page, Alarm())
        self._page = page
        self._house = house
        self._children: dict[int, _Child] = {}
        self._is_listed = False
        self._failures = 0
        self._look_at = 0.0
        self._oom = OomCounter()
        self._kernel = Children()

    # as a gate of the hand ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take jobs from now on."""
        if self._hand.free and not self._is_listed:
            self._is_listed = True
            self._hand.idle.append(self)

    def put(self, go: bool) -> None:
        """There is work."""
        self._is_listed = False
        asyncio.get_running_loop().call_soon(self._start)

    # as an Executor ----------------------------------------------------------------------------------------------

    def tick(self) -> float:
        """See Executor."""
        now = boottime()
        for child in self._children.values():
            pipe.drain(child.reader, child.told)  # a pipe may be small
            deadline = self._page.deadlines[child.cell]
            if deadline and deadline + self._house.grace < now and child.ended is None:
                child.ended = Condemned(JobTimeout("it did not heed its timeout: its process was killed"))
                child.kill_at = now
            if child.kill_at <= now:
                self._end(child, signal.SIGKILL)
        if now >= self._look_at:
            self._look_at = now + _LOOK
            self._oom.look()
        kills = [child.kill_at - now for child in self._children.values() if child.kill_at > now]
        return min([_LOOK, *kills]) if self._children else _INFINITY

    def end(self, entries: Sequence[Entry], ended: Condemned | Stale) -> list[Entry]:
        """See Executor."""
        self._ask([child for child in self._children.values() if child.entry in entries], ended)
        return []

    async def interrupt(self, why: Interrupted) -> None:
        """See Executor."""
        self._ask(list(self._children.values()), why)
        end = clock.monotonic() + 2 * TERM_FIRST
        while self._children and clock.monotonic() < end:
            await asyncio.sleep(0.01)
            self.tick()

    def _ask(self, children: Sequence[_Child], ended: Ended) -> None:
        for child in children:
            if child.ended is None:
                child.ended = ended
                child.kill_at = boottime() + TERM_FIRST
                self._end(child, signal.SIGTERM)
        self._hand.wake()  # and so look at the clock when they have to be killed

    def _end(self, child: _Child, number: int) -> None:
        """Signal it and all that it has started. Before it has settled in, it would write the signal into our own
        socket, and has nothing to say good-bye to."""
        with suppress(ProcessLookupError):
            if self._page.children[child.cell] == child.pid:
                os.killpg(child.pid, number)
            else:
                os.kill(child.pid, signal.SIGKILL)

    # starting ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        hand = self._hand
        while hand.free and hand.unstarted and not hand.is_resting:
            entry = hand.unstarted.popleft()
            if len(hand.unstarted) == hand.low:
                hand.wake()
            self._run(entry, hand.free.pop())
        if not hand.is_resting:
            self.open()

    def _run(self, entry: Entry, cell: int) -> None:
        """Open it here, once for both: for what cannot run no process is started."""
        self._hand.current[cell] = entry
        definition = self._open(entry, cell)
        if definition is None:
            self._ended(entry, cell, entry.ended)
            return
        try:
            child = self._fork(entry, cell, definition)
        except OSError as error:
            self._ended(entry, cell, _NO_FORK)
            self._rest(error)
            return
        self._failures = 0
        self._children[child.pid] = child

    def _fork(self, entry: Entry, cell: int, definition: Definition) -> _Child:
        """Raises OSError when there is no process, no memory or no file left for it."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        _flush()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid == 0:
            self._be_child(entry, cell, definition, writer, parent)
        os.close(writer)
        return _Child(pid, entry, cell, reader)

    def _rest(self, error: OSError) -> None:
        self._failures += 1
        wait = max(0.1, backoff(self._failures))
        self._hand.is_resting = True
        events.emit("worker.cannot_fork", error=error, wait=wait)
        asyncio.get_running_loop().call_later(wait, self._rested)

    def _rested(self) -> None:
        self._hand.is_resting = False
        self._start()
        self._hand.wake()

    # ending ------------------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Take in what has ended. Call it at each SIGCHLD."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is not None:  # else a process that a job had left behind
                self._bury(child, status)
        if not self._children:
            self._end_strays()  # each time: one may be handed to us only when its own parent has ended
        self._start()

    def _bury(self, child: _Child, status: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # what it has started, and left running
        pipe.drain(child.reader, child.told)
        os.close(child.reader)
        result = pipe.result_of(bytes(child.told))
        if result is None:
            self._ended(child.entry, child.cell, child.ended or self._died(child, status))
            return
        child.entry.seconds = min(result.seconds, boottime() - child.entry.started_at)
        child.entry.outcome = result.outcome()
        self._ended(child.entry, child.cell, result.ended())

    def _ended(self, entry: Entry, cell: int, ended: Ended | None) -> None:
        page, hand = self._page, self._hand
        page.marks[cell] = page.children[cell] = 0
        page.deadlines[cell] = 0.0
        hand.current[cell] = None
        hand.free.append(cell)
        if ended is None:
            hand.park(entry)
            return
        entry.ended = ended
        entry.seconds = entry.seconds or boottime() - (entry.started_at or boottime())
        hand.ended.append(entry)
        hand.wake()

    def _died(self, child: _Child, status: int) -> Ended:
        code = os.waitstatus_to_exitcode(status)
        why = why_died(status, is_oom=self._oom.claim() if code == -signal.SIGKILL else None)
        if code == -signal.SIGXCPU:
            return Condemned(JobTimeout(f"it has used up the processor time of its limits: {why}"))
        if code == 0:
            why = "exit code 0 before the job had ended"
        elif child.told:
            why = f"{why}, and its result was no result"
        events.emit("job.crashed", id=child.entry.id, queue=child.entry.queue, pid=child.pid, why=why)
        return Died(why, started=True)

    def _end_strays(self) -> None:
        """Processes that have left the group of their job: as nothing else runs, all our children are such."""
        found = self._kernel.pids()
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        if found:
            events.emit("worker.strays_killed", pids=found)

    # the child ---------------------------------------------------------------------------------------------------

    def _be_child(self, entry: Entry, cell: int, definition: Definition, writer: int, parent: int) -> None:
        """In the child: never returns, so that no code of the parent runs twice."""
        code = 1
        try:
            _settle_in(parent, sorted(self._house.kept | {writer}))
            self._page.children[cell] = os.getpid()
            self._perform(entry, cell, definition)
            _flush()
            line = pipe.line_of(entry)
            os.set_blocking(writer, True)
            while line:
                line = line[os.write(writer, line) :]
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _perform(self, entry: Entry, cell: int, definition: Definition) -> None:
        setproctitle.setproctitle(f"{self._house.title} {definition.name}")
        if self._house.keep_env is not None:
            environment_scrub(self._house.keep_env)
        if _is_limited(entry, definition):
            self._caller.call(entry, definition, cell)


def _flush() -> None:
    """A full disk, or a job that has closed its output, is no reason to lose a result."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _is_limited(entry: Entry, definition: Definition) -> bool:
    """Put this process under the limits of its job. False: they cannot work, and that is how the job ended."""
    try:
        if definition.options.limits is not None:
            apply_limits(definition.options.limits)
    except ResqueError as error:
        entry.ended = Raised(error)
        return False
    return True


def _settle_in(parent: int, kept: Sequence[int]) -> None:
    """Group, death with the worker, no handlers and no files of the worker."""
    os.setpgid(0, 0)
    if not die_with_parent(parent):
        os._exit(1)
    signal.set_wakeup_fd(-1)
    _set_handler(signal.SIGTERM, signal.SIG_DFL)
    asyncio._set_running_loop(None)
    before = 2
    for descriptor in (*kept, _MOST_FILES):  # a call of the kernel for each gap, however many files that is
        os.closerange(before + 1, descriptor)
        before = descriptor
