"""The torture as a whole, in a process of its own: on its server and on somebody's, and whatever ends it early."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from resque.dev.server import Server
from tests.conftest import client
from tests.leftovers import RUN, Spawner, is_gone

TOP = Path(__file__).parents[2]
QUICKLY = ("--seconds", "8", "--chaos-every", "600ms", "--lease", "1s")
KILLS = ("kill worker", "kill supervisor")


class Running:
    """A torture whose output is read line by line. People's lines and the JSON document go different ways."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.output = ""

    def read_to(self, text: str) -> str:
        """Read until a line holds `text`; returns everything so far."""
        while text not in self.output:
            line = self.process.stderr.readline()
            assert line, f"it ended before it said {text!r}:\n{self.output}"
            self.output += line
        return self.output

    def end(self) -> int:
        """Read the rest; returns the exit code."""
        self.output += self.process.stderr.read()
        self.printed = self.process.stdout.read()
        return int(self.process.wait(60))

    @property
    def document(self) -> Any:
        return json.loads(self.printed)

    @property
    def folder(self) -> Path:
        return Path(self.found(r"Journals and logs are in (\S+)"))

    @property
    def prefix(self) -> str:
        return self.found(r"under the prefix (\S+)")

    @property
    def url(self) -> str:
        return self.found(r"at (redis://\S+/0)")

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.output)
        assert match is not None, f"no {pattern!r} in:\n{self.output}"
        return match[1]

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def strangers(self) -> list[str]:
        """What of this test run still works under the prefix or in the folder."""
        marks = (self.prefix, str(self.folder))
        return [
            " ".join(command)
            for each in psutil.process_iter()
            if _environment(each).get(RUN) == os.environ[RUN] and each.pid != self.process.pid
            for command in [_command(each)]
            if any(mark in " ".join([*command, *_environment(each).values()]) for mark in marks)
        ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.Error, OSError):
        return []


@pytest.fixture
def torture(spawn: Spawner) -> Iterator[Callable[..., Running]]:
    """torture("--seconds", "8", "--json") -> a running torture; its folder goes with the test."""
    started: list[Running] = []

    def start(*words: object) -> Running:
        command = [sys.executable, "-m", "resque", "torture", "--json", *words]
        settings = {"RESQUE_REDIS_URL": "", "RESQUE_PREFIX": "not-this-one", "PYTHONPATH": str(TOP)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(Running(spawn(*command, cwd=TOP, text=True, env=settings, **pipes)))
        return started[-1]

    yield start
    for running in started:
        if "Journals and logs are in" in running.output:
            shutil.rmtree(running.folder, ignore_errors=True)


def processes(test: Any) -> Any:
    """Real processes, one such test at a time."""
    return pytest.mark.processes(pytest.mark.xdist_group("processes")(test))


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return found


# to its end --------------------------------------------------------------------------------------------------------


@processes
def test_on_its_own_server_nothing_is_lost_and_nothing_stays(torture: Callable[..., Running]) -> None:
    running = torture(*QUICKLY, "--seed", "3")
    assert running.end() == 0, running.output
    found = running.document
    kinds = [fault["kind"] for fault in found["faults"]]
    assert kinds[0] == "kill worker"
    assert found["recovery"]["all"]["held"] >= found["recovery"]["all"]["started"] > 0
    assert found["recovery"]["all"]["p50"] > 0
    assert (found["ok"], found["lost"], found["counted_twice"], found["problems"]) == (True, [], 0, [])
    assert found["accepted"] > 500
    assert found["done"] + found["failed"] == found["counted"] >= found["accepted"]
    assert found["failed"] > 0, "some fail on purpose"
    assert found["drained"]
    assert found["seed"] == 3
    assert running.prefix.startswith("resque-torture-")
    assert f"kill worker  {kinds.count('kill worker'):>10}" in running.output, "the table says the same"
    assert "Good: nothing was lost, nothing was counted twice." in running.output
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
def test_on_somebodys_server_it_leaves_only_what_was_there(
    torture: Callable[..., Running], server: Server, redis: Any
) -> None:
    redis.mset({"resque:queue:quick": "not ours", "other": 1})
    running = torture("--redis-url", server.url, *QUICKLY)
    running.read_to("killed worker process")
    assert {key for key in redis.keys("*") if not key.startswith(running.prefix.encode())} == {
        b"resque:queue:quick",
        b"other",
    }
    pid = server.pid
    assert running.end() == 0, running.output
    found = running.document
    assert (found["lost"], found["counted_twice"]) == ([], 0)
    assert {"restart server"}.isdisjoint(fault["kind"] for fault in found["faults"])
    assert server.pid == pid
    assert found["risks"] == [line for line in found["risks"] if line.startswith("appendonly is off")] != []
    assert "warning: appendonly is off" in running.output
    assert sorted(redis.keys("*")) == [b"other", b"resque:queue:quick"]
    assert int(running.found(r"Removed (\d+) keys")) > 5
    assert running.strangers() == []


@processes
def test_with_keep_the_keys_and_journals_stay_and_show_that_the_kills_hit(
    torture: Callable[..., Running], server: Server, redis: Any
) -> None:
    running = torture("--redis-url", server.url, *QUICKLY, "--keep", "--prefix", "torn")
    assert running.end() == 0, running.output
    found = running.document
    log = (running.folder / "processes.log").read_text()
    kills = [fault for fault in found["faults"] if fault["kind"] == "kill worker"]
    assert log.count("signal 9") >= len(kills) > 0, "each was seen by its supervisor"
    for fault in kills:
        pid = re.search(r"process (\d+)", fault["what"])
        assert pid is not None
        assert is_gone(int(pid[1]))
    assert int(redis.get("torn:stat:processed")) == found["counted"]
    assert redis.llen("torn:failed") == found["failed"]
    assert list(running.folder.glob("produced-*.log"))
    assert "Kept: the keys under torn:" in running.output


# it can fail -------------------------------------------------------------------------------------------------------


# At one moment: a worker takes a whole list at once, also between two commands of ours.
TAKE_TWO_AND_COPY_ONE = """
if redis.call('LLEN', KEYS[1]) <= 10 then return {} end
local newest = redis.call('LRANGE', KEYS[1], 0, 2)
redis.call('LTRIM', KEYS[1], 2, -1)
redis.call('LPUSH', KEYS[1], newest[3])
return newest
"""
DELETE = """
local length = redis.call('LLEN', KEYS[1])
if length <= 10 then return 0 end
redis.call('DEL', KEYS[1])
return length
"""
# One worker cannot keep up with the rate, so that there are entries to be deleted.
FALLING_BEHIND = ("--seconds", "3", "--chaos-every", "0", "--workers", "1", "--rate", "400", "--prefix", "torn")


@processes
def test_deleted_entries_are_lost_and_named_and_a_copied_one_is_counted_twice(
    torture: Callable[..., Running], server: Server, redis: Any
) -> None:
    running = torture("--redis-url", server.url, *FALLING_BEHIND)
    newest = wait_for(lambda: redis.eval(TAKE_TWO_AND_COPY_ONE, 1, "torn:queue:mixed"), "jobs wait")
    first, second, copied = (json.loads(entry)["meta"]["id"] for entry in newest)
    assert running.end() == 1, running.output
    found = running.document
    assert sorted(found["lost"]) == sorted([first, second])
    assert found["counted_twice"] == 1
    assert found["unexplained"] == [copied]
    assert not found["ok"]
    assert first in running.output
    assert second in running.output
    assert "NOT GOOD." in running.output
    assert f"Kept: the journals and logs in {running.folder}" in running.output, "they are the evidence"
    assert redis.keys("*") == []


@processes
def test_a_list_that_is_deleted_whole_is_lost(torture: Callable[..., Running], server: Server, redis: Any) -> None:
    running = torture("--redis-url", server.url, *FALLING_BEHIND)
    deleted = wait_for(lambda: redis.eval(DELETE, 1, "torn:queue:mixed"), "jobs wait")
    assert running.end() == 1, running.output
    found = running.document
    assert len(found["lost"]) == deleted
    assert found["problems"] == [line for line in found["problems"] if line.startswith(f"{deleted:,} lost")] != []


def supervisor_of(running: Running) -> psutil.Process:
    """One of them, as soon as it has its title."""
    return wait_for(
        lambda: next((each for each in running.family() if "supervisor" in " ".join(_command(each))), None),
        "a supervisor runs",
    )


@processes
def test_a_supervisor_that_ends_by_itself_is_replaced_and_noted(torture: Callable[..., Running]) -> None:
    running = torture("--seconds", "7", "--chaos-every", "0", "--lease", "1s")
    running.read_to("s of 7 s")
    supervisor_of(running).kill()
    assert running.end() == 0, running.output
    found = running.document
    assert found["troubles"] == ["a supervisor ended by itself with exit code -9"]
    assert (found["lost"], found["drained"]) == ([], True)
    assert "note: a supervisor ended by itself" in running.output


@processes
def test_one_that_cannot_even_start_ends_it_with_the_log(torture: Callable[..., Running]) -> None:
    running = torture("--seconds", "60")
    running.read_to("Faults: about")
    supervisor_of(running).kill()
    assert running.end() == 1, running.output
    assert "FAILED: a supervisor ended by itself with exit code -9. The log:" in running.output
    assert running.strangers() == []


@processes
def test_a_user_without_the_rights_is_told_and_no_password_is_shown(
    torture: Callable[..., Running], start_server: Callable[..., Server]
) -> None:
    """This one may do everything but run scripts."""
    server = start_server()
    admin = client(server)
    admin.acl_setuser("weak", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-evalsha", "-eval"])
    running = torture("--redis-url", f"redis://weak:pw@127.0.0.1:{server.port}/0", "--seconds", "3")
    assert running.end() == 6, running.output
    assert "permission" in running.output
    assert "pw@" not in running.output
    assert admin.keys("*") == []
    admin.close()


# early ends --------------------------------------------------------------------------------------------------------


@processes
def test_ctrl_c_ends_it_early_with_a_report(torture: Callable[..., Running]) -> None:
    running = torture("--seconds", "600", "--chaos-every", "500ms", "--lease", "1s")
    running.read_to("killed worker process")
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output
    assert "interrupted by SIGINT: no more faults" in running.output
    found = running.document
    assert (found["interrupted"], found["drained"], found["ok"]) == (True, True, True)
    assert found["accepted"] > 0
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
def test_a_second_ctrl_c_does_not_wait_for_what_is_left(torture: Callable[..., Running], server: Server) -> None:
    running = torture("--redis-url", server.url, "--seconds", "600", "--workers", "1", "--rate", "600")
    running.read_to("s of 600 s")
    running.process.send_signal(signal.SIGINT)
    running.read_to("no more faults")
    running.read_to("waiting for the last ones")
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output
    found = running.document
    assert found["left"] > 0
    assert (found["lost"], found["drained"]) == ([], False)
    assert running.strangers() == []


@processes
def test_killed_itself_it_leaves_no_process(torture: Callable[..., Running]) -> None:
    running = torture("--seconds", "600", "--chaos-every", "0")
    running.read_to("s of 600 s")
    family = running.family()
    assert len(family) >= 10, "a server, two supervisors, two schedulers, four workers, two producers"
    folders = {folder for each in family if (folder := Path(each.cwd())).name.startswith("resque-server-")}
    running.process.kill()
    running.process.wait(10)
    assert psutil.wait_procs(family, timeout=20)[1] == []
    for folder in folders:  # nobody else can
        shutil.rmtree(folder)
    assert len(folders) == 1
