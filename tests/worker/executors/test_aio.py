"""Async jobs: many at once, beside sync ones, cancelled in time, and the one that blocks the others is named."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest

from resque import events
from resque.errors import JobKilled, JobTimeout
from resque.jobs.context import current_job
from resque.jobs.outcome import Condemned, Interrupted, Raised, Returned
from resque.worker.executors import aio
from resque.worker.hand import Entry
from tests.worker.executors.tasks import Crew
from tests.worker.rig import job

STOPPING = Interrupted("the worker stops")


@pytest.fixture(params=["uvloop", "asyncio"])
def crew_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Crew]]:
    """crew_of(100) -> room for a hundred jobs at once, on both kinds of loop."""
    if request.param == "asyncio":
        monkeypatch.setattr(aio, "new_event_loop", asyncio.new_event_loop)
    crews: list[Crew] = []

    def make(cells: int) -> Crew:
        crews.append(Crew(cells))
        return crews[-1]

    yield make
    for crew in crews:
        crew.stop()


def error_of(entry: Entry) -> BaseException:
    assert isinstance(entry.ended, Raised), entry.ended
    return entry.ended.error


def test_a_coroutine_is_awaited_and_its_error_is_its_failure(crew_of: Callable[[int], Crew]) -> None:
    crew, seen = crew_of(2), []

    async def perform(number: int) -> None:
        await asyncio.sleep(0)
        seen.append(number)
        if number == 2:
            raise ValueError("late")

    crew.define("Async", perform)
    crew.add(job("Async", 1), job("Async", 2))
    good, bad = crew.ended(2)
    assert seen == [1, 2]
    assert good.ended == Returned()
    assert str(error_of(bad)) == "late"
    assert good.seconds > 0


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, MemoryError])
def test_nothing_that_a_job_raises_ends_the_loop(crew_of: Callable[[int], Crew], kind: type[BaseException]) -> None:
    crew = crew_of(1)

    async def boom() -> None:
        raise kind("x")

    async def fine() -> None:
        await asyncio.sleep(0)

    crew.define("Boom", boom)
    crew.define("Fine", fine)
    crew.add(job("Boom"), job("Fine"))
    bad, good = crew.ended(2)
    assert isinstance(error_of(bad), kind)
    assert good.ended == Returned()


def test_as_many_at_once_as_there_are_cells_and_one_thread(crew_of: Callable[[int], Crew]) -> None:
    crew, most, now = crew_of(500), 0, 0

    async def perform(number: int) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1

    crew.define("Sleep", perform)
    crew.add(*(job("Sleep", n) for n in range(1500)))
    crew.ended(1500)
    assert most == 500
    assert len(crew.threads._runners) == 1
    assert sorted(crew.hand.free) == list(range(500))
    assert crew.page.started() == []


def test_concurrency_one_is_one_at_a_time_whatever_the_kind(crew_of: Callable[[int], Crew]) -> None:
    """Code that must not run twice at once relies on it, also when some of it is async."""
    crew, now, most = crew_of(1), [0], [0]

    def enter() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])

    async def waiting(number: int) -> None:
        enter()
        await asyncio.sleep(0.001)
        now[0] -= 1

    def plain(number: int) -> None:
        enter()
        time.sleep(0.001)
        now[0] -= 1

    crew.define("Async", waiting)
    crew.define("Sync", plain)
    crew.add(*(job("Async" if n % 3 else "Sync", n) for n in range(60)))
    crew.ended(60)
    assert most == [1]
    assert all(entry.ended == Returned() for entry in crew.hand.ended)


@pytest.mark.parametrize("cells", [2, 5, 40])
def test_mixed_jobs_all_run_once(crew_of: Callable[[int], Crew], cells: int) -> None:
    crew = crew_of(cells)
    done = [0] * 2000

    async def waiting(number: int) -> None:
        if number % 5 == 0:
            await asyncio.sleep(0.001)
        done[number] += 1

    def plain(number: int) -> None:
        done[number] += 1

    crew.define("Async", waiting)
    crew.define("Sync", plain)
    for start in range(0, 2000, 7):
        crew.add(*(job("Async" if n % 2 else "Sync", n) for n in range(start, min(start + 7, 2000))))
        if start % 3 == 0:
            time.sleep(0.0005)
    crew.ended(2000)
    assert done == [1] * 2000
    assert crew.hand.running == 0
    crew.until(lambda: len(crew.hand.free) == cells)


def test_every_job_knows_who_it_is_and_sees_nothing_of_another(crew_of: Callable[[int], Crew]) -> None:
    crew, seen, tainted = crew_of(1), [], []
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def perform(number: int) -> None:
        tainted.append(variable.get())
        variable.set(number)
        await asyncio.sleep(0)
        found = current_job()
        seen.append(found and found.id)

    crew.define("Async", perform)
    crew.add(
        *(b'{"class":"Async","args":[%d],"tries":{"id":"a-%d","attempt":1,"crashes":0}}' % (n, n) for n in range(5))
    )
    crew.ended(5)
    assert seen == [f"a-{n}" for n in range(5)]
    assert tainted == [0] * 5


def test_a_timeout_cancels_that_job_alone(crew_of: Callable[[int], Crew]) -> None:
    crew, cleaned = crew_of(3), []

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    async def fine() -> None:
        await asyncio.sleep(0.3)

    crew.define("Slow", slow, timeout=0.1)
    crew.define("Fine", fine)
    crew.add(job("Slow"), job("Fine"))
    late, good = crew.ended(2)
    assert isinstance(error_of(late), JobTimeout)
    assert "0.1 s" in str(error_of(late))
    assert good.ended == Returned()
    assert cleaned == [True]
    assert crew.page.deadlines.tolist() == [0.0] * 3


def test_a_timeout_error_of_its_own_stays_what_it_is(crew_of: Callable[[int], Crew]) -> None:
    crew = crew_of(1)

    async def perform() -> None:
        raise TimeoutError("mine")

    crew.define("Own", perform, timeout=5.0)
    crew.add(job("Own"))
    (entry,) = crew.ended(1)
    assert type(error_of(entry)) is TimeoutError


def test_a_job_that_does_not_heed_its_timeout_is_seen_by_the_supervisor(crew_of: Callable[[int], Crew]) -> None:
    """It blocks the loop: nothing can be raised in it. Its mark and its deadline are in the shared page."""
    crew, gate, begun = crew_of(2), threading.Event(), threading.Event()

    async def perform() -> None:
        begun.set()
        gate.wait(10)

    crew.define("Deaf", perform, timeout=0.05)
    crew.add(job("Deaf"))
    assert begun.wait(5)
    (mark,) = crew.page.started()
    now = crew.hand.current[1] or crew.hand.current[0]
    assert now is not None
    assert crew.page.late(now.started_at + 0.2, 0.1) == [mark]
    gate.set()
    crew.ended(1)


def test_an_operator_ends_one_job(crew_of: Callable[[int], Crew]) -> None:
    crew, gate = crew_of(3), threading.Event()

    async def forever(number: int) -> None:
        await asyncio.sleep(30 if number == 1 else 0.2)

    crew.define("Wait", forever)
    crew.define("Thread", lambda: gate.wait(10))
    crew.add(job("Wait", 1), job("Wait", 2), job("Thread"))
    crew.until(lambda: sum(entry is not None for entry in crew.hand.current) == 3)
    running = sorted((e for e in crew.hand.current if e is not None), key=lambda entry: entry.reserved_at)
    killed = Condemned(JobKilled("an operator ended it"))
    left = crew.threads.end([running[0], running[2]], killed)
    assert left == [running[2]], "a thread can only be ended with its process"
    ended = crew.ended(2)
    assert ended[0].ended is killed
    assert ended[1].ended == Returned()
    gate.set()
    crew.ended(3)


def test_at_the_end_all_are_cancelled_and_count_as_not_run(crew_of: Callable[[int], Crew]) -> None:
    crew, cleaned = crew_of(10), []

    async def forever(number: int) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # good-byes take a moment
            cleaned.append(number)
            raise

    crew.define("Wait", forever)
    crew.add(*(job("Wait", n) for n in range(10)))
    crew.until(lambda: len(crew.threads._tasks._running) == 10)
    asyncio.run(crew.threads.interrupt(STOPPING))
    assert [entry.ended for entry in crew.ended(10)] == [STOPPING] * 10
    assert sorted(cleaned) == list(range(10))


def test_one_that_ends_well_after_all_is_done(crew_of: Callable[[int], Crew]) -> None:
    crew = crew_of(1)

    async def stubborn() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return

    crew.define("Stubborn", stubborn)
    crew.add(job("Stubborn"))
    crew.until(lambda: len(crew.threads._tasks._running) == 1)
    asyncio.run(crew.threads.interrupt(STOPPING))
    assert crew.ended(1)[0].ended == Returned()


def test_a_job_that_blocks_the_loop_is_named_once(
    crew_of: Callable[[int], Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "BLOCKED", 0.4)
    crew, gate = crew_of(2), threading.Event()

    async def blocking() -> None:
        gate.wait(10)

    async def fine() -> None:
        await asyncio.sleep(0.8)

    crew.define("Blocking", blocking)
    crew.define("Fine", fine)
    with events.listening("loop.blocked") as seen:
        crew.add(job("Fine"))
        crew.ended(1)
        assert seen == [], "a job that awaits blocks nobody"
        crew.add(job("Blocking"))
        crew.until(lambda: seen)
        end = time.monotonic() + 0.3
        crew.until(lambda: time.monotonic() > end)
    gate.set()
    ((_, told),) = seen
    assert told["job"] == "Blocking"
    assert len(told["id"]) == 36
    assert told["seconds"] >= 0.4
    assert "threading.py" in told["at"]
    crew.ended(2)


def test_a_job_that_must_run_alone_is_parked(crew_of: Callable[[int], Crew]) -> None:
    crew, seen = crew_of(2), []

    async def perform(number: int) -> None:
        seen.append(number)

    async def fine() -> None:
        await asyncio.sleep(0)

    crew.define("Fine", fine)
    crew.define("Alone", perform, alone=True)
    crew.add(job("Fine"), job("Alone", 1))
    crew.until(lambda: len(crew.hand.ended) == 2)
    assert len(crew.hand.collect()) == 1
    assert seen == []
    crew.hand.start_alone()
    crew.ended(1)
    assert seen == [1]


def test_the_worker_is_woken_when_jobs_end(crew_of: Callable[[int], Crew]) -> None:
    crew = crew_of(4)

    async def fine() -> None:
        await asyncio.sleep(0.01)

    crew.define("Fine", fine)
    crew.until(lambda: crew.hand.idle)
    crew.news.clear()
    crew.add(job("Fine"))
    assert crew.news.wait(5)
    crew.ended(1)


def test_one_that_is_cancelled_before_it_begins_ends_too(crew_of: Callable[[int], Crew]) -> None:
    """A task that is cancelled before its first step never runs: it would never say how it ended."""
    crew, gate = crew_of(3), threading.Event()

    async def blocking() -> None:
        gate.wait(10)

    async def fine(number: int) -> None:
        await asyncio.sleep(30)

    crew.define("Blocking", blocking)
    crew.define("Wait", fine)
    crew.add(job("Blocking"))
    crew.until(lambda: len(crew.threads._tasks._running) == 1)
    crew.add(job("Wait", 1), job("Wait", 2))
    crew.until(lambda: sum(entry is not None for entry in crew.hand.current) == 3)
    waiting = [entry for entry in crew.hand.current if entry is not None and entry.job == "Wait"]
    killed = Condemned(JobKilled("an operator ended it"))
    assert crew.threads.end(waiting, killed) == []
    gate.set()
    assert [entry.ended for entry in crew.ended(3)][1:] == [killed, killed]
