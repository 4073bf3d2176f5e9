"""The page that outlives its process: who ran what when it died."""

import os
import signal
import time

import pytest

from resque.payload.payload import mark_of
from resque.worker.ledger import Ledger, Page

JOB = b'{"class":"Echo","args":[1]}'


def start(page: Page, runner: int, payload: bytes) -> None:
    """What a runner does before it reads a payload."""
    page.since[runner] = time.monotonic()
    page.marks[runner] = mark_of(payload)


def fork(life: object) -> int:
    """Run `life()` in a forked child, without pytest's own ends; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            life()  # type: ignore[operator]
        finally:
            os._exit(0)
    return pid


def test_a_page_is_empty_at_first() -> None:
    assert Ledger(2, 3).page(1).started() == []


def test_starts_and_ends() -> None:
    page = Ledger(1, 2).page(0)
    start(page, 0, JOB)
    start(page, 1, b"other")
    assert sorted(page.started()) == sorted([mark_of(JOB), mark_of(b"other")])
    page.marks[0] = 0
    assert page.started() == [mark_of(b"other")]
    page.marks[1] = 0
    assert page.started() == []


def test_two_runners_with_equal_payloads_are_two_marks() -> None:
    page = Ledger(1, 2).page(0)
    start(page, 0, JOB)
    start(page, 1, JOB)
    assert page.started() == [mark_of(JOB)] * 2


def test_a_runner_keeps_one_mark() -> None:
    page = Ledger(1, 1).page(0)
    start(page, 0, b"first")
    start(page, 0, b"second")
    assert page.started() == [mark_of(b"second")]


def test_a_hash_of_zero_is_a_mark_too() -> None:
    """0 means "runs nothing"; hash(b"") is 0."""
    assert hash(b"") == 0
    page = Ledger(1, 1).page(0)
    start(page, 0, b"")
    assert page.started() == [1]


def test_pages_do_not_touch_each_other() -> None:
    ledger = Ledger(3, 4)
    pages = [ledger.page(number) for number in range(3)]
    for number, page in enumerate(pages):
        for runner in range(4):
            start(page, runner, b"%d-%d" % (number, runner))
    pages[1].clear()
    assert pages[1].started() == []
    assert sorted(pages[0].started()) == sorted(mark_of(b"0-%d" % runner) for runner in range(4))
    assert sorted(pages[2].started()) == sorted(mark_of(b"2-%d" % runner) for runner in range(4))


def test_a_page_beyond_one_memory_page() -> None:
    """Hundreds of processes and runners: more than 4 KiB."""
    ledger = Ledger(64, 64)
    start(ledger.page(63), 63, JOB)
    assert ledger.page(63).started() == [mark_of(JOB)]
    assert ledger.page(62).started() == []


def test_the_marks_of_a_killed_child_stay() -> None:
    """SIGKILL in the middle of a job; and hash() of the same bytes is the same on both sides of the fork."""
    page = Ledger(1, 2).page(0)
    reading, writing = os.pipe()

    def life() -> None:
        start(page, 0, b"ended")
        page.marks[0] = 0
        start(page, 0, JOB)
        start(page, 1, b"")
        os.write(writing, b"x")
        time.sleep(60)

    pid = fork(life)
    assert os.read(reading, 1) == b"x"
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert sorted(page.started()) == sorted([mark_of(JOB), 1])
    page.clear()
    assert page.started() == []
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("round_number", range(5))
def test_a_child_killed_anywhere_leaves_a_mark_that_it_made(round_number: int) -> None:
    """Never half a number: each runner's mark is one of those it wrote, or none."""
    page = Ledger(1, 1).page(0)
    payloads = [b"%d" % number for number in range(50)]
    reading, writing = os.pipe()

    def life() -> None:
        os.write(writing, b"x")
        _work_for_ever(page, payloads)

    pid = fork(life)
    os.read(reading, 1)
    time.sleep(0.002 * (round_number + 1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert {*page.started()} <= {mark_of(payload) for payload in payloads}
    os.close(reading)
    os.close(writing)


def _work_for_ever(page: Page, payloads: list[bytes]) -> None:
    while True:
        for payload in payloads:
            start(page, 0, payload)
            page.marks[0] = 0


def test_a_process_says_that_it_is_idle() -> None:
    """Each on its own page, seen across the fork; a cleared page is not idle."""
    ledger = Ledger(3, 2)
    page, other = ledger.page(1), ledger.page(2)
    assert not page.is_idle
    pid = fork(lambda: setattr(page, "is_idle", True))
    os.waitpid(pid, 0)
    assert page.is_idle
    assert not other.is_idle
    assert page.started() == other.started() == []
    page.clear()
    assert not page.is_idle


def test_a_process_says_that_it_is_stopping() -> None:
    """Its jobs may ask, also those in processes of their own."""
    page = Ledger(2, 2).page(1)
    assert not page.is_stopping
    page.is_stopping = True
    pid = fork(lambda: None if page.is_stopping else os._exit(1))
    assert os.waitpid(pid, 0)[1] == 0
    assert not page.is_idle
    page.clear()
    assert not page.is_stopping


def test_the_process_of_a_job_is_known_to_all() -> None:
    """It writes its own number; its worker and the supervisor read it; nobody else's cell changes."""
    ledger = Ledger(3, 2)
    page = ledger.page(1)
    pid = fork(lambda: page.children.__setitem__(1, os.getpid()))
    os.waitpid(pid, 0)
    assert page.children.tolist() == [0, pid]
    assert page.marks.tolist() == [0, 0]
    assert page.deadlines.tolist() == [0.0, 0.0]
    assert ledger.page(0).children.tolist() == ledger.page(2).children.tolist() == [0, 0]
    page.clear()
    assert page.children.tolist() == [0, 0]


def test_who_is_late_by_more_than_the_grace() -> None:
    page = Ledger(1, 4).page(0)
    for cell, (mark, deadline) in enumerate([(1, 10.0), (2, 14.0), (0, 10.0), (4, 0.0)]):
        page.marks[cell], page.deadlines[cell] = mark, deadline
    assert page.late(15.1, 5.0) == [1]
    assert page.late(15.0, 5.0) == []
    assert page.late(99.0, 5.0) == [1, 2], "a cell without a job, or without a deadline, is never late"
