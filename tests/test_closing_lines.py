"""The test run itself: legs, closing lines, and processes that a test leaves behind. Each test runs a small pytest."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]

CONFTEST = "from tests.conftest import *\n"
WITHOUT_REDIS7 = """
from dataclasses import replace
from tests import servers
servers.LEGS["redis7"] = replace(servers.LEGS["redis7"], binary=lambda: None)
servers.LEGS["redis62"] = servers.LEGS["valkey9"]
from tests.conftest import *
"""
EVERY_SERVER = """
import pytest

@pytest.mark.every_server
def test_each(redis, leg):
    assert redis.ping()

def test_default(url, leg):
    assert url.startswith("redis://127.0.0.1:")
"""
LEAVES_AN_ORPHAN = """
import subprocess, sys

def test_leaves_one():
    # The parent ends at once: the child is nobody's child.
    subprocess.run(["sh", "-c", "sleep 600 >/dev/null 2>&1 &"], check=True)
"""
SPAWNS_AND_FAILS = """
import sys

FORKS = "import os, sys, time; print(os.fork() and os.getpid(), flush=True); time.sleep(600)"

def test_fails(spawn):
    process = spawn(sys.executable, "-c", FORKS, stdout=-1)
    process.stdout.readline()
    process.stdout.readline()
    assert False, "on purpose"
"""
DIRTY = """
import os, signal, threading, redis as redis_py

def test_1_leaves_data_and_a_connection_that_waits(redis, server):
    redis.set("left", "over")
    def wait():
        try:
            redis_py.Redis(port=server.port).blpop(["list"], timeout=0)
        except redis_py.RedisError:
            pass
    threading.Thread(target=wait, daemon=True).start()
    while redis.info("clients")["blocked_clients"] == 0:
        pass

def test_2_sees_nothing_of_it(redis):
    assert redis.keys() == []
    redis.rpush("list", "mine")
    assert redis.llen("list") == 1

def test_3_stops_the_server(server):
    os.kill(server.pid, signal.SIGSTOP)

def test_4_has_a_server(redis):
    assert redis.ping()

def test_5_kills_the_server(server):
    server.kill()

def test_6_has_a_server(redis):
    assert redis.ping()
"""

WRITES_ITS_WORKER = """
import os, pathlib

def test_writes(request):
    pathlib.Path(__file__).with_suffix(".worker").write_text(os.environ["PYTEST_XDIST_WORKER"])
    assert request.node.get_closest_marker("processes")
"""
ADDRESS_IN_ITS_ID = """
import pytest

@pytest.mark.parametrize("thing", [object()], ids=repr)
def test_thing(thing):
    pass
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(test, *options, conftest=…, ci=…) -> exit code and output of a pytest of its own."""

    def run(test: str, *options: str, conftest: str = CONFTEST, ci: bool = False) -> tuple[int, str]:
        (tmp_path / "conftest.py").write_text(conftest)
        (tmp_path / "test_small.py").write_text(test)
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    every_server\n    processes\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(TOP), **({"CI": "true"} if ci else {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_each_leg_has_a_closing_line(run: Run, options: tuple[str, ...]) -> None:
    code, output = run(EVERY_SERVER, *options, conftest=WITHOUT_REDIS7)
    assert code == 0, output
    assert "leg valkey9: 2 tests" in output
    assert "leg redis7 did not run: apt-get install redis-server" in output
    assert "3 passed" in output


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_leg_that_did_not_run_fails_the_run_in_ci(run: Run, options: tuple[str, ...]) -> None:
    code, output = run(EVERY_SERVER, *options, conftest=WITHOUT_REDIS7, ci=True)
    assert code == 1
    assert "leg redis7 did not run" in output
    assert "3 passed" in output


def test_the_option_leg_runs_everything_on_one_leg(run: Run) -> None:
    code, output = run(EVERY_SERVER, "--leg=redis62", conftest=WITHOUT_REDIS7)
    assert code == 0, output
    assert "leg redis62: 2 tests" in output
    assert "leg valkey9 did not run: --leg=redis62 was asked for" in output


def test_a_leg_that_is_asked_for_and_missing_is_an_error(run: Run) -> None:
    code, output = run(EVERY_SERVER, "--leg=redis7", conftest=WITHOUT_REDIS7)
    assert code == 4
    assert "the server leg redis7 cannot run: apt-get install redis-server" in output


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_process_left_behind_is_killed_and_fails_the_session(run: Run, options: tuple[str, ...]) -> None:
    code, output = run(LEAVES_AN_ORPHAN, *options)
    assert code == 1
    assert "1 passed" in output
    assert "PROCESSES LEFT BEHIND BY TESTS" in output
    assert "sleep 600" in output


def test_what_a_failing_test_spawned_is_gone_with_all_it_forked(run: Run) -> None:
    code, output = run(SPAWNS_AND_FAILS)
    assert code == 1
    assert "1 failed" in output
    assert "LEFT BEHIND" not in output


def test_tests_with_processes_share_one_xdist_worker_and_carry_the_marker(run: Run, tmp_path: Path) -> None:
    """Two of them at a time are too much for two cores; the other worker runs the rest."""
    (tmp_path / "processes").mkdir()
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / "processes" / name).write_text(WRITES_ITS_WORKER)
    code, output = run(WRITES_ITS_WORKER.replace("assert request", "assert not request"), "-n", "2")
    assert code == 0, output
    workers = {path.stem: path.read_text() for path in tmp_path.rglob("*.worker")}
    assert workers["test_a"] == workers["test_b"]
    assert workers["test_small"] != workers["test_a"]


def test_an_address_in_the_id_of_a_test_is_an_error(run: Run) -> None:
    """Under xdist it would be two different tests, and none would run."""
    code, output = run(ADDRESS_IN_ITS_ID)
    assert code == 4
    assert "give the object a __repr__" in output


def test_a_test_sees_nothing_of_the_one_before(run: Run) -> None:
    """Neither data nor connections nor a server that is stopped or dead."""
    code, output = run(DIRTY, "-p", "no:randomly")
    assert code == 0, output
