"""The demo: what it counts, its jobs, and the whole of it in a process of its own, whatever ends it."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import redis as redis_py

from resque import app as app_room
from resque.app import Resque
from resque.dev.demo import files, report
from resque.dev.demo.jobs import FoldNumbers, IndexFile
from resque.dev.demo.numbers import FileNumbers, count
from resque.dev.demo.tally import REPORT, RUNS, Tally
from resque.dev.demo.watch import Watch
from tests.leftovers import RUN, Spawner

TOP = Path(__file__).parents[2]
PROGRAM = """
import sys
from resque.dev.demo.run import main
sys.exit(main(keep="keep" in sys.argv, stay="stay" in sys.argv, files=int(sys.argv[1])))
"""
SOURCE = b'''"""Docstring."""
import os, os.path
from json.decoder import JSONDecoder
from . import sibling
from .other import thing

class One:
    async def short(self): pass

    def long(self):
        import re
        return re

def last(): pass'''
NUMBERS = FileNumbers(
    lines=14, functions=3, classes=1, imports=6, modules=("json", "os", "re"), longest="long", longest_lines=3
)


# numbers and files -------------------------------------------------------------------------------------------------


def test_what_is_counted_in_a_file() -> None:
    assert count(SOURCE) == NUMBERS


def test_an_empty_file_has_nothing() -> None:
    empty = count(b"")
    assert (empty.lines, empty.functions, empty.modules, empty.longest, empty.longest_lines) == (0, 0, (), None, 0)


@pytest.mark.parametrize("bad", [b"print 'Python 2'", b"# coding: nonsense\n", b"x = '\xff'", b"("])
def test_what_does_not_parse_raises(bad: bytes) -> None:
    with pytest.raises(SyntaxError):
        count(bad)


def test_other_peoples_escapes_make_no_noise() -> None:
    """Warnings are errors in this test run."""
    assert count(rb"x = '\d'").lines == 1


def test_thousands_of_files_are_found_in_the_same_order_every_time() -> None:
    found = files.find()
    assert found == files.find()
    assert len(set(found)) == len(found) > 1000
    assert len(found) <= files.DEFAULT_LIMIT
    assert all(path.endswith(".py") and os.path.isabs(path) for path in found)


def test_a_limit_takes_files_from_everywhere_and_those_that_do_not_parse_first(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c/d.py", "z.py", "lib2to3/tests/data/py2.py", "c/notes.txt", "__pycache__/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(limit: int) -> list[str]:
        return [Path(path).relative_to(tmp_path).as_posix() for path in files.find(limit, [tmp_path])]

    assert found(1) == ["lib2to3/tests/data/py2.py"]
    assert found(3) == ["a.py", "z.py", "lib2to3/tests/data/py2.py"]
    assert sorted(found(100)) == ["a.py", "b.py", "c/d.py", "lib2to3/tests/data/py2.py", "z.py"]


def test_installed_packages_inside_the_standard_library_are_found_once(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "one.py").touch()
    (tmp_path / "two.py").touch()
    assert files.find(10, [tmp_path, packages]) == [str(tmp_path / "two.py"), str(packages / "one.py")]


def test_a_short_path_begins_below_its_root() -> None:
    assert files.short(str(files.roots()[0] / "json" / "decoder.py")) == os.path.join("json", "decoder.py")
    assert files.short("/elsewhere/x.py") == "/elsewhere/x.py"


# jobs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(url: str) -> Iterator[Resque]:
    """The default app, on the test's server."""
    before, app_room._default = app_room._default, None
    made = app_room.configure(url)
    yield made
    made.close()
    app_room._default = before


def test_indexing_a_file_enqueues_its_numbers(app: Resque, redis: Any, tmp_path: Path) -> None:
    (tmp_path / "source.py").write_bytes(SOURCE)
    path = str(tmp_path / "source.py")
    IndexFile().perform(path)
    (payload,) = map(msgspec.json.decode, redis.lrange("resque:queue:fold", 0, -1))
    assert payload["class"] == "FoldNumbers"
    assert payload["args"][0] == path
    assert msgspec.convert(payload["args"][1], FileNumbers) == NUMBERS
    assert redis.hgetall(RUNS) == {path.encode(): b"1"}


def test_a_file_that_does_not_parse_raises_and_enqueues_nothing(app: Resque, redis: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_bytes(b"print 'Python 2'")
    with pytest.raises(SyntaxError, match=r"bad\.py"):
        IndexFile().perform(str(tmp_path / "bad.py"))
    assert not redis.exists("resque:queue:fold")


def test_folding_twice_is_the_same_as_once(app: Resque, redis: Any) -> None:
    FoldNumbers().perform("/a.py", NUMBERS)
    once = redis.hgetall(REPORT)
    FoldNumbers().perform("/a.py", NUMBERS)
    assert redis.hgetall(REPORT) == once
    tally = Tally(app.settings.redis_url)
    assert tally.numbers() == {"/a.py": NUMBERS}
    tally.close()


def test_the_watch_sees_waiting_and_inflight_jobs(app: Resque, redis: Any) -> None:
    watch = Watch(app)
    assert watch.state().is_over
    IndexFile.enqueue("/a.py")
    assert (watch.state().waiting, watch.state().is_over) == (1, False)
    redis.rename("resque:queue:index", "resque:inflight:index:host~1:2")
    assert (watch.state().waiting, watch.state().is_over) == (0, False)
    watch.close()


# the whole ---------------------------------------------------------------------------------------------------------


class Running:
    """A demo in a process of its own, whose output is read line by line."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.output = ""

    def read_to(self, text: str) -> str:
        """Read until a line holds `text`; returns everything so far."""
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"the demo ended before it said {text!r}:\n{self.output}"
            self.output += line
        return self.output

    def end(self) -> int:
        """Read the rest; returns the exit code."""
        self.output += self.process.stdout.read()
        return int(self.process.wait(60))

    @property
    def folder(self) -> Path:
        return Path(self.found(r"Its folder: (\S+)"))

    @property
    def url(self) -> str:
        return self.found(r"at (redis://\S+/0)")

    def found(self, pattern: str) -> str:
        match = re.search(pattern, self.output)
        assert match is not None, f"no {pattern!r} in:\n{self.output}"
        return match[1]

    def family(self) -> list[psutil.Process]:
        """What it has started so far: server, supervisor, scheduler, workers."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def strangers(self) -> list[str]:
        """What of this test run still works on the demo's server or in its folder: by command line and environment."""
        return [
            " ".join(each.cmdline())
            for each in psutil.process_iter()
            if _environment(each).get(RUN) == os.environ[RUN]
            and (self.url in _environment(each).values() or str(self.folder) in " ".join(each.cmdline()))
        ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}


@pytest.fixture
def demo(spawn: Spawner) -> Callable[..., Running]:
    """demo(300, "stay", "keep") -> a running demo."""

    def start(*words: object) -> Running:
        command = [sys.executable, "-c", PROGRAM, *words]
        return Running(spawn(*command, cwd=TOP, stdout=-1, stderr=-2, text=True, env={"RESQUE_APP": ""}))

    return start


def processes(test: Any) -> Any:
    """Real processes, one such test at a time."""
    return pytest.mark.processes(pytest.mark.xdist_group("processes")(test))


@processes
def test_it_counts_every_file_once_and_leaves_nothing(demo: Callable[..., Running]) -> None:
    running = demo(300)
    assert running.end() == 0, running.output
    killed = running.found(r"of 300 files: killed worker process (\d+) with SIGKILL")
    successor = running.found(r"Process (\d+) took its place")
    assert killed != successor
    assert "nothing was left in its hands after" in running.output
    counted, failed = int(running.found(r"300 files found = (\d+) counted")), int(running.found(r"\+ (\d+) failed"))
    assert counted + failed == 300
    assert f"every file exactly once, despite the kill of process {killed}" in running.output
    assert running.found(r"([\d,]+) jobs/s")
    assert f"{report.files(failed)} really failed" in running.output
    assert "The server, the workers and the folder are gone." in running.output
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
def test_a_false_number_is_found_and_makes_it_fail(demo: Callable[..., Running]) -> None:
    running = demo(300)
    running.read_to("resque worker -A")
    liar = redis_py.Redis.from_url(running.url)
    liar.hset(REPORT, "/nobody/enqueued/this.py", msgspec.json.encode(NUMBERS))
    liar.close()
    assert running.end() == 1, running.output
    assert "It does NOT add up" in running.output
    assert "in the report but never enqueued: /nobody/enqueued/this.py" in running.output
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda each: str(each)
)
def test_a_signal_ends_it_and_leaves_nothing(demo: Callable[..., Running], number: int, code: int) -> None:
    running = demo(4000)
    running.read_to("resque worker -A")
    running.process.send_signal(number)
    assert running.end() == code, running.output
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
def test_killed_itself_it_leaves_no_process(demo: Callable[..., Running]) -> None:
    """Nobody can remove the folder then; but no worker may look for the dead server for ever."""
    running = demo(4000)
    running.read_to(" files, ")
    family = running.family()
    assert len(family) >= 5
    running.process.kill()
    running.process.wait(10)
    assert psutil.wait_procs(family, timeout=10)[1] == []
    shutil.rmtree(running.folder)


@processes
def test_it_stays_up_for_a_look_around_until_ctrl_c(demo: Callable[..., Running]) -> None:
    running = demo(300, "stay")
    running.read_to("Ctrl-C ends it")
    command = running.found(r"(RESQUE_REDIS_URL=\S+ resque failed ls)")
    assert command == f"RESQUE_REDIS_URL={running.url} resque failed ls"
    look = redis_py.Redis.from_url(running.url)
    assert look.scard("resque:workers") == 2
    look.close()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output
    assert not running.folder.exists()
    assert running.strangers() == []


@processes
def test_with_keep_the_server_and_its_folder_stay(demo: Callable[..., Running]) -> None:
    running = demo(300, "keep")
    code = running.end()
    try:
        assert code == 0, running.output
        kept = redis_py.Redis.from_url(running.url)
        assert kept.hlen(REPORT) == int(running.found(r"files found = (\d+) counted"))
        assert kept.scard("resque:workers") == 0
        kept.close()
        assert (running.folder / "appendonlydir").is_dir()
    finally:
        server = psutil.Process(int(running.found(r"stop it with: kill (\d+)")))
        server.terminate()
        assert psutil.wait_procs([server], timeout=10)[1] == []
        shutil.rmtree(running.folder)


@processes
def test_workers_that_end_by_themselves_end_it_with_their_log(demo: Callable[..., Running]) -> None:
    running = demo(300)
    running.read_to("resque worker -A")
    next(child for child in psutil.Process(running.process.pid).children() if "valkey" not in child.name()).kill()
    assert running.end() == 1, running.output
    assert "FAILED: the workers ended with exit code -9. Their log:" in running.output
    assert not running.folder.exists()
    assert running.strangers() == []
