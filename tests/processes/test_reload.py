"""--reload: changed code runs, broken code is waited out. --preload: imported once."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import Spawner
from tests.processes.harness import wait_for

_SHOP = """
import os, time
import redis
from resque import Job

def note(what):
    redis.Redis.from_url(os.environ["RESQUE_REDIS_URL"]).rpush("notes", what)

class Sell(Job):
    queue = "work"
    def perform(self, seconds=0.0):
        note("begun {version}")
        time.sleep(seconds)
        note("{version}")
"""

_IMPORTED = _SHOP + '\nnote(f"imported {os.getpid()}")\n'


class Shop:
    """A worker of a module that the test writes, and what it has said."""

    def __init__(self, spawn: Spawner, folder: Path, url: str, redis: Any) -> None:
        self.redis = redis
        self.folder = folder / "src"
        self.folder.mkdir()
        self._log = folder / "log"
        self._spawn = spawn
        self._url = url

    def write(self, version: str, text: str = _SHOP) -> None:
        (self.folder / "shop.py").write_text(text.replace("{version}", version))

    def start(self, *flags: str) -> "subprocess.Popen[Any]":
        command = [sys.executable, "-m", "resque", "worker", "-A", "shop", "-q", "work", "--log-format", "json", *flags]
        environment = {"RESQUE_REDIS_URL": self._url, "PYTHONPATH": f"{self.folder}:{Path.cwd()}"}
        with self._log.open("ab") as log:
            return self._spawn(*command, env=environment, cwd=self.folder, stderr=log)

    def said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def push(self, seconds: float = 0.0) -> None:
        self.redis.sadd("resque:queues", "work")
        self.redis.set("resque:wire", "native")
        self.redis.lpush("resque:queue:work", json.dumps({"class": "Sell", "args": [seconds]}))

    def notes(self, *, imports: bool = False) -> list[str]:
        found = [note.decode() for note in self.redis.lrange("notes", 0, -1)]
        return [note for note in found if note.startswith("imported") == imports]

    def watched(self) -> None:
        """Until its watcher sees what is written: it begins some time after the worker."""
        wait_for(lambda: self.events("worker.started"), 20, "started")

        def touch() -> list[dict[str, Any]]:
            (self.folder / "other.py").write_text(f"# {time.monotonic()}")
            time.sleep(0.7)
            return self.events("supervisor.reloading")

        wait_for(touch, 20, "the watcher watches")
        time.sleep(0.8)  # its echo, too


@pytest.fixture
def shop(spawn: Spawner, tmp_path: Path, url: str, redis: Any) -> Shop:
    return Shop(spawn, tmp_path, url, redis)


def test_new_code_runs_and_the_old_job_ends_first(shop: Shop) -> None:
    """A fresh process has the new code while the old one still has a job of the old."""
    shop.write("one")
    process = shop.start("--reload")
    shop.watched()
    shop.push(4.0)
    wait_for(lambda: shop.notes() == ["begun one"], 10)
    shop.write("two")
    wait_for(lambda: len(shop.events("worker.recycled")) >= 2, 10, "it leaves")
    shop.push()
    wait_for(lambda: "two" in shop.notes(), 10, "new code")
    assert shop.notes() == ["begun one", "begun two", "two"]
    wait_for(lambda: shop.notes()[-1] == "one", 10, "the old job has ended")
    wait_for(lambda: shop.redis.get("resque:stat:processed") == b"2", 5)
    process.terminate()
    assert process.wait(10) == 0


def test_broken_code_is_waited_out(shop: Shop) -> None:
    """Nothing runs until it is mended; the supervisor lives, tells why, and does not try again and again."""
    shop.write("one")
    process = shop.start("--reload")
    shop.watched()
    shop.write("", "def (:")
    wait_for(lambda: "SyntaxError" in shop.said(), 10, "told")
    time.sleep(1.5)
    assert shop.said().count("SyntaxError") == 1
    assert process.poll() is None
    shop.push()
    assert shop.notes() == []
    shop.write("two")
    wait_for(lambda: shop.notes() == ["begun two", "two"], 10, "mended")
    process.terminate()
    assert process.wait(10) == 0


def test_code_that_is_mended_while_it_is_being_imported(shop: Shop) -> None:
    """The process that dies of the old text says nothing about the new one."""
    shop.write("one")
    process = shop.start("--reload")
    shop.watched()
    shop.write("", "import sys, time\nsys.stderr.write('importing\\n')\nsys.stderr.flush()\ntime.sleep(3)\n1/0\n")
    wait_for(lambda: "importing" in shop.said(), 10)
    shop.write("two")
    reloads = len(shop.events("supervisor.reloading"))
    wait_for(lambda: len(shop.events("supervisor.reloading")) > reloads, 10, "the change is seen")
    assert "ZeroDivisionError" not in shop.said(), "still importing"
    wait_for(lambda: "ZeroDivisionError" in shop.said(), 10, "and then it dies")
    shop.push()
    wait_for(lambda: shop.notes() == ["begun two", "two"], 10, "the new code runs")
    process.terminate()
    assert process.wait(10) == 0


def test_without_watchfiles_it_is_said_at_the_start(shop: Shop) -> None:
    shop.write("one")
    (shop.folder / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
    process = shop.start("--reload")
    assert process.wait(20) == 2
    assert "watchfiles" in shop.said()
    assert "pip install" in shop.said()
    assert "Traceback" not in shop.said()


def test_preload_imports_once(shop: Shop) -> None:
    """For all processes, also those that come later; without it, each imports for itself."""
    shop.write("one", _IMPORTED)
    process = shop.start("--preload", "--processes", "3", "--max-jobs", "2")
    wait_for(lambda: len(shop.events("worker.started")) >= 3, 20)
    for _ in range(6):
        shop.push()
    wait_for(lambda: shop.notes().count("one") == 6, 20)
    wait_for(lambda: shop.events("worker.recycled"), 10)
    assert shop.notes(imports=True) == [f"imported {process.pid}"]
    process.terminate()
    assert process.wait(10) == 0
    process = shop.start("--processes", "2")
    wait_for(lambda: len(shop.notes(imports=True)) == 3, 20)
    assert process.poll() is None


@pytest.mark.parametrize(
    ("text", "words"), [("import nothing_like_it", "nothing_like_it"), ("raise SystemExit(0)", "SystemExit")]
)
def test_preload_of_what_cannot_be_imported(shop: Shop, text: str, words: str) -> None:
    """Exit code 4, one line that says why."""
    shop.write("", text)
    process = shop.start("--preload")
    assert process.wait(20) == 4
    assert words in shop.said()
    assert "Traceback" not in shop.said()


def test_preload_and_reload_exclude_each_other(shop: Shop) -> None:
    shop.write("one")
    assert shop.start("--preload", "--reload").wait(20) == 2
    assert "--reload goes without --preload" in shop.said()
