"""kill -9 in the middle of the work: nothing is lost, nothing counts twice."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.leftovers import is_gone
from tests.processes.harness import LEASE, TORTURE, Team, wait_for
from tests.processes.jobs import Count

ROUNDS = range(20 if TORTURE else 3)
JOBS = 2000


def enqueue(team: Team) -> None:
    team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(JOBS)))


def kill(pid: int) -> None:
    """SIGKILL, and see that it hit: a kill test in which nothing was killed proves nothing."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid), 5, f"process {pid} gone")


def wait_for_the_middle(team: Team, seed: int) -> None:
    """Until some jobs are done and many are not."""
    share = random.Random(seed).uniform(0.15, 0.7)
    wait_for(lambda: team.processed() > JOBS * share, what="work begins")
    assert team.processed() < JOBS, "killed too late to mean anything"


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_worker_process_is_killed(team: Team, seed: int) -> None:
    """Its supervisor adopts its jobs at once, long before the lease ends, and replaces it."""
    enqueue(team)
    wait_for_the_middle(team, seed)
    victim = random.Random(seed).choice(team.worker_pids())
    kill(victim)
    died = time.time()
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
    recovered = team.events("job.recovered")
    assert len(team.events("worker.died")) == 1
    if recovered:  # it may have died between two batches, with nothing in hand
        assert float(recovered[0]["at"]) - died < LEASE / 2
    assert len(wait_for(lambda: len(team.worker_pids()) == 2 and team.worker_pids())) == 2
    assert victim not in team.worker_pids()


@pytest.mark.parametrize("seed", ROUNDS)
def test_the_supervisor_is_killed(team: Team, seed: int) -> None:
    """Its children die with it; another supervisor recovers what they held when the leases have ended."""
    enqueue(team)
    wait_for_the_middle(team, seed)
    children = [child.pid for child in team.children()]
    assert len(children) == 3
    kill(team.supervisor.pid)
    for pid in children:
        wait_for(lambda pid=pid: is_gone(pid), 5, "children die with their supervisor")
    killed = time.time()
    held = sum(team.inflight().values())
    team.start()
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
    if held:
        recovered = team.events("job.recovered")
        assert sum(int(event["released"]) for event in recovered) == held
        bound = LEASE * (1 + 0.4 + 0.25 + 0.25)
        assert max(float(event["at"]) for event in recovered) - killed < bound + 1


@pytest.mark.parametrize("seed", ROUNDS)
def test_worker_and_supervisor_are_killed(team: Team, seed: int) -> None:
    """Both at once: the same as a host that vanishes."""
    enqueue(team)
    wait_for_the_middle(team, seed)
    victims = [*team.worker_pids(), team.supervisor.pid]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    for pid in victims:
        wait_for(lambda pid=pid: is_gone(pid), 5, f"process {pid} gone")
    team.start()
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)


def test_the_scheduler_is_killed(team: Team) -> None:
    """Work goes on without it, and a new one takes over."""
    before = team.scheduler_pid()
    kill(before)
    enqueue(team)
    wait_for(lambda: team.scheduler_pid() != before, 10, "a new scheduler")
    kill(team.worker_pids()[0])
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)


def test_workers_are_killed_again_and_again(team_of: Callable[..., Team]) -> None:
    """Ten kills while the queue drains."""
    team = team_of(processes=3)
    enqueue(team)
    killed = 0
    while killed < 10 and team.processed() < JOBS * 0.9:
        pids = team.worker_pids()
        if pids:
            kill(random.Random(killed).choice(pids))
            killed += 1
        time.sleep(0.05)
    assert killed >= 3
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)
