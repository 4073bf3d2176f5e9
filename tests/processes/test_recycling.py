"""Processes that leave of their own will, by order or for a reason, and what takes their place: --max-jobs, --max-rss,
--burst, stop, lost leases."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from resque.admin import workers
from resque.admin.console import Console
from resque.dev.server import Server
from resque.logs import EVENTS
from tests.fault_proxy import FaultProxy, blackhole
from tests.leftovers import Spawner, is_gone
from tests.processes.harness import TORTURE, Team, wait_for
from tests.processes.jobs import client
from tests.processes.once import Job

_NAMES = ",".join(name for name, (level, _) in EVENTS.items() if level != "debug" or name == "job.released")
_leak: list[bytearray] = []


class Sign(Job):
    """Leaves the number of its process."""

    queue = "work"

    def perform(self, number: int, seconds: float = 0.0, leak: int = 0) -> None:
        client().rpush("begun", number)
        if leak:
            _leak.append(bytearray(b"x") * leak)
        time.sleep(seconds)
        client().rpush("pids", os.getpid())
        client().hincrby("executions", str(number), 1)


@pytest.fixture
def teams(spawn: Spawner, server: Server, tmp_path: Any, redis: Any) -> Callable[..., Team]:
    """teams(max_jobs=…) -> a team of one worker that keeps all its events."""

    def make(**settings: Any) -> Team:
        def spawn_with_events(*command: object, env: dict[str, str]) -> Any:
            return spawn(*command, _NAMES, env=env)

        common = {"app": "tests.processes.test_recycling", "processes": 1}
        return Team(spawn_with_events, server, tmp_path, redis, **common | settings)  # type: ignore[arg-type]

    return make


def jobs_of_each(team: Team) -> Counter[int]:
    return Counter(int(pid) for pid in team.redis.lrange("pids", 0, -1))


def wait_for_begun(team: Team, count: int) -> None:
    wait_for(lambda: team.redis.llen("begun") >= count, 20, f"{count} jobs run")


@pytest.mark.parametrize("settings", [{"concurrency": 4}, {"concurrency": 2, "fork": True}])
def test_no_process_runs_more_than_max_jobs(teams: Callable[..., Team], settings: dict[str, Any]) -> None:
    """Nor much fewer; nothing is lost, nothing runs twice."""
    team = teams(max_jobs=10, **settings)
    team.app.enqueue_many(*(Sign.call(number) for number in range(40)))
    team.wait_until_settled(40, 60)
    team.assert_nothing_lost(40)
    team.assert_executed_once(40)
    if "fork" not in settings:
        each = jobs_of_each(team)
        assert max(each.values()) <= 10
        assert len(each) <= 6
    wait_for(lambda: len(team.events("worker.recycled")) >= 4, 10)
    assert not team.events("worker.died")
    assert not team.events("job.crashed")


def test_max_jobs_holds_for_what_many_waits_catch_at_once(teams: Callable[..., Team]) -> None:
    """Jobs for five queues arrive together while it waits on all of them: what is too much goes back."""
    team = teams(max_jobs=1, queues="work,a,b,c,d")
    team.redis.sadd("resque:queues", "work", "a", "b", "c", "d")
    time.sleep(0.5)  # all five waits have begun
    pipe = team.redis.pipeline(transaction=True)
    for number, queue in enumerate(["work", "a", "b", "c", "d"]):
        pipe.lpush(f"resque:queue:{queue}", b'{"class":"Sign","args":[%d]}' % number)
    pipe.execute()
    wait_for(lambda: len(team.executions()) == 5, 30)
    assert max(jobs_of_each(team).values()) == 1


def test_the_next_one_starts_before_the_last_one_has_ended(teams: Callable[..., Team]) -> None:
    """A long job holds up its own process only. The old one ends it and is done."""
    team = teams(max_jobs=3, concurrency=2)
    (old,) = team.worker_pids()
    team.app.enqueue_many(Sign.call(0, 3.0), *(Sign.call(number, 0.05) for number in range(1, 12)))
    wait_for(lambda: len(team.executions()) == 11, 20, "all but the long one")
    assert not is_gone(old), "the long job is still at it"
    assert 0 not in team.executions()
    team.wait_until_settled(12, 20)
    team.assert_executed_once(12)
    wait_for(lambda: is_gone(old), 5)
    assert max(jobs_of_each(team).values()) <= 3


def test_max_rss(teams: Callable[..., Team]) -> None:
    """A process that leaks leaves; nothing is lost."""
    probe = teams()
    base = psutil.Process(probe.worker_pids()[0]).memory_info().rss
    probe.stop()
    team = teams(max_rss=base + 100_000_000)
    pids = team.worker_pids()
    team.app.enqueue_many(*(Sign.call(number, 0.1, 30_000_000) for number in range(16)))
    team.wait_until_settled(16, 60)
    team.assert_executed_once(16)
    found = team.events("worker.recycled")
    assert found
    assert "MB of memory" in found[0]["why"]
    assert team.worker_pids() != pids
    assert not team.events("worker.died")


def test_a_limit_of_memory_that_no_process_can_keep(teams: Callable[..., Team]) -> None:
    """Work goes on, and processes are not made as fast as the machine can."""
    team = teams(max_rss=1_000_000, is_awaited=False)
    team.app.enqueue_many(*(Sign.call(number) for number in range(20)))
    team.wait_until_settled(20, 30)
    time.sleep(2.0)
    assert len({event["pid"] for event in team.events("worker.started")}) < 12


@pytest.mark.parametrize("settings", [{"processes": 3, "concurrency": 2}, {"fork": True}])
def test_burst_ends_when_all_is_done(teams: Callable[..., Team], settings: dict[str, Any]) -> None:
    team = teams(burst=True, is_awaited=False, max_jobs=25, **settings)
    team.app.enqueue_many(*(Sign.call(number) for number in range(100)))
    assert team.supervisor.wait(60) == 0
    # It may have begun before the push and found nothing: then it has ended at once, as it should.
    if not team.executions():
        assert team.launch().wait(60) == 0
    team.assert_nothing_lost(100)
    team.assert_executed_once(100)
    assert team.redis.scard("resque:workers") == 0


def test_burst_with_nothing_to_do_ends_at_once(teams: Callable[..., Team]) -> None:
    team = teams(burst=True, is_awaited=False, processes=3)
    assert team.supervisor.wait(15) == 0
    assert len(team.events("worker.died")) == 0
    assert not team.inflight()


def test_burst_waits_for_what_a_killed_worker_held(teams: Callable[..., Team]) -> None:
    """The other worker has left long ago: somebody is there for this job all the same."""
    team = teams(is_awaited=False, burst=True, queues="nothing")
    assert team.supervisor.wait(15) == 0
    team.app.enqueue_many(Sign.call(0, 2.0))
    team.launch(processes=2, queues="work")
    wait_for_begun(team, 1)
    wait_for(lambda: len(team.worker_pids()) == 1, 10, "the one without work has left")
    (pid,), scheduler = team.worker_pids(), team.scheduler_pid()
    os.kill(scheduler, signal.SIGSTOP)  # so that the job is away for longer than a new worker takes to start
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    time.sleep(2.0)
    os.kill(scheduler, signal.SIGCONT)
    assert team.supervisor.wait(30) == 0
    assert team.redis.llen("begun") == 2
    team.assert_nothing_lost(1)


def test_term_while_some_are_leaving(teams: Callable[..., Team]) -> None:
    """The leaving and their successors end within the drain."""
    team = teams(max_jobs=1, concurrency=1, drain=1)
    team.app.enqueue_many(Sign.call(0), Sign.call(1), Sign.call(2, 30))
    wait_for_begun(team, 3)
    wait_for(lambda: len(team.events("worker.recycled")) >= 2, 10)
    began = time.monotonic()
    assert team.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 6.0
    assert team.processed() == 2
    assert team.waiting() == 1
    assert not team.inflight()


def test_one_that_an_operator_stops_is_not_replaced(teams: Callable[..., Team]) -> None:
    """The other is, when it has done its share."""
    team = teams(processes=2, max_jobs=5)
    console = Console(team.app.settings)
    workers.order(console, workers.every(console)[0], "stop")
    wait_for(lambda: len(team.worker_pids()) == 1, 10)
    team.app.enqueue_many(*(Sign.call(number) for number in range(20)))
    team.wait_until_settled(20, 30)
    wait_for(lambda: len(team.worker_pids()) == 1, 10, "one again")
    assert len(team.events("worker.recycled")) >= 3
    assert team.supervisor.poll() is None


@pytest.mark.parametrize("wish", ["kill", "continue"] if TORTURE else ["kill"])
def test_when_the_leases_may_be_lost(teams: Callable[..., Team], proxy: FaultProxy, wish: str) -> None:
    """Redis is silent. "kill": who holds jobs is killed before the lease ends. "continue": its job goes on."""
    team = teams(on_lease_lost=wish, lease=6, connect_timeout=0.5, socket_timeout=1, url=proxy.url)
    (pid,) = team.worker_pids()
    team.app.enqueue_many(Sign.call(0, 60))
    wait_for_begun(team, 1)
    (key,) = team.inflight()
    member = key.split("resque:inflight:work:")[1]
    proxy.mode = blackhole()
    end = team.redis.zscore("resque:leases:work", member) / 1000
    if wish == "continue":
        wait_for(lambda: time.time() > end + 1, 20)
        assert not is_gone(pid)
        return
    wait_for(lambda: is_gone(pid), 20)
    assert time.time() < end
    assert "leases" in team.events("worker.killed")[0]["why"]
