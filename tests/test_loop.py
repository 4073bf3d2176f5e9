"""Periodic duties: when they are due, what one that fails does to the others, how failures back off."""

import random
from collections.abc import Callable
from statistics import mean

import pytest

from resque import clock, events
from resque.loop import FIRST_BACKOFF, LONGEST_BACKOFF, Timetable, backoff


class Time:
    """A monotonic clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock, "monotonic", time)
    return time


class Duty:
    """Notes when it was called; does what `act` does."""

    def __init__(self, name: str, pause: float, act: Callable[[], object] = lambda: None) -> None:
        self.name = name
        self.pause = pause
        self.act = act
        self.ticks: list[float] = []

    def tick(self, now: float) -> float:
        self.ticks.append(now)
        self.act()
        return self.pause


def fail() -> None:
    raise RuntimeError("broken duty")


def test_everything_is_due_at_first_and_then_when_it_said(time: Time) -> None:
    often, seldom = Duty("often", 1.0), Duty("seldom", 10.0)
    table = Timetable([often, seldom])
    assert table.run_due() == pytest.approx(1.0)
    assert (len(often.ticks), len(seldom.ticks)) == (1, 1)
    time.now += 0.5
    assert table.run_due() == pytest.approx(0.5)
    assert (len(often.ticks), len(seldom.ticks)) == (1, 1)
    for _ in range(9):
        time.now += 1.0
        table.run_due()
    assert (len(often.ticks), len(seldom.ticks)) == (10, 1)
    time.now += 1.0
    table.run_due()
    assert (len(often.ticks), len(seldom.ticks)) == (11, 2)


def test_a_duty_is_given_the_time(time: Time) -> None:
    duty = Duty("duty", 1.0)
    Timetable([duty]).run_due()
    assert duty.ticks == [1000.0]


def test_a_duty_that_raises_stops_no_other_and_is_reported(time: Time) -> None:
    bad, good = Duty("bad", 1.0, fail), Duty("good", 1.0)
    table = Timetable([bad, good])
    with events.listening("loop.failed") as heard:
        for _ in range(20):
            table.run_due()
            time.now += 1.0
    assert len(good.ticks) == 20
    assert len(bad.ticks) > 3
    assert len(heard) == len(bad.ticks)
    assert heard[0][1]["loop"] == "bad"
    assert str(heard[0][1]["error"]) == "broken duty"


def test_failures_back_off_and_success_ends_that(time: Time) -> None:
    duty = Duty("duty", 60.0, fail)
    table = Timetable([duty])
    for _ in range(200):
        time.now += table.run_due() + 0.001
    assert mean(b - a for a, b in zip(duty.ticks[20:], duty.ticks[21:], strict=False)) > 1.0
    assert mean(b - a for a, b in zip(duty.ticks[:4], duty.ticks[1:4], strict=False)) < 0.5
    duty.act = lambda: None
    time.now += 10
    assert table.run_due() == pytest.approx(60.0)
    duty.act = fail
    time.now += 61
    assert table.run_due() <= FIRST_BACKOFF * 2, "the count of failures has begun anew"


def test_a_duty_can_be_hastened(time: Time) -> None:
    slow, other = Duty("slow", 100.0), Duty("other", 100.0)
    table = Timetable([slow, other])
    table.run_due()
    table.hasten(slow)
    table.run_due()
    assert (len(slow.ticks), len(other.ticks)) == (2, 1)


def test_a_slow_duty_makes_the_next_one_due_at_once_never_in_the_past(time: Time) -> None:
    def take_long() -> None:
        time.now += 50.0

    quick, slow = Duty("quick", 1.0), Duty("slow", 1.0, take_long)
    assert Timetable([quick, slow]).run_due() == 0.0


def test_back_off_is_full_jitter_up_to_five_seconds() -> None:
    """Uniform from zero: those who failed together must not come back together."""
    random.seed(4)
    for failures, longest in [(0, 0.1), (1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (50, 5.0), (10_000, 5.0)]:
        waits = [backoff(failures) for _ in range(2000)]
        assert max(waits) <= longest
        assert max(waits) > longest * 0.95
        assert min(waits) < longest * 0.05
        assert mean(waits) == pytest.approx(longest / 2, rel=0.1)
    assert LONGEST_BACKOFF == 5.0
