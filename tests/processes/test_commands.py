"""What operators ask, through Redis and by signals: obeyed within a second."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from resque.admin import workers
from resque.admin.console import Console
from resque.admin.workers import WorkerView
from tests.leftovers import is_gone
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count

SOON = 1.0


@pytest.fixture
def team(team_of: Callable[..., Team]) -> Team:
    """One worker process with two threads."""
    return team_of(processes=1, concurrency=2)


def console(team: Team) -> Console:
    return Console(team.app.settings)


def the_worker(team: Team) -> WorkerView:
    (found,) = workers.every(console(team))
    return found


def test_quiet_and_resume(team: Team) -> None:
    """It takes nothing more, and shows it; then it goes on."""
    team.app.enqueue_many(Count.call(0))
    team.wait_until_settled(1)
    workers.order(console(team), the_worker(team), "quiet")
    wait_for(lambda: the_worker(team).state == "quiet", SOON, "it shows that it is quiet")
    team.app.enqueue_many(*(Count.call(number) for number in range(1, 20)))
    time.sleep(0.5)
    assert team.waiting() == 19
    assert not team.inflight()
    workers.order(console(team), the_worker(team), "resume")
    wait_for(lambda: len(team.executions()) == 20, 5, "it goes on")
    assert len(team.events("worker.started")) == 1


def test_stop_lets_the_running_job_end_and_nobody_takes_its_place(team: Team) -> None:
    """The only worker stops: then its supervisor has nothing to do and leaves, too."""
    team.app.enqueue_many(Count.call(1, 1.0), Count.call(2, 1.0))
    wait_for(lambda: sum(team.inflight().values()) == 2)
    workers.order(console(team), the_worker(team), "stop")
    assert team.supervisor.wait(10) == 0
    assert team.executions() == {1: 1, 2: 1}
    assert not team.inflight()
    assert team.redis.scard("resque:workers") == 0


def test_kill_ends_a_rogue_worker_and_blames_no_job(team: Team) -> None:
    """SIGKILL within a second; its jobs go back without a crash, another process runs them."""
    (pid,) = team.worker_pids()
    team.app.enqueue_many(Count.call(0, 2.0), Count.call(1, 2.0))
    wait_for(lambda: sum(team.inflight().values()) == 2)
    workers.order(console(team), the_worker(team), "kill")
    wait_for(lambda: is_gone(pid), SOON, "killed")
    team.wait_until_settled(2, 20)
    team.assert_nothing_lost(2)
    assert not team.failed()
    assert team.worker_pids() != [pid]
    assert b"crashes" not in b"".join(team.redis.lrange("resque:queue:work", 0, -1))


def test_kill_job_ends_one_job(team: Team) -> None:
    """That job is in failed with JobKilled; its neighbour runs again, unblamed."""
    handles = team.app.enqueue_many(Count.call(1, 60), Count.call(2, 2.0))
    wait_for(lambda: sum(team.inflight().values()) == 2)
    workers.kill_job(console(team), the_worker(team), handles[0].id)
    wait_for(lambda: team.failed(), 5, "failed")
    (record,) = team.failed()
    assert (record["exception"], record["id"]) == ("JobKilled", handles[0].id)
    team.wait_until_settled(2, 20)
    assert team.executions() == {2: 1}


def test_an_unknown_job_or_command_harms_nobody(team: Team) -> None:
    """Nothing happens, the worker lives on."""
    (pid,) = team.worker_pids()
    workers.kill_job(console(team), the_worker(team), "no-such-id")
    for text in ("dance", "", "kill-job ", "\x00\xff"):
        team.redis.rpush(f"resque:worker:{the_worker(team).id}:command", text)
    wait_for(lambda: len(team.events("worker.ordered")) >= 5, 5, "all heard")
    team.app.enqueue_many(Count.call(1))
    team.wait_until_settled(1)
    assert team.worker_pids() == [pid]


def test_usr2_and_cont_pause_and_resume_all_workers(team_of: Callable[..., Team]) -> None:
    """Resque's signals, at the supervisor."""
    team = team_of(processes=2)
    team.supervisor.send_signal(signal.SIGUSR2)
    wait_for(lambda: {view.state for view in workers.every(console(team))} == {"quiet"}, 3, "both are quiet")
    team.app.enqueue_many(Count.call(1))
    time.sleep(0.3)
    assert team.waiting() == 1
    team.supervisor.send_signal(signal.SIGCONT)
    team.wait_until_settled(1, 5)


def test_usr1_ends_the_running_jobs(team: Team) -> None:
    """As in Resque: the job dies, the workers go on."""
    team.app.enqueue_many(Count.call(1, 60))
    wait_for(lambda: team.inflight())
    time.sleep(0.2)
    team.supervisor.send_signal(signal.SIGUSR1)
    wait_for(lambda: team.failed(), 5, "failed")
    assert team.failed()[0]["exception"] == "JobKilled"
    team.app.enqueue_many(Count.call(2))
    wait_for(lambda: team.executions() == {2: 1}, 10, "work goes on")


def test_commands_are_heard_again_after_the_connection_was_lost(team: Team) -> None:
    """CLIENT KILL takes the supervisor's ear away; it grows a new one."""
    team.redis.client_kill_filter(_type="normal", skipme=True)
    time.sleep(0.1)
    (pid,) = team.worker_pids()
    workers.order(console(team), the_worker(team), "kill")
    wait_for(lambda: is_gone(pid), 5, "killed")
    assert os.getpid() != pid
