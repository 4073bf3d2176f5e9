"""--fork against jobs that mean harm, or do it: rubbish in the pipe, processes left behind, limits, no process left."""

import os
import pwd
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from resque import Limits, current_job
from resque.dev.server import Server
from resque.logs import EVENTS
from tests.leftovers import Spawner, is_gone
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count, client
from tests.processes.once import Job

_NAMES = ",".join(name for name, (level, _) in EVENTS.items() if level != "debug" or name == "job.released")


_NOBODY = pwd.getpwnam("nobody").pw_uid
_PROCESSES = resource.RLIMIT_NPROC


def _pipe() -> int:
    """The end of the pipe that the result goes through, as any job can find it."""
    names = [name for name in os.listdir("/proc/self/fd") if int(name) > 2]
    return next(int(name) for name in names if "/pipe:[" in os.path.realpath(f"/proc/self/fd/{name}"))


def _write(data: bytes) -> None:
    pipe = _pipe()
    while data:
        data = data[os.write(pipe, data) :]


def _hold(*, new_session: bool = False) -> None:
    """A child that keeps the pipe open."""
    if os.fork() == 0:
        if new_session:
            os.setsid()
        _stay("holder")
    _wait_for_stays()


def _stay(name: str) -> None:
    client().connection_pool.reset()
    client().hset("stays", f"{name}:{os.getpid()}", os.getpid())
    time.sleep(60)
    os._exit(0)


def _wait_for_stays() -> None:
    while not client().hlen("stays"):
        time.sleep(0.01)


def _daemon() -> None:
    """The classic one: two forks and a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _stay("daemon")
        os._exit(0)
    os.wait()
    _wait_for_stays()


def _late_daemon() -> None:
    """Its parent lives until the group is ended, and only then is it handed to the worker."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            _stay("daemon")
        time.sleep(60)
    _wait_for_stays()


def _flood() -> None:
    """Many writers, faster than anybody reads."""
    pipe = _pipe()
    for _ in range(4):
        if os.fork() == 0:
            while True:
                os.write(pipe, b"x" * 4096)
    client().set("flooding", 1)
    while True:
        os.write(pipe, b"x" * 4096)


_HARM: dict[str, Callable[[], Any]] = {
    "rubbish": lambda: _write(b"\x00\xff{[" * 10),
    "much": lambda: _write(b"\xfe" * 1024 * 1024),
    "deep": lambda: _write(b"[" * 60_000),
    "wrong": lambda: _write(b'{"kind":"returned","seconds":-1}\n'),
    "endless": lambda: _write(b'{"kind":"returned","seconds":1e400}\n'),
    "other": lambda: _write(b'{"kind":"dance"}\n'),
    "closed": lambda: os.close(_pipe()),
    "held": _hold,
    "held by another session": lambda: _hold(new_session=True),
    "daemon": _daemon,
    "late daemon": _late_daemon,
    "flood": _flood,
}
_CRASHES = ["rubbish", "much", "deep", "wrong", "endless", "other", "closed"]
"""What they have said is no result: their process has died without one."""


class Harm(Job):
    queue = "work"
    timeout = 20

    def perform(self, what: str) -> None:
        client().rpush("harm", what)
        _HARM[what]()


class Forge(Job):
    """Says the same in place of its result, again and again."""

    queue = "work"

    def perform(self, line: str) -> None:
        client().incr("forged")
        _write(line.encode())
        os._exit(0)


class Prints(Job):
    queue = "work"

    def perform(self) -> None:
        client().incr("printed")
        print("hello")


class Shuts(Job):
    queue = "work"

    def perform(self) -> None:
        client().incr("printed")
        sys.stdout.close()


class Big(Job):
    queue = "work"
    limits = Limits(memory="1G")

    def perform(self, size: int) -> None:
        held = []
        while True:
            held.append(bytearray(size))


class Busy(Job):
    queue = "work"
    limits = Limits(cpu="1s")

    def perform(self) -> None:
        while True:
            pass


class Files(Job):
    queue = "work"
    limits = Limits(files=40)

    def perform(self) -> None:
        held = [open(os.devnull) for _ in range(100)]  # noqa: SIM115
        del held


class LongFile(Job):
    queue = "work"
    limits = Limits(file_size="64K")

    def perform(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(bytes(1024 * 1024))


class Processes(Job):
    """Many processes. Root has no such limit."""

    queue = "work"
    limits = Limits(processes=60)

    def perform(self) -> None:
        for _ in range(100):
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)


class Whoami(Job):
    queue = "work"

    def perform(self) -> None:
        job = current_job()
        assert job is not None
        client().hset("whoami", job.id or "", f"{os.getuid()} {os.getgid()} {sorted(os.getgroups())}")


@pytest.fixture
def forks(spawn: Spawner, server: Server, tmp_path: Path, redis: Any) -> Callable[..., Team]:
    """forks(concurrency=3, …) -> a team of one worker that forks, and that keeps all its events."""

    def make(options: dict[str, Any] | None = None, python: str = sys.executable, **settings: Any) -> Team:
        def spawn_with_events(*command: object, env: dict[str, str]) -> Any:
            return spawn(python, *command[1:], _NAMES, env=env, **(options or {}))

        common = {"app": "tests.processes.test_fork_hostile", "fork": True, "processes": 1, "grace": 0.5, "drain": 0}
        return Team(spawn_with_events, server, tmp_path, redis, **common | settings)  # type: ignore[arg-type]

    return make


def stays(team: Team) -> list[int]:
    return [int(pid) for pid in team.redis.hvals("stays")]


def test_rubbish_in_the_pipe(forks: Callable[..., Team]) -> None:
    """It is no result, and no more than that: the job is failed after three times, its worker and others go on."""
    team = forks(concurrency=3)
    (pid,) = team.worker_pids()
    team.app.enqueue_many(*(Harm.call(what) for what in _CRASHES), *(Count.call(number) for number in range(10)))
    team.wait_until_settled(10 + len(_CRASHES), 30)
    failed = {record["payload"]["args"][0]: record["exception"] for record in team.failed()}
    assert failed == dict.fromkeys(_CRASHES, "WorkerDied")
    assert Counter(team.redis.lrange("harm", 0, -1)) == {what.encode(): 3 for what in _CRASHES}
    assert team.executions() == dict.fromkeys(range(10), 1)
    assert team.worker_pids() == [pid]


def test_nothing_outlives_its_job(forks: Callable[..., Team]) -> None:
    """Neither its group nor what has left it, also when its parent has ended after the job itself."""
    team = forks(concurrency=1)
    for number, what in enumerate(["held", "held by another session", "daemon", "late daemon"]):
        team.redis.delete("stays")
        team.app.enqueue_many(Harm.call(what))
        team.wait_until_settled(number + 1, 10)
        time.sleep(0.1)
        wait_for(lambda: all(is_gone(pid) for pid in stays(team)), 3, f"{what}: gone, with no other job to come")
    assert not team.failed()
    assert len(team.worker_pids()) == 1
    assert team.events("worker.strays_killed")


def test_the_group_of_a_job_ends_with_it_whatever_else_runs(forks: Callable[..., Team]) -> None:
    """Its neighbour is not disturbed."""
    team = forks(concurrency=2)
    team.app.enqueue_many(Count.call(1, 4.0), Harm.call("held"))
    wait_for(lambda: team.processed() == 1 and stays(team), 10, "one has ended, and left a child")
    wait_for(lambda: all(is_gone(pid) for pid in stays(team)), 2, "gone")
    assert team.executions() == {}, "the other still runs"
    team.wait_until_settled(2, 10)
    assert not team.failed()


def test_a_flood_in_the_pipe_stops_nobody(forks: Callable[..., Team]) -> None:
    """A worker reads some of it and has time for its other jobs."""
    team = forks(concurrency=2, lease=4)
    team.app.enqueue_many(Harm.call("flood"))
    wait_for(lambda: team.redis.exists("flooding"), 10)
    team.app.enqueue_many(*(Count.call(number) for number in range(20)))
    wait_for(lambda: len(team.executions()) == 20, 20, "the others run")
    assert team.stop(signal.SIGTERM, 10) == 0


@pytest.mark.parametrize("line", ['{"kind":"aside"}\n', '{"kind":"raised","seconds":1e308}\n'])
def test_forged_results_harm_only_the_job_itself(forks: Callable[..., Team], line: str) -> None:
    """A job may say about itself what it likes. It must not keep its worker from all others."""
    team = forks()
    team.app.enqueue_many(Forge.call(line), *(Count.call(number) for number in range(5)))
    team.wait_until_settled(6, 10)
    assert len(team.executions()) == 5
    assert int(team.redis.get("forged")) <= 6
    assert len(team.worker_pids()) == 1


@pytest.mark.parametrize("call", [Prints.call(), Shuts.call()], ids=["full", "closed"])
def test_output_that_cannot_be_written_is_no_crash(forks: Callable[..., Team], call: Any) -> None:
    """The disk behind stdout is full, or the job has closed it: it ran once, that is all."""
    with open("/dev/full", "wb") as full:
        team = forks({"stdout": full}, environment={"PYTHONUNBUFFERED": ""})
        team.app.enqueue_many(call)
        team.wait_until_settled(1, 10)
    assert team.redis.get("printed") == b"1"
    assert not team.events("job.crashed")


def test_limits_hold_for_the_job_alone(forks: Callable[..., Team], tmp_path: Path) -> None:
    """Each is an error in the job, told as such; the worker and what comes after are not limited."""
    team = forks(concurrency=3)
    calls = [Big.call(10_000_000), Big.call(500), Files.call(), LongFile.call(str(tmp_path / "long")), Busy.call()]
    team.app.enqueue_many(*calls, *(Count.call(number) for number in range(5)))
    team.wait_until_settled(10, 60)
    found = [(r["payload"]["class"], r["exception"], r["error"]) for r in team.failed()]
    errors = {name: error for name, _, error in found}
    assert sorted((name, exception) for name, exception, _ in found) == [
        *(("Big", "MemoryError"), ("Big", "MemoryError"), ("Busy", "JobTimeout")),
        *(("Files", "OSError"), ("LongFile", "OSError")),
    ]
    assert "SIGXCPU" in errors["Busy"]
    assert "Too many open files" in errors["Files"]
    assert "too large" in errors["LongFile"]
    assert (tmp_path / "long").stat().st_size == 64 * 1024
    assert not team.events("job.crashed")
    (pid,) = team.worker_pids()
    assert psutil.Process(pid).rlimit(resource.RLIMIT_AS)[0] == -1


@pytest.fixture
def as_nobody(forks: Callable[..., Team], tmp_path: Path) -> Callable[..., Team]:
    """A team whose processes become `nobody`, under an interpreter that nobody may read."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    # What redis-py wants before Python 3.11.3, which a distribution may have; read by the supervisor, which is root.
    (tmp_path / "async_timeout.py").write_text("from asyncio import timeout")
    path = os.pathsep.join([os.getcwd(), str(tmp_path), *(each for each in sys.path if each.endswith("site-packages"))])
    python = _python_for_nobody(path)
    return lambda **settings: forks(python=python, user="nobody", environment={"PYTHONPATH": path}, **settings)


def _python_for_nobody(path: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path}
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = [python, "-c", "import encodings.idna, html, ssl, msgspec, resque.worker.ledger"]
        with suppress(OSError):
            if (
                subprocess.run(command, user="nobody", env=environment, capture_output=True, check=False).returncode
                == 0
            ):
                return python
    pytest.skip("no interpreter here that the user nobody may read")


def test_the_processes_become_the_user(as_nobody: Callable[..., Team]) -> None:
    """Worker, scheduler and jobs, with that user's groups and no way back; the supervisor stays what it is."""
    team = as_nobody(concurrency=2)
    team.app.enqueue_many(Whoami.call(), Processes.call(), Count.call(1))
    team.wait_until_settled(3, 30)
    nobody = pwd.getpwnam("nobody")
    groups = sorted(os.getgrouplist("nobody", nobody.pw_gid))
    assert team.redis.hvals("whoami") == [f"{nobody.pw_uid} {nobody.pw_gid} {groups}".encode()]
    for child in team.children():
        assert set(child.uids()) == {nobody.pw_uid}
        assert set(child.gids()) == {nobody.pw_gid}
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert [int(g) for g in status.split("Groups:")[1].splitlines()[0].split()] == groups
    (record,) = team.failed()
    assert (record["payload"]["class"], record["exception"]) == ("Processes", "BlockingIOError")


def test_no_process_is_left(as_nobody: Callable[..., Team], spawn: Spawner) -> None:
    """fork says EAGAIN: the job goes back, is not blamed, and runs as soon as there is room again."""
    limit = sum(each.num_threads() for each in psutil.process_iter() if each.uids().real == _NOBODY) + 30
    team = as_nobody(concurrency=2, options={"preexec_fn": lambda: resource.setrlimit(_PROCESSES, (limit, limit))})
    (worker,) = team.worker_pids()
    crowd = "import threading, time\nfor _ in range(200): threading.Thread(target=time.sleep, args=(60,)).start()\n"
    command = [psutil.Process(worker).exe(), "-c", crowd + "print(1, flush=True)"]
    filler = spawn(*command, user="nobody", stdout=subprocess.PIPE)
    assert filler.stdout is not None
    assert filler.stdout.readline() == b"1\n"
    team.app.enqueue_many(*(Count.call(number) for number in range(3)))
    wait_for(lambda: len(team.events("worker.cannot_fork")) >= 3, 15, "tried, and tried again")
    assert "Resource temporarily unavailable" in team.events("worker.cannot_fork")[0]["error"]
    assert (team.executions(), team.processed()) == ({}, 0)
    filler.kill()
    team.wait_until_settled(3, 20)
    team.assert_executed_once(3)
    assert not team.failed()
    assert not team.events("job.crashed")
    assert team.worker_pids() == [worker]


def test_an_unknown_user_is_said_and_nothing_runs(spawn: Spawner, url: str, redis: Any) -> None:
    """One line that names it, exit code 1."""
    command = [sys.executable, "-m", "resque", "worker", "-A", "tests.processes.jobs", "--user", "no-such-user"]
    process = spawn(*command, env={"RESQUE_REDIS_URL": url}, stderr=subprocess.PIPE, text=True)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "there is no user 'no-such-user' on this machine" in said
    assert "Traceback" not in said
    assert not redis.smembers("resque:workers")
