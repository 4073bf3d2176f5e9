"""The parent: how it starts, replaces and stops its children, and what it says when that cannot work."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import resque
from resque.app import Resque
from resque.dev.server import Server
from tests.leftovers import Spawner, is_gone
from tests.processes import launch
from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Count

MakeTeam = Callable[..., Team]


@pytest.fixture
def supervise(spawn: Spawner, server: Server, tmp_path: Path) -> Callable[..., subprocess.Popen[Any]]:
    """supervise(app="broken", …) -> a supervisor whose stderr is a pipe; modules are looked for in tmp_path."""

    def start(**settings: Any) -> subprocess.Popen[Any]:
        merged = {"redis_url": server.url, "app": "tests.processes.jobs", "queues": "work", "processes": 2} | settings
        command = [sys.executable, "-m", "tests.processes.launch", json.dumps(merged), str(tmp_path / "events.jsonl")]
        environment = {"TEST_REDIS_URL": server.url, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
        return spawn(*command, env=environment, stderr=subprocess.PIPE, text=True)

    return start


def payloads(team: Team) -> list[dict[str, Any]]:
    """What waits, first things first."""
    return [json.loads(raw) for raw in team.redis.lrange("resque:queue:work", 0, -1)[::-1]]


def run_one(team: Team, number: int, seconds: float) -> None:
    """Enqueue a job that takes so long, and wait until it runs."""
    team.app.enqueue_many(Count.call(number, seconds))
    wait_for(lambda: team.inflight() and not team.waiting(), 10, "the job in hand")
    wait_for(lambda: team.redis.keys("resque:worker:*:work"), 10, "the job runs")


# that cannot work ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "words"),
    [(None, "No module named"), ("import nothing_like_it", "nothing_like_it"), ("1/0", "ZeroDivisionError")],
)
def test_an_app_that_cannot_be_imported(
    supervise: Callable[..., subprocess.Popen[Any]], tmp_path: Path, source: str | None, words: str
) -> None:
    """Exit code 4, soon, with the module and the reason; no endless restarts."""
    if source is not None:
        (tmp_path / "broken_app.py").write_text(source)
    began = time.monotonic()
    process = supervise(app="broken_app")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 4
    assert time.monotonic() - began < 5
    assert "'broken_app' cannot be imported" in said
    assert words in said
    assert "Traceback" not in said
    assert said.count("cannot be imported") <= 2, "once a worker, and no more"


def test_another_wire_direction(supervise: Callable[..., subprocess.Popen[Any]], redis: Any) -> None:
    redis.set("resque:wire", "ruby")
    began = time.monotonic()
    process = supervise(wire="native")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert time.monotonic() - began < 7
    assert "marked as 'ruby'" in said
    assert "Traceback" not in said


def test_a_worker_that_dies_young_again_and_again_is_restarted_slower(
    supervise: Callable[..., subprocess.Popen[Any]], tmp_path: Path
) -> None:
    """Killed while it starts (no memory, a broken library): tried again, later and later."""
    log = tmp_path / "starts"
    (tmp_path / "dying_app.py").write_text(
        f"import os, signal, time\nopen({str(log)!r}, 'a').write(f'{{time.time()}}\\n')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = supervise(app="dying_app", processes=1)
    time.sleep(6)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    starts = len(log.read_text().splitlines())
    assert 3 <= starts <= 12


# children -----------------------------------------------------------------------------------------------------------


def test_titles_and_process_groups(team: Team) -> None:
    """`ps` shows what each process is (and Ruby's pruner finds them); Ctrl-C reaches the supervisor alone."""
    title = f"resque-{resque.__version__}: "
    assert "".join(psutil.Process(team.supervisor.pid).cmdline()).startswith(f"{title}supervisor work")
    children = wait_for(lambda: len(team.children()) == 3 and team.children())
    kinds = sorted("".join(child.cmdline()).split(":")[1].split()[0] for child in children)
    assert kinds == ["scheduler", "worker", "worker"]
    for child in children:
        assert "".join(child.cmdline()).startswith(title)
        assert os.getpgid(child.pid) == child.pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, 40])
def test_a_worker_killed_by_any_signal_is_replaced(team_of: MakeTeam, number: int) -> None:
    """Also by one without a name."""
    team = team_of(processes=1)
    (before,) = team.worker_pids()
    os.kill(before, number)
    (died,) = wait_for(lambda: team.events("worker.died"), 10, "its death")
    assert f"signal {int(number)}" in died["why"]
    team.app.enqueue_many(Count.call(1))
    team.wait_until_settled(1)
    assert before not in team.worker_pids()


def test_what_a_dead_worker_had_started_dies_with_it(
    supervise: Callable[..., subprocess.Popen[Any]], tmp_path: Path, server: Server
) -> None:
    """Its process group: nothing may go on with a job that is about to run elsewhere."""
    log = tmp_path / "pids"
    (tmp_path / "starting_app.py").write_text(
        "import os, subprocess, time, resque\n\n@resque.job(queue='work')\ndef start():\n"
        f"    child = subprocess.Popen(['sleep', '60'])\n    open({str(log)!r}, 'a').write(f'{{os.getpid()}} "
        "{child.pid}\\n')\n    time.sleep(60)\n"
    )
    supervise(app="starting_app", processes=1)
    Resque(server.url).enqueue("start", queue="work")
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), 10, "the job has started a process")
    worker, started = map(int, log.read_text().split()[:2])
    assert not is_gone(started)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: is_gone(started), 5, "it is gone, too")


# stopping -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_jobs_end_before_it_leaves(team: Team, number: int) -> None:
    """Nothing in flight, nothing lost, exit code 0, and no process is left."""
    team.app.enqueue_many(*(Count.call(n, 0.3 if n < 2 else 0.005) for n in range(200)))
    wait_for(lambda: team.inflight())
    children = [child.pid for child in team.children()]
    assert team.stop(number) == 0
    assert all(is_gone(pid) for pid in children)
    executed = team.executions()
    assert set(executed.values()) <= {1}
    assert len(executed) + team.waiting() == 200
    assert team.inflight() == {}
    assert team.redis.smembers("resque:workers") == set()
    assert team.events("supervisor.stopped")


def test_ctrl_c_in_a_terminal(team: Team) -> None:
    """SIGINT goes to the whole foreground group: the workers are not in it, and drain."""
    run_one(team, 1, 1.0)
    os.killpg(os.getpgid(team.supervisor.pid), signal.SIGINT)
    assert team.supervisor.wait(10) == 0
    assert team.executions() == {1: 1}
    assert team.processed() == 1
    assert team.events("worker.died") == []


def test_quit_waits_for_the_running_job(team_of: MakeTeam) -> None:
    """However long; drain is not asked."""
    team = team_of(processes=1, drain=0.2)
    team.app.enqueue_many(Count.call(1, 4.0), Count.call(2))
    wait_for(lambda: team.inflight(), 10)
    time.sleep(0.2)
    assert team.stop(signal.SIGQUIT) == 0
    assert team.executions() == {1: 1}
    assert [payload["args"][0] for payload in payloads(team)] == [2]
    assert team.inflight() == {}


def test_a_job_that_never_ends_is_released_when_drain_is_over(team_of: MakeTeam) -> None:
    team = team_of(processes=1, drain=1)
    team.app.enqueue_many(Count.call(1, 600.0), Count.call(2))
    wait_for(lambda: team.redis.keys("resque:worker:*:work"), 10, "the job runs")
    began = time.monotonic()
    assert team.stop() == 0
    assert 1.0 <= time.monotonic() - began < 1 + 5
    assert [(payload["args"][0], payload.get("tries")) for payload in payloads(team)] == [(1, None), (2, None)]
    assert team.inflight() == {}


def test_a_worker_that_does_not_obey_is_killed(team_of: MakeTeam) -> None:
    """Stopped (or in C code that never lets go): killed 3 s after drain; its job is back in front, with no crash."""
    team = team_of(processes=1, drain=1)
    run_one(team, 1, 600.0)
    team.app.enqueue_many(Count.call(2))
    (worker,) = team.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    began = time.monotonic()
    assert team.stop() == 0
    assert 3.9 <= time.monotonic() - began < 1 + 5
    assert is_gone(worker)
    assert [(payload["args"][0], payload.get("tries")) for payload in payloads(team)] == [(1, None), (2, None)]
    assert team.inflight() == {}


@pytest.mark.parametrize(("first", "second"), [("SIGTERM", "SIGTERM"), ("SIGQUIT", "SIGTERM"), ("SIGINT", "SIGINT")])
def test_asked_twice_it_leaves_at_once(team_of: MakeTeam, first: str, second: str) -> None:
    team = team_of(processes=1, drain=60)
    run_one(team, 1, 600.0)
    team.supervisor.send_signal(signal.Signals[first])
    wait_for(lambda: team.events("supervisor.stopping"), 5, "the first wish was heard")
    time.sleep(0.2)
    began = time.monotonic()
    assert team.stop(signal.Signals[second]) == 0
    assert time.monotonic() - began < 3
    assert [(payload["args"][0], payload.get("tries")) for payload in payloads(team)] == [(1, None)]
    assert team.inflight() == {}


def test_asked_twice_a_worker_that_does_not_obey_is_killed_soon(team_of: MakeTeam) -> None:
    team = team_of(processes=1, drain=60)
    run_one(team, 1, 600.0)
    (worker,) = team.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    team.supervisor.send_signal(signal.SIGTERM)
    wait_for(lambda: team.events("supervisor.stopping"), 5, "the first wish was heard")
    began = time.monotonic()
    assert team.stop() == 0
    assert 2.9 <= time.monotonic() - began < 5
    assert [(payload["args"][0], payload.get("tries")) for payload in payloads(team)] == [(1, None)]
    assert team.inflight() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_wish_that_meets_children_just_born(
    spawn: Spawner, server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    """It is not lost, is not heard by the wrong process, and is no error. Here the first moments last half a second."""
    (tmp_path / "slow_birth.py").write_text(
        "import os, sys, time\nos.register_at_fork(after_in_child=lambda: time.sleep(0.5))\n"
        "from tests.processes import launch\nsys.exit(launch.main())\n"
    )
    log = tmp_path / "events.jsonl"
    settings = {"redis_url": server.url, "app": "tests.processes.jobs", "queues": "work", "processes": 2, "drain": 20}
    command = [sys.executable, tmp_path / "slow_birth.py", json.dumps(settings), log]
    process = spawn(*command, env={"PYTHONPATH": str(Path.cwd())}, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(psutil.Process(process.pid).children()) == 3, 10, "the children are born")
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 4
    assert "Traceback" not in said
    assert len(launch.read(log, "supervisor.stopping")) == 1


def test_systemd_is_told(spawn: Spawner, server: Server, tmp_path: Path) -> None:
    """READY when all workers are, WATCHDOG while it lives, STOPPING at the end."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(path)
        ear.settimeout(10)
        settings = {"redis_url": server.url, "app": "tests.processes.jobs", "queues": "work", "processes": 2}
        command = [sys.executable, "-m", "tests.processes.launch", json.dumps(settings), str(tmp_path / "events")]
        process = spawn(*command, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"})
        heard = ear.recv(1000)
        while not heard.startswith(b"READY=1"):
            assert heard == b"WATCHDOG=1"
            heard = ear.recv(1000)
        assert f"MAINPID={process.pid}".encode() in heard
        wait_for(lambda: len(launch.read(tmp_path / "events", "worker.started")) == 2, 1, "both are there")
        assert ear.recv(1000) == b"WATCHDOG=1"
        process.terminate()
        while ear.recv(1000) != b"STOPPING=1":
            continue
    assert process.wait(10) == 0
