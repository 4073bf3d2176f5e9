"""--fork: every way in which a job in a process of its own can end, and who is told, blamed and left in peace."""

import asyncio
import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from uuid_utils import uuid7

import resque
from resque import current_job
from resque.admin import workers
from resque.admin.console import Console
from resque.dev.server import Server
from resque.errors import JobTimeout
from resque.logs import EVENTS
from tests.leftovers import Spawner, is_gone
from tests.processes.harness import TORTURE, Team, wait_for
from tests.processes.jobs import Alone, Count, Deaf, Late, LateAsync, client
from tests.processes.once import Job

_NAMES = ",".join(name for name, (level, _) in EVENTS.items() if level != "debug" or name == "job.released")
_opened = Path(__file__).open("rb")  # noqa: SIM115 - an application has files open when it is imported
_leak: list[bytearray] = []
_seen = (uuid7(), random.random())  # the state of a generator is copied with every fork


def _raise(error: BaseException) -> None:
    raise error


def _fall(depth: int) -> None:
    if depth == 0:
        raise ValueError("at the bottom")
    _fall(depth - 1)


def _deep() -> None:
    sys.setrecursionlimit(30_000)
    _fall(10_000)


class _Mute(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


def _odd_file() -> None:
    exec(compile("def f():\n    raise ValueError('odd')\nf()", "/srv/\udcff/jobs.py", "exec"))


_ENDS: dict[str, Callable[[], Any]] = {
    "returns": lambda: None,
    "unicode": lambda: _raise(ValueError("größer ✓ \U0001f600 \ud800")),
    "huge": lambda: _raise(ValueError("é" * 5_000_000)),
    "deep": _deep,
    "mute": lambda: _raise(_Mute()),
    "odd file": _odd_file,
    "exit": lambda: sys.exit(7),
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "segv": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}
_RAISED = {
    "unicode": ("ValueError", "größer ✓ \U0001f600"),
    "huge": ("ValueError", "ééé"),
    "deep": ("ValueError", "at the bottom"),
    "mute": ("tests.processes.test_fork._Mute", "its __str__ raised KeyError"),
    "odd file": ("ValueError", "odd"),
    "exit": ("SystemExit", "7"),
}
_DIED = {
    "exit 0": "exit code 0 before the job had ended",
    "exit 3": "exit code 3",
    "segv": "signal 11 (SIGSEGV)",
    "killed": "signal 9 (SIGKILL)",
}


class End(Job):
    """Ends as it is told."""

    queue = "work"

    def perform(self, how: str) -> None:
        client().hincrby("ended", how, 1)
        _ENDS[how]()


class Look(Job):
    """Tells what it is."""

    queue = "work"

    def perform(self, number: int) -> None:
        _leak.append(bytearray(20_000_000))
        job = current_job()
        assert job is not None
        links = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if int(name) > 2]
        client().hset(
            f"look:{number}",
            mapping={
                "id": str(uuid7()),
                "random": random.random(),
                "title": " ".join(psutil.Process().cmdline()),
                "links": "\n".join(links),
                "app": os.pread(_opened.fileno(), 10, 0),
                "pid": os.getpid(),
                "leaked": len(_leak),
                "group": os.getpgid(0),
                "environment": " ".join(os.environ),
            },
        )


class Hold(Job):
    """Runs for long. `heed`: until its worker wants to end; `deaf`: ignores TERM. With a child, and its child."""

    queue = "work"

    def perform(self, name: str, how: str = "") -> None:
        if how == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if how == "family" and os.fork() == 0:
            client().close()
            os.fork()
            while True:
                time.sleep(1)
        client().hset("holds", f"{name}:{os.getpid()}", os.getpid())
        job = current_job()
        assert job is not None
        for _ in range(6000):
            if how == "heed" and job.should_stop:
                client().rpush("heeded", name)
                return
            time.sleep(0.01)


class Burn(Job):
    queue = "work"
    timeout = 0.3

    def perform(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        while True:
            try:
                time.sleep(0.001)
            except JobTimeout:
                continue


class Awaits(Job):
    queue = "work"

    async def perform(self, number: int) -> None:
        await asyncio.sleep(0.01)
        client().hincrby("executions", str(number), 1)


class Begets(Job):
    """Enqueues another, through the client of its own process."""

    queue = "work"

    def perform(self, number: int) -> None:
        Count.enqueue(number)


@pytest.fixture
def forks(spawn: Spawner, server: Server, tmp_path: Path, redis: Any) -> Callable[..., Team]:
    """forks(concurrency=3, …) -> a team of one worker that forks, and that keeps all its events."""

    def make(**settings: Any) -> Team:
        def spawn_with_events(*command: object, **options: Any) -> Any:
            return spawn(*command, _NAMES, **options)

        settings["environment"] = {"RESQUE_REDIS_URL": server.url} | settings.get("environment", {})
        common = {"app": "tests.processes.test_fork", "fork": True, "processes": 1, "grace": 0.5}
        return Team(spawn_with_events, server, tmp_path, redis, **common | settings)  # type: ignore[arg-type]

    return make


def holds(team: Team, count: int = 1) -> dict[str, int]:
    """The pids of the Hold jobs that run, by name, as soon as there are so many."""
    found = wait_for(lambda: team.redis.hlen("holds") >= count and team.redis.hgetall("holds"), 20, "Holds run")
    return {key.decode().split(":")[0]: int(pid) for key, pid in found.items()}


def kill_job(team: Team, id: str) -> None:
    console = Console(team.app.settings)
    (worker,) = workers.every(console)
    workers.kill_job(console, worker, id)


def test_every_way_to_end(forks: Callable[..., Team]) -> None:
    """Errors are told with class, text and place. A death is tried again, and the third one fails the job."""
    team = forks(concurrency=3)
    (pid,) = team.worker_pids()
    calls: list[Any] = [End.call(how) for how in _ENDS]
    calls += [*(Count.call(number) for number in range(20)), Awaits.call(20), Alone.call(21), Late.call(1)]
    calls += [LateAsync.call(1), Deaf.call(1), Burn.call()]
    team.app.enqueue_many(*calls)
    team.redis.lpush("resque:queue:work", b'{"class":"Nobody","args":[]}', b"no json")
    team.wait_until_settled(len(calls) + 2, 60)
    records = team.failed()
    ends = _ends(records)
    assert set(ends) == set(_RAISED) | set(_DIED)
    for how, (kind, text) in _RAISED.items():
        assert (ends[how]["exception"], ends[how].get("crashes", 0)) == (kind, 0), ends[how]["error"][:200]
        assert text in ends[how]["error"]
    for how, why in _DIED.items():
        assert (ends[how]["exception"], ends[how]["crashes"]) == ("WorkerDied", 2)
        assert why in ends[how]["error"]
    times = {how.decode(): int(number) for how, number in team.redis.hgetall("ended").items()}
    assert times == {how: 3 if how in _DIED else 1 for how in _ENDS}
    assert ends["deep"]["backtrace"][0].endswith("in _fall")
    assert len(ends["deep"]["backtrace"]) <= 200
    others = [((record["payload"] or {}).get("class"), record["exception"]) for record in records]
    late = [(name, "JobTimeout") for name in ("Burn", "Deaf", "Late", "LateAsync")]
    assert {pair for pair in others if pair[0] != "End"} == {(None, "Unreadable"), ("Nobody", "UnknownJob"), *late}
    assert team.executions() == dict.fromkeys(range(22), 1), "neighbours run once"
    assert team.redis.get("tidied") == b"1"
    assert team.worker_pids() == [pid], "the worker outlives them all"
    assert len(team.events("job.crashed")) == 3 * len(_DIED)


def _ends(records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = [record for record in records if record["payload"] and record["payload"]["class"] == "End"]
    return {record["payload"]["args"][0]: record for record in found}


def test_what_the_process_of_a_job_is(forks: Callable[..., Team]) -> None:
    """No connection to Redis, none of the worker's files, those of the application; own group, title, randomness."""
    team = forks(concurrency=1)
    (pid,) = team.worker_pids()
    before = psutil.Process(pid).memory_info().rss
    team.app.enqueue_many(*(Look.call(number) for number in range(15)))
    team.wait_until_settled(15, 30)
    looks = [team.redis.hgetall(f"look:{number}") for number in range(15)]
    assert len({look[b"id"] for look in looks}) == 15
    assert len({look[b"random"] for look in looks}) == 15
    assert len({look[b"pid"] for look in looks}) == 15
    for look in looks:
        assert look[b"title"].rstrip() == f"resque-{resque.__version__}: job Look".encode()
        assert look[b"group"] == look[b"pid"]
        assert look[b"leaked"] == b"1"
        assert look[b"app"] == b'"""--fork:'
        links = look[b"links"].decode().split("\n")
        assert not [link for link in links if "socket:" in link or "anon_inode" in link], links
        assert sum("/pipe:[" in link for link in links) == 1, links
    assert psutil.Process(pid).memory_info().rss - before < 10_000_000, "what a job leaks ends with it"


def test_ids_made_in_many_processes_differ(forks: Callable[..., Team]) -> None:
    """Each enqueues one job."""
    count = 1000 if TORTURE else 60
    team = forks(concurrency=4)
    team.app.enqueue_many(*(Begets.call(number) for number in range(count)))
    team.wait_until_settled(2 * count, 120)
    team.assert_executed_once(count)
    assert not team.failed()


def test_kill_job_ends_that_job_within_a_second(forks: Callable[..., Team]) -> None:
    """Its neighbours go on, in the same worker."""
    team = forks(concurrency=3)
    (worker,) = team.worker_pids()
    handles = team.app.enqueue_many(Hold.call("a"), Hold.call("b"), Hold.call("c"))
    pids = holds(team, 3)
    began = time.monotonic()
    kill_job(team, handles[1].id)
    wait_for(lambda: is_gone(pids["b"]), 3, "ended")
    assert time.monotonic() - began < 1.5
    (record,) = wait_for(team.failed, 5)
    assert (record["exception"], record["id"]) == ("JobKilled", handles[1].id)
    assert not is_gone(pids["a"])
    assert not is_gone(pids["c"])
    assert team.worker_pids() == [worker]
    assert not team.events("job.crashed")


def test_kill_job_of_one_that_ignores_term_harms_no_other(forks: Callable[..., Team]) -> None:
    """TERM, then KILL: to this job's process. The worker has nothing to do with it and lives on."""
    team = forks(concurrency=2)
    (worker,) = team.worker_pids()
    handles = team.app.enqueue_many(Hold.call("a"), Hold.call("b", "deaf"))
    pids = holds(team, 2)
    began = time.monotonic()
    kill_job(team, handles[1].id)
    wait_for(lambda: is_gone(pids["b"]), 5, "ended")
    assert time.monotonic() - began < 2.5
    (record,) = wait_for(team.failed, 5)
    assert (record["exception"], record["id"]) == ("JobKilled", handles[1].id)
    time.sleep(1.0)  # the supervisor is not told to end the worker, either
    assert team.worker_pids() == [worker]
    assert not is_gone(pids["a"])
    assert not team.events("worker.killed")


def test_a_job_killed_from_outside_is_tried_again(forks: Callable[..., Team]) -> None:
    """One crash; its neighbour is not blamed and not disturbed."""
    team = forks(concurrency=2, drain=0)
    team.app.enqueue_many(Hold.call("a"), Hold.call("b"))
    pids = holds(team, 2)
    os.kill(pids["a"], signal.SIGKILL)
    wait_for(lambda: is_gone(pids["a"]))
    wait_for(lambda: team.redis.hlen("holds") == 3, 10, "it runs again")
    assert not is_gone(pids["b"])
    (event,) = team.events("job.crashed")
    assert (int(event["why"].split()[1]), "SIGKILL" in event["why"]) == (9, True)
    team.stop(signal.SIGTERM)
    again = team.redis.lrange("resque:queue:work", 0, -1)
    assert sorted(b'"crashes":1' in raw for raw in again) == [False, True]


def test_drain_waits_for_a_job_that_heeds_and_releases_one_that_does_not(forks: Callable[..., Team]) -> None:
    """No crash is counted; all within the drain and five seconds, whatever the job does with TERM."""
    team = forks(concurrency=3, drain=1)
    team.app.enqueue_many(Hold.call("h", "heed"), Hold.call("t"), Hold.call("d", "deaf"))
    pids = holds(team, 3)
    began = time.monotonic()
    assert team.stop(signal.SIGTERM) == 0
    assert 1.0 <= time.monotonic() - began < 6.0
    assert all(is_gone(pid) for pid in pids.values())
    assert team.redis.lrange("heeded", 0, -1) == [b"h"]
    assert team.processed() == 1
    left = b"".join(team.redis.lrange("resque:queue:work", 0, -1))
    assert left.count(b'"class":"Hold"') == 2
    assert b"crashes" not in left
    assert not team.inflight()
    assert not team.failed()


def test_a_second_term_is_now(forks: Callable[..., Team]) -> None:
    team = forks(concurrency=2, drain=60)
    team.app.enqueue_many(Hold.call("a"), Hold.call("d", "deaf"))
    pids = holds(team, 2)
    team.supervisor.send_signal(signal.SIGTERM)
    wait_for(lambda: team.events("worker.draining"), 5)
    assert not team.supervisor.poll()
    assert not any(is_gone(pid) for pid in pids.values())
    began = time.monotonic()
    assert team.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5.0
    assert all(is_gone(pid) for pid in pids.values())
    assert team.waiting() == 2
    assert b"crashes" not in b"".join(team.redis.lrange("resque:queue:work", 0, -1))


def test_the_worker_is_killed(forks: Callable[..., Team]) -> None:
    """The job's process ends with it, and all that it has started; then the job runs again, with a crash."""
    team = forks(concurrency=2)
    (worker,) = team.worker_pids()
    team.app.enqueue_many(Hold.call("f", "family"))
    job = holds(team)["f"]
    kin = wait_for(
        lambda: (kin := psutil.Process(job).children(recursive=True))[1:] and kin, 5, "a child, and its child"
    )
    family = [job, *(each.pid for each in kin)]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: is_gone(worker))
    wait_for(lambda: all(is_gone(pid) for pid in family), 5, "all of them are gone")
    wait_for(lambda: team.redis.hlen("holds") == 2, 20, "it runs again")
    assert b'"crashes":1' in b"".join(team.redis.lrange(next(iter(team.inflight())), 0, -1))


def test_the_supervisor_is_killed(forks: Callable[..., Team]) -> None:
    """Nobody is left to kill anybody: the kernel ends the worker and the process of the job. A new one recovers it."""
    team = forks(concurrency=2)
    (worker,) = team.worker_pids()
    team.app.enqueue_many(Hold.call("a"))
    job = holds(team)["a"]
    os.kill(team.supervisor.pid, signal.SIGKILL)
    team.supervisor.wait(5)
    wait_for(lambda: is_gone(worker) and is_gone(job), 5, "all are gone")
    team.start()
    wait_for(lambda: team.redis.hlen("holds") == 2, 20, "it runs again")


@pytest.mark.parametrize("scrub", [True, False])
def test_the_environment_of_a_job(forks: Callable[..., Team], scrub: bool) -> None:
    """Scrubbed: what every program needs stays, and what is named; secrets only where they are written out."""
    told = {"SHOP_MODE": "eu", "SHOP_TOKEN": "t", "DSN": "d"}
    team = forks(scrub_env=scrub, keep_env=["TEST_REDIS_URL", "SHOP_*", "RESQUE_TEST_RUN"], environment=told)
    team.app.enqueue_many(Look.call(1))
    team.wait_until_settled(1, 10)
    names = team.redis.hget("look:1", "environment").decode().split()
    assert {"PATH", "TEST_REDIS_URL", "SHOP_MODE"} <= set(names)
    assert ({"SHOP_TOKEN", "DSN"} & set(names)) == (set() if scrub else {"SHOP_TOKEN", "DSN"})
