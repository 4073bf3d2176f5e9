"""Forks on a loop of its own, in a process of its own: which jobs it starts, and what it does when it cannot.

What becomes of jobs in real workers is in tests/processes/test_fork.py.
"""

import asyncio
import json
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from resque import events
from resque.errors import JobKilled
from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.outcome import Condemned, Interrupted, Raised, Returned
from resque.jobs.registry import Registry
from resque.worker.executors.base import HELD_TOO_LONG
from resque.worker.executors.fork import Forks, House
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Ledger
from resque.worker.privileges import adopt_orphans
from tests.worker.forked import forked

PATIENCE = 8.0


def _nothing() -> None:
    """Done at once."""


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _deaf() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(60)


def _aside() -> None:
    """Must run alone."""


class Floor:
    """Forks with two cells, and the loop that it lives on."""

    def __init__(self, house: House | None = None, cells: int = 2) -> None:
        self.hand = Hand("vm~n:1:q", lambda: None, cells)
        self.page = Ledger(1, cells).page(0)
        registry = Registry()
        for name, function in (("Nothing", _nothing), ("Sleep", _sleep), ("Deaf", _deaf), ("Aside", _aside)):
            options = JobOptions(alone=name == "Aside", timeout=0.1 if name == "Deaf" else None)
            registry.add(Definition(function, name=name, options=options))
        house = house or House(frozenset(), None, "test", 0.2)
        self.forks = Forks(self.hand, registry, self.page, house)
        self.told: list[tuple[str, dict[str, Any]]] = []
        for name in ("worker.cannot_fork", "job.crashed", "worker.strays_killed"):
            events.subscribe(name, lambda name, data: self.told.append((name, data)))

    def push(self, name: str, *args: object, age: float = 0.0) -> Entry:
        raw = json.dumps({"class": name, "args": args}).encode()
        self.hand.add("q", [raw], None)
        self.hand.unstarted[-1].reserved_at -= age
        return self.hand.unstarted[-1]

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, what
            self.forks.tick()
            await asyncio.sleep(0.005)

    async def ended(self, *entries: Entry) -> None:
        await self.until(lambda: all(entry.ended for entry in entries), "all have ended")


def on_a_floor(life: Callable[[Floor], Awaitable[Any]], **settings: Any) -> str:
    """Run it in a process with one thread; returns what it returned, or its error, as text."""

    async def main() -> Any:
        floor = Floor(**settings)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, floor.forks.reap)
        floor.forks.open()
        return await life(floor)

    def process() -> Any:
        adopt_orphans()
        return asyncio.run(main())

    return forked(process).said


def error_of(entry: Entry) -> str:
    """What it raised, or was made to raise."""
    return (
        f"{type(entry.ended.error).__name__}: {entry.ended.error}"
        if isinstance(entry.ended, Raised | Condemned)
        else ""
    )


def go(floor: Floor) -> None:
    """There is work."""
    floor.hand.offer()


def test_jobs_run_in_order_as_many_as_there_are_cells() -> None:
    async def life(floor: Floor) -> str:
        entries = [floor.push("Sleep", 0.1) for _ in range(5)]
        go(floor)
        most = 0

        def look() -> bool:
            nonlocal most
            most = max(most, sum(entry is not None for entry in floor.hand.current))
            return all(entry.ended for entry in entries)

        await floor.until(look, "all have ended")
        assert all(isinstance(entry.ended, Returned) for entry in entries)
        assert sorted(entries, key=lambda each: each.started_at) == entries
        assert sorted(floor.hand.free) == [0, 1]
        assert floor.page.started() == []
        assert floor.page.children.tolist() == [0, 0]
        assert list(floor.hand.idle) == [floor.forks], "it waits for more"
        return f"{most} at once"

    assert on_a_floor(life) == "2 at once"


def test_what_was_held_for_too_long_is_not_started() -> None:
    """A suspended machine: somebody else may have it by now."""

    async def life(floor: Floor) -> str:
        old, new = floor.push("Nothing", age=HELD_TOO_LONG + 0.1), floor.push("Nothing")
        go(floor)
        await floor.ended(old, new)
        assert isinstance(new.ended, Returned)
        return type(old.ended).__name__

    assert on_a_floor(life) == "Interrupted"


def test_what_must_run_alone_comes_back_with_nothing_ended() -> None:
    async def life(floor: Floor) -> str:
        aside = floor.push("Aside")
        go(floor)
        await floor.until(lambda: aside.alone, "parked")
        assert aside.ended is None
        assert sorted(floor.hand.free) == [0, 1]
        floor.hand.collect()
        floor.hand.start_alone()
        await floor.ended(aside)
        return type(aside.ended).__name__

    assert on_a_floor(life) == "Returned"


def test_an_operator_s_end_is_term_and_then_kill() -> None:
    """With the reason that was given, and only for those that were meant."""

    async def life(floor: Floor) -> str:
        deaf, other = floor.push("Sleep", 60), floor.push("Sleep", 1.5)
        go(floor)
        await floor.until(lambda: all(floor.page.children.tolist()), "both run")
        began = time.monotonic()
        assert floor.forks.end([deaf], Condemned(JobKilled("x"))) == []
        await floor.ended(deaf)
        assert time.monotonic() - began < 0.6, "TERM is enough for this one"
        assert other.ended is None
        await floor.ended(other)
        assert isinstance(other.ended, Returned)
        return error_of(deaf)

    assert on_a_floor(life) == "JobKilled: x"


def test_one_that_does_not_heed_its_timeout_is_killed_after_the_grace() -> None:
    """Not before it is over, and with the reason."""

    async def life(floor: Floor) -> str:
        late = floor.push("Deaf")
        began = time.monotonic()
        go(floor)
        await floor.ended(late)
        assert time.monotonic() - began >= 0.3, "a timeout of 0.1 s and a grace of 0.2 s"
        return error_of(late)

    assert on_a_floor(life) == "JobTimeout: it did not heed its timeout: its process was killed"


def test_interrupt_ends_all_within_two_seconds() -> None:
    async def life(floor: Floor) -> str:
        entries = [floor.push("Sleep", 60), floor.push("Sleep", 60)]
        go(floor)
        await floor.until(lambda: all(floor.page.children.tolist()), "both run")
        why = Interrupted("the worker stops")
        began = time.monotonic()
        await floor.forks.interrupt(why)
        assert time.monotonic() - began < 2.0
        assert floor.told == [], "no crash"
        return str([entry.ended == why for entry in entries])

    assert on_a_floor(life) == "[True, True]"


def test_with_no_file_left_the_job_goes_back_and_it_rests() -> None:
    """EMFILE for the pipe: nothing is started, nothing is lost; later it goes on by itself."""

    async def life(floor: Floor) -> str:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        entries = [floor.push("Nothing"), floor.push("Nothing")]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        go(floor)
        await floor.ended(entries[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert isinstance(entries[0].ended, Interrupted)
        assert floor.hand.is_resting
        assert entries[1].ended is None
        assert sorted(floor.hand.free) == [0, 1]
        assert floor.page.started() == []
        await floor.ended(entries[1])
        assert not floor.hand.is_resting
        assert isinstance(entries[1].ended, Returned)
        return floor.told[0][0]

    assert on_a_floor(life) == "worker.cannot_fork"


def test_a_payload_of_a_stranger_runs_nothing() -> None:
    async def life(floor: Floor) -> str:
        unknown = floor.push("Nobody")
        floor.hand.add("q", [b"\xff"], None)
        unreadable = floor.hand.unstarted[-1]
        go(floor)
        await floor.ended(unknown, unreadable)
        return f"{error_of(unknown)} {error_of(unreadable)}"

    said = on_a_floor(life)
    assert said.startswith("UnknownJob: no job named 'Nobody' is registered")
    assert "Unreadable: not UTF-8" in said
