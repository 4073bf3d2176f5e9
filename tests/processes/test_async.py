"""Async jobs in real workers: many at once, ended one by one or all together, and none lost with its process."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from resque.admin import workers
from resque.admin.console import Console
from resque.dev.server import Server
from resque.logs import EVENTS
from tests.leftovers import Spawner, is_gone
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count, LateAsync, client
from tests.processes.once import Job

_NAMES = ",".join(name for name, (level, _) in EVENTS.items() if level != "debug" or name == "job.released")
_done: list[int] = []


class Nap(Job):
    """Sleeps. What it has done is told later, in one trip for many: a blocking client would be a brake."""

    queue = "work"

    async def perform(self, number: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        _done.append(number)
        if len(_done) == 1:
            asyncio.get_running_loop().call_later(0.1, _tell)


def _tell() -> None:
    pipe = client().pipeline()
    for number in _done:
        pipe.hincrby("executions", str(number), 1)
    pipe.execute()
    _done.clear()


class Wait(Job):
    """Waits for long, and says when it is cancelled."""

    queue = "work"

    async def perform(self, number: int) -> None:
        client().rpush("waits", number)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            client().rpush("cancelled", number)
            raise


class Block(Job):
    """Forgets to await."""

    queue = "work"

    async def perform(self, seconds: float) -> None:
        await asyncio.sleep(0)
        time.sleep(seconds)  # noqa: ASYNC251 - that is the fault


@pytest.fixture
def tasks(spawn: Spawner, server: Server, tmp_path: Any, redis: Any) -> Callable[..., Team]:
    """tasks(concurrency=…) -> a team of one worker that keeps all its events."""

    def make(**settings: Any) -> Team:
        def spawn_with_events(*command: object, env: dict[str, str]) -> Any:
            return spawn(*command, _NAMES, env=env)

        common = {"app": "tests.processes.test_async", "processes": 1, "concurrency": 100}
        return Team(spawn_with_events, server, tmp_path, redis, **common | settings)  # type: ignore[arg-type]

    return make


def wait_for_waits(team: Team, count: int) -> None:
    wait_for(lambda: team.redis.llen("waits") >= count, 20, f"{count} jobs wait")


def test_five_hundred_naps(tasks: Callable[..., Team]) -> None:
    """One by one they would take 25 s, 100 at once 0.25 s."""
    team = tasks()
    calls = [Nap.call(number, 0.05) for number in range(500)]
    began = time.monotonic()
    team.app.enqueue_many(*calls)
    wait_for(lambda: team.processed() == 500, 20)
    assert time.monotonic() - began < 3.0
    wait_for(lambda: len(team.executions()) == 500, 5)
    team.assert_executed_once(500)


def test_sync_and_async_side_by_side(tasks: Callable[..., Team]) -> None:
    """Each has its own place: those that sleep on threads do not hold up those that are awaited."""
    team = tasks(concurrency=20)
    calls: list[Any] = [Nap.call(n, 0.02) if n % 3 else Count.call(n, 0.02) for n in range(300)]
    team.app.enqueue_many(*calls, LateAsync.call(1))
    team.wait_until_settled(301, 30)
    wait_for(lambda: len(team.executions()) == 300, 5)
    team.assert_executed_once(300)
    (record,) = team.failed()
    assert (record["payload"]["class"], record["exception"]) == ("LateAsync", "JobTimeout")
    assert team.redis.get("tidied") == b"1"
    assert not team.events("worker.died")


def test_kill_job_cancels_one(tasks: Callable[..., Team]) -> None:
    """It sees CancelledError and fails with JobKilled; the others wait on, in the same process."""
    team = tasks(concurrency=5)
    (pid,) = team.worker_pids()
    handles = team.app.enqueue_many(*(Wait.call(number) for number in range(5)))
    wait_for_waits(team, 5)
    console = Console(team.app.settings)
    began = time.monotonic()
    workers.kill_job(console, workers.every(console)[0], handles[3].id)
    (record,) = wait_for(team.failed, 5)
    assert time.monotonic() - began < 1.5
    assert (record["exception"], record["id"]) == ("JobKilled", handles[3].id)
    assert team.redis.lrange("cancelled", 0, -1) == [b"3"]
    time.sleep(1.0)  # nobody is told to end the process for it
    assert team.worker_pids() == [pid]
    assert sum(team.inflight().values()) == 4


def test_drain_cancels_at_the_end(tasks: Callable[..., Team]) -> None:
    """What ends in time is done, the rest sees CancelledError and goes back without a crash."""
    team = tasks(concurrency=10, drain=1)
    team.app.enqueue_many(*(Wait.call(number) for number in range(5)), *(Nap.call(n, 0.8) for n in range(5)))
    wait_for_waits(team, 5)
    began = time.monotonic()
    assert team.stop(signal.SIGTERM) == 0
    assert 0.9 <= time.monotonic() - began < 6.0
    assert sorted(team.redis.lrange("cancelled", 0, -1)) == [b"0", b"1", b"2", b"3", b"4"]
    assert team.processed() == 5
    left = team.redis.lrange("resque:queue:work", 0, -1)
    assert len(left) == 5
    assert b"crashes" not in b"".join(left)
    assert not team.failed()
    assert not team.inflight()


def test_a_blocked_loop_is_named(tasks: Callable[..., Team]) -> None:
    """The log says which job blocks it, and where."""
    team = tasks(concurrency=5)
    (handle,) = team.app.enqueue_many(Block.call(1.7))
    event = wait_for(lambda: team.events("loop.blocked"), 10)[0]
    assert (event["id"], event["job"]) == (handle.id, "Block")
    assert "test_async.py" in event["at"]
    assert "in perform" in event["at"]
    team.wait_until_settled(1, 10)
    assert len(team.events("loop.blocked")) == 1, "once"
    assert not team.failed()


def test_the_process_is_killed_with_fifty_in_flight(tasks: Callable[..., Team]) -> None:
    """All of them had started: each comes back with one crash, and runs again."""
    team = tasks(concurrency=50)
    (pid,) = team.worker_pids()
    team.app.enqueue_many(*(Wait.call(number) for number in range(50)))
    wait_for_waits(team, 50)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    wait_for_waits(team, 100)
    numbers = sorted(int(number) for number in team.redis.lrange("waits", 0, -1))
    assert numbers == sorted([*range(50), *range(50)])
    held = [raw for key in team.inflight() for raw in team.redis.lrange(key, 0, -1)]
    assert len(held) == 50
    assert all(b'"crashes":1}' in raw for raw in held)
