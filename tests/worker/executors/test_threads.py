"""Runners: the order of the hand, the race between going idle and new work, async jobs, the end."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.registry import Registry
from resque.worker.executors.threads import Threads
from resque.worker.hand import Hand
from resque.worker.ledger import Ledger
from tests.worker.rig import job


class Crew:
    """Runners at work in threads; the test plays the loop."""

    def __init__(self, count: int) -> None:
        self.news = threading.Event()
        self.hand = Hand("vm~n:1:q", self.news.set, count)
        self.registry = Registry()
        self.threads = Threads(count, self.hand, self.registry, Ledger(1, count).page(0))
        self.main = threading.Thread(target=self.threads.run, daemon=True)

    def define(self, name: str, function: Callable[..., Any], *, alone: bool = False) -> None:
        self.registry.add(Definition(function, name=name, options=JobOptions(alone=alone)))

    def add(self, *payloads: bytes) -> None:
        self.hand.add("q", payloads, None)

    def wait_for_ended(self, count: int, seconds: float = 10) -> None:
        self.tick_until(lambda: len(self.hand.ended) >= count, seconds)

    def tick_until(self, condition: Callable[[], Any], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s"
            self.threads.tick()
            time.sleep(0.0005)

    def stop(self) -> None:
        self.threads.stop()
        self.main.join(10)
        assert not self.main.is_alive()


@pytest.fixture
def crew_of() -> Iterator[Callable[[int], Crew]]:
    """crew_of(4) -> four runners, ended with the test."""
    crews: list[Crew] = []

    def make(count: int) -> Crew:
        crews.append(Crew(count))
        return crews[-1]

    yield make
    for crew in crews:
        if crew.main.is_alive():
            crew.stop()


def test_one_runner_keeps_the_order(crew_of: Callable[[int], Crew]) -> None:
    crew, seen = crew_of(1), []
    crew.define("Note", seen.append)
    crew.add(*(job("Note", n) for n in range(50)))
    crew.main.start()
    crew.add(*(job("Note", n) for n in range(50, 300)))
    crew.wait_for_ended(300)
    assert seen == list(range(300))
    assert [entry.raw for entry in crew.hand.ended] == [job("Note", n) for n in range(300)]


def test_as_many_run_at_once_as_there_are_runners(crew_of: Callable[[int], Crew]) -> None:
    crew, barrier = crew_of(4), threading.Barrier(4, timeout=5)
    crew.define("Meet", lambda number: barrier.wait())
    crew.main.start()
    crew.add(*(job("Meet", n) for n in range(8)))
    crew.wait_for_ended(8)
    assert not barrier.broken


def test_the_first_runner_is_the_thread_that_calls_run(crew_of: Callable[[int], Crew]) -> None:
    """In a worker process the main thread: signals and many libraries want it."""
    crew, seen = crew_of(1), []
    crew.define("Where", lambda: seen.append(threading.current_thread()))
    crew.main.start()
    crew.add(job("Where"))
    crew.wait_for_ended(1)
    assert seen == [crew.main]


@pytest.mark.parametrize("count", [1, 2, 8, 32])
def test_no_work_is_missed_by_runners_that_go_idle(crew_of: Callable[[int], Crew], count: int) -> None:
    """Single jobs and small batches, given just when the runners run dry, thousands of times."""
    crew = crew_of(count)
    done = [0] * 4000
    crew.define("Count", lambda number: done.__setitem__(number, done[number] + 1))
    crew.main.start()
    given, size = 0, 1
    while given < 4000:
        size = size % 7 + 1
        batch = range(given, min(given + size, 4000))
        crew.add(*(job("Count", n) for n in batch))
        given += len(batch)
        if given % 3 == 0:
            crew.wait_for_ended(given)
    crew.wait_for_ended(4000)
    assert done == [1] * 4000
    assert crew.hand.running == 0


def test_work_that_comes_just_before_a_runner_is_listed_as_idle(crew_of: Callable[[int], Crew]) -> None:
    """It has found nothing, and nobody knows yet that it must be woken: it looks a second time."""
    crew, seen = crew_of(1), []
    crew.define("Note", seen.append)
    given = iter(range(20))

    def loop_is_woken() -> None:
        number = next(given, None)
        if number is not None:
            crew.add(job("Note", number))

    crew.hand.wake = loop_is_woken
    crew.main.start()
    crew.wait_for_ended(20)
    assert seen == list(range(20))


def test_runners_that_are_idle_take_no_time(crew_of: Callable[[int], Crew]) -> None:
    crew = crew_of(8)
    crew.main.start()
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_the_loop_is_woken_when_a_runner_has_nothing_to_do(crew_of: Callable[[int], Crew]) -> None:
    crew = crew_of(1)
    crew.define("Note", lambda number: None)
    crew.main.start()
    assert crew.news.wait(5)
    crew.news.clear()
    crew.add(job("Note", 1))
    assert crew.news.wait(5)


def test_the_loop_is_woken_before_the_hand_is_empty(crew_of: Callable[[int], Crew]) -> None:
    """So that more is fetched while the rest runs."""
    crew, gate, reached = crew_of(1), threading.Event(), threading.Event()

    def perform(number: int) -> None:
        if number == 1:
            reached.set()
            gate.wait(10)
        if number == 7:
            gate.clear()
            reached.set()
            gate.wait(10)

    crew.define("Step", perform)
    crew.hand.low = 3
    crew.add(*(job("Step", n) for n in range(1, 11)))
    crew.main.start()
    assert reached.wait(5)
    time.sleep(0.02)
    assert not crew.news.is_set()
    reached.clear()
    gate.set()
    assert reached.wait(5)
    assert crew.news.is_set()
    gate.set()
    crew.wait_for_ended(10)


def test_what_runs_is_shown(crew_of: Callable[[int], Crew]) -> None:
    crew, gate, running = crew_of(2), threading.Event(), threading.Semaphore(0)

    def perform(number: int) -> None:
        running.release()
        gate.wait(10)

    crew.define("Hold", perform)
    crew.main.start()
    crew.add(job("Hold", 1), job("Hold", 2), job("Hold", 3))
    for _ in range(2):
        crew.tick_until(lambda: running.acquire(blocking=False))
    assert {entry.raw for entry in crew.hand.current if entry} == {job("Hold", 1), job("Hold", 2)}
    assert crew.hand.running == 2
    gate.set()
    crew.wait_for_ended(3)
    time.sleep(0.02)
    assert crew.hand.current == [None, None]


def test_a_job_that_must_run_alone_is_parked(crew_of: Callable[[int], Crew]) -> None:
    crew, seen = crew_of(1), []
    crew.define("Alone", seen.append, alone=True)
    crew.main.start()
    crew.add(job("Alone", 1))
    crew.wait_for_ended(1)
    assert crew.hand.collect() == []
    assert seen == []
    crew.hand.start_alone()
    crew.wait_for_ended(1)
    assert seen == [1]


def test_threads_are_started_when_jobs_wait(crew_of: Callable[[int], Crew]) -> None:
    """Not before: a worker with room for a thousand async jobs needs one."""
    crew, gate = crew_of(8), threading.Event()
    crew.define("Hold", lambda number: gate.wait(10))
    crew.main.start()
    crew.add(job("Hold", 0))
    crew.tick_until(lambda: crew.hand.running == 1 and not crew.hand.idle)
    assert len(crew.threads._runners) == 1
    crew.add(*(job("Hold", n) for n in range(1, 20)))
    crew.tick_until(lambda: len(crew.threads._runners) == 8)
    crew.tick_until(lambda: len(crew.hand.unstarted) == 12)
    gate.set()
    crew.wait_for_ended(20)


def test_stop_lets_running_jobs_end(crew_of: Callable[[int], Crew]) -> None:
    crew, gate, running = crew_of(2), threading.Event(), threading.Semaphore(0)

    def perform(number: int) -> None:
        running.release()
        gate.wait(10)

    crew.define("Hold", perform)
    crew.main.start()
    crew.add(job("Hold", 1))
    assert running.acquire(timeout=5)
    crew.threads.stop()
    crew.main.join(0.1)
    assert crew.main.is_alive()
    gate.set()
    crew.main.join(5)
    assert not crew.main.is_alive()
    assert len(crew.hand.ended) == 1


@pytest.mark.parametrize("count", [1, 16])
def test_stop_at_once_after_the_start(crew_of: Callable[[int], Crew], count: int) -> None:
    for _ in range(20):
        crew = crew_of(count)
        crew.main.start()
        crew.stop()
