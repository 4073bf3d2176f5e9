"""Jobs whose time is over: JobTimeout inside them, and the end of the process for those that go on."""

import time
from collections.abc import Callable

import pytest

from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count, Deaf, HoldTheInterpreterInTime, Late, LateAsync, Tidy


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_late_job_fails_with_job_timeout(team_of: Callable[..., Team], concurrency: int) -> None:
    """In the main thread a signal ends even a sleep; in others the next bytecode does. The process goes on."""
    team = team_of(processes=1, concurrency=concurrency)
    (pid,) = team.worker_pids()
    began = time.monotonic()
    team.app.enqueue_many(*(Late.call(number) for number in range(concurrency)))
    team.wait_until_settled(concurrency, 15)
    assert time.monotonic() - began < 3.0
    assert [record["exception"] for record in team.failed()] == ["JobTimeout"] * concurrency
    assert "timeout of 0.3 s" in team.failed()[0]["error"]
    team.app.enqueue_many(*(Count.call(number) for number in range(50)))
    team.wait_until_settled(50 + concurrency)
    assert team.worker_pids() == [pid]


def test_a_late_coroutine_is_cancelled(team_of: Callable[..., Team]) -> None:
    """It fails with JobTimeout, its finally has run."""
    team = team_of(processes=1)
    team.app.enqueue_many(LateAsync.call(1))
    team.wait_until_settled(1, 15)
    assert team.failed()[0]["exception"] == "JobTimeout"
    assert team.redis.get("tidied") == b"1"


def test_a_job_can_tidy_up(team: Team) -> None:
    """JobTimeout is an exception like others: caught, the job may end in order, and is done."""
    team.app.enqueue_many(Tidy.call(1))
    team.wait_until_settled(1, 15)
    assert team.failed() == []
    assert team.redis.get("tidied") == b"1"


def test_a_job_that_does_not_heed_is_killed_and_its_neighbour_is_not_blamed(team_of: Callable[..., Team]) -> None:
    """It swallows JobTimeout and goes on: after the grace its process is killed; it is failed at once."""
    team = team_of(processes=1, concurrency=2, grace=0.5)
    team.app.enqueue_many(Deaf.call(1), Count.call(2, 3.0))
    wait_for(lambda: team.events("worker.died"), 20, "the process is killed")
    team.wait_until_settled(2, 30)
    (record,) = team.failed()
    assert record["exception"] == "JobTimeout"
    assert record["payload"]["class"] == "Deaf"
    assert team.executions() == {2: 1}
    assert len(team.events("worker.died")) == 1


def test_a_late_job_in_c_code_is_killed(team_of: Callable[..., Team]) -> None:
    """No exception gets into C code that holds the interpreter; the supervisor needs none."""
    team = team_of(processes=1, grace=0.5)
    team.app.enqueue_many(HoldTheInterpreterInTime.call(1))
    began = time.monotonic()
    wait_for(lambda: team.failed(), 20, "failed")
    assert team.failed()[0]["exception"] == "JobTimeout"
    assert time.monotonic() - began < 5
    team.app.enqueue_many(Count.call(5))
    wait_for(lambda: team.executions() == {5: 1}, 10, "a new process works")


def test_many_jobs_that_just_make_it(team_of: Callable[..., Team]) -> None:
    """Timeouts that end as the job ends: each job is done or late, no exception gets into another job or the runner."""
    team = team_of(processes=1, concurrency=4)
    team.app.enqueue_many(*(Late.call(number, 0.3 + (number - 20) / 2000) for number in range(40)))
    team.wait_until_settled(40, 30)
    assert all(record["exception"] == "JobTimeout" for record in team.failed())
    assert not team.events("worker.died")
    team.app.enqueue_many(*(Count.call(number) for number in range(100, 150)))
    team.wait_until_settled(90)
