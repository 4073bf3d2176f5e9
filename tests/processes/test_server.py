"""The server is killed, restarted, emptied, full: workers resume by themselves, nothing acknowledged is lost."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resque.dev.server import Server
from resque.errors import EnqueueError
from tests.conftest import client
from tests.leftovers import Spawner
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count

JOBS = 1500


@pytest.fixture
def durable(start_server: Callable[..., Server], spawn: Spawner, tmp_path: Path) -> Team:
    """A team on a server of its own that writes every change to disk before it answers."""
    server = start_server(appendonly="always")
    return Team(spawn, server, tmp_path, client(server, timeout=10))


def test_the_server_is_killed_and_restarted(durable: Team) -> None:
    """SIGKILL with AOF on, in the middle of the work, twice: lost = 0, the same worker processes go on."""
    team = durable
    team.app.enqueue_many(*(Count.call(number, 0.002) for number in range(JOBS)))
    pids = sorted(team.worker_pids())
    for share in (0.2, 0.5):
        wait_for(lambda share=share: team.processed() > JOBS * share)
        team.server.kill()
        assert not team.server.running
        time.sleep(0.3)
        team.server.start()
    team.wait_until_settled(JOBS)
    executions = team.executions()
    assert sorted(executions) == list(range(JOBS))
    assert team.processed() == JOBS
    assert sorted(team.worker_pids()) == pids
    assert team.events("store.back")


def test_enqueuers_and_workers_through_a_server_kill(durable: Team) -> None:
    """Whatever enqueue has confirmed is run; what it calls NotEnqueued is not there."""
    team, confirmed, doubtful, stop = durable, [], [], threading.Event()

    def produce() -> None:
        number = 0
        while not stop.is_set():
            try:
                team.app.enqueue("Count", [number], queue="work")
                confirmed.append(number)
            except EnqueueError as error:
                if error.unknown:
                    doubtful.append(number)
                time.sleep(0.01)
            number += 1
            time.sleep(0.001)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        wait_for(lambda: len(confirmed) > 200)
        team.server.kill()
        time.sleep(0.2)
        team.server.start()
        before = len(confirmed)
        wait_for(lambda: len(confirmed) > before + 200)
    finally:
        stop.set()
        thread.join()
    wait_for(lambda: not team.waiting() and not team.inflight(), 30, "drained")
    ran = set(team.executions())
    assert set(confirmed) <= ran
    assert ran <= {*confirmed, *doubtful}


def test_flushall_does_not_end_the_workers(team: Team) -> None:
    """Everything is gone, which no queue survives; the workers do, and serve what comes next."""
    team.app.enqueue_many(*(Count.call(number, 0.002) for number in range(300)))
    wait_for(lambda: team.processed() > 50)
    team.redis.flushall()
    time.sleep(0.1)
    team.app.enqueue_many(*(Count.call(number) for number in range(1000, 1200)))
    wait_for(lambda: set(range(1000, 1200)) <= set(team.executions()), 20, "new jobs run")
    assert len(team.events("worker.started")) == 2


def test_script_flush_and_killed_connections_all_the_time(team: Team) -> None:
    """SCRIPT FLUSH and CLIENT KILL again and again while the queue drains."""
    team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(JOBS)))
    kills = 0
    while team.processed() < JOBS * 0.9:
        team.redis.script_flush()
        if kills < 10:
            team.redis.client_kill_filter(_type="normal", skipme=True)
            kills += 1
        time.sleep(0.05)
    assert kills >= 3
    team.wait_until_settled(JOBS)
    team.assert_nothing_lost(JOBS)


def test_a_full_server_still_lets_jobs_end(start_server: Callable[..., Server], spawn: Spawner, tmp_path: Path) -> None:
    """maxmemory reached: enqueue is refused, workers go on (BLMOVE is refused, they poll) and settle."""
    server = start_server()
    redis: Any = client(server)
    team = Team(spawn, server, tmp_path, redis, processes=1)
    team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(300)))
    wait_for(lambda: team.processed() > 30)
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", "1mb")
    with pytest.raises(EnqueueError, match="maxmemory"):
        team.app.enqueue("Count", [9999], queue="work")
    wait_for(lambda: not team.waiting() and not team.inflight(), 30, "drained while full")
    redis.config_set("maxmemory", "0")
    team.app.enqueue("Count", [300], queue="work")
    wait_for(lambda: team.processed() == 301, 20, "work goes on")
    assert len(team.events("worker.started")) == 1
