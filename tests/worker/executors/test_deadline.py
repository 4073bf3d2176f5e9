"""Deadline: the exception gets into the job it was meant for, and into no other."""

import threading
import time

import pytest

from resque import clock
from resque.errors import JobTimeout
from resque.worker.executors.deadline import Deadline, _raise_in


def in_thread(function: object) -> list[object]:
    """Run it on a thread of its own; what it returned or raised."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(function())  # type: ignore[operator]
        except JobTimeout as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    return outcome


def test_it_strikes_when_the_time_is_over_and_not_before() -> None:
    """The thread that loops gets JobTimeout."""
    deadline, begun = Deadline(is_main=False), threading.Event()

    def job() -> str:
        deadline.arm(clock.boottime(), 0.1)
        begun.set()
        while True:
            time.sleep(0.001)

    striker = threading.Thread(target=lambda: (begun.wait(), deadline.strike(0.0), time.sleep(0.15), strike(deadline)))
    striker.start()
    (outcome,) = in_thread(job)
    striker.join()
    assert isinstance(outcome, JobTimeout)


def strike(deadline: Deadline) -> None:
    deadline.strike(clock.boottime())


def test_nothing_is_due_when_nothing_is_armed() -> None:
    """A strike between two jobs hits nobody."""
    deadline = Deadline(is_main=False)
    assert deadline.due == 0.0
    strike(deadline)
    deadline.arm(clock.boottime(), 60)
    assert deadline.due > clock.boottime()
    deadline.disarm(has_raised=False)
    assert deadline.due == 0.0
    strike(deadline)


def test_an_exception_that_comes_too_late_is_absorbed() -> None:
    """It has struck, the job has ended by itself: `disarm` waits for what is on its way, the next job never sees it."""
    deadline = Deadline(is_main=False)

    def jobs() -> str:
        deadline.arm(clock.boottime(), 60)
        deadline._has_struck = True
        late = threading.Timer(0.02, _raise_in, (threading.get_ident(), JobTimeout))
        late.start()
        deadline.disarm(has_raised=False)
        late.join()
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        return "the next job was left alone"

    assert in_thread(jobs) == ["the next job was left alone"]


def test_it_strikes_once() -> None:
    """A second look does not raise a second time; the supervisor is the next resort."""
    deadline = Deadline(is_main=True)
    raised = []
    deadline.arm(clock.boottime(), 0.0)
    deadline._has_struck = True
    for _ in range(2):
        try:
            deadline.on_signal(0, None)
        except JobTimeout:
            raised.append(True)
    assert raised == [True]
    deadline.arm(clock.boottime(), 0.0)
    deadline._has_struck = True
    with pytest.raises(JobTimeout):
        deadline.on_signal(0, None)
