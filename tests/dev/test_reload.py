"""The watcher of --reload: a real process that tells what has changed, and goes when nobody wants to know."""

import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from resque import channel
from resque.channel import Channel
from resque.dev import reload
from resque.dev.reload import Reloader, is_source
from resque.errors import ConfigError
from tests.worker.forked import forked

PATIENCE = 8.0


class Watcher:
    """A watcher process and our end of its channel."""

    def __init__(self, folder: Path) -> None:
        self.channel, theirs = channel.pair()
        me = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as the supervisor does
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            with suppress(BaseException):
                self.channel.close()
                code = Reloader([folder]).run(theirs, me)
            os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        theirs.close()
        self.status: int | None = None

    def hear(self, patience: float = PATIENCE) -> list[str]:
        """The paths of the next message, or none."""
        if not select.select([self.channel], [], [], patience)[0]:
            return []
        (message,) = self.channel.receive()
        paths: list[str] = message["changed"]
        return paths

    def wake(self, file: Path) -> None:
        """Write until the first message comes: the watch begins some time after the fork."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            file.write_text(f"# {time.monotonic()}\n")
            if self.hear(0.4):
                while self.hear(0.7):  # the echo
                    pass
                return
        raise AssertionError("the watcher never said anything")

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        end = time.monotonic() + PATIENCE
        while self.status is None and time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = status
            time.sleep(0.005)
        assert self.status is not None, "it did not end"
        return os.waitstatus_to_exitcode(self.status)

    def close(self) -> None:
        self.channel.close()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[[], Watcher]]:
    started: list[Watcher] = []

    def start() -> Watcher:
        started.append(Watcher(tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_tells_what_has_changed_and_only_what_matters(watch: Callable[[], Watcher], tmp_path: Path) -> None:
    for folder in ("shop", ".venv", ".git", "shop/__pycache__"):
        (tmp_path / folder).mkdir()
    watcher = watch()
    watcher.wake(tmp_path / "first.py")
    for name in ("shop/readme.md", ".venv/a.py", ".git/b.py", "shop/__pycache__/c.py", "shop/.#d.py"):
        (tmp_path / name).write_text("x")
    (tmp_path / "shop/jobs.py").write_text("x")
    assert watcher.hear() == [str(tmp_path / "shop/jobs.py")]
    (tmp_path / "shop/jobs.py").unlink()
    assert watcher.hear() == [str(tmp_path / "shop/jobs.py")]


def test_many_files_are_one_message(watch: Callable[[], Watcher], tmp_path: Path) -> None:
    watcher = watch()
    watcher.wake(tmp_path / "first.py")
    names = [tmp_path / f"jobs{number}.py" for number in range(6)]
    for name in names:
        name.write_text("x")
        time.sleep(0.08)  # together longer than the pause that ends a message
    assert watcher.hear() == [str(name) for name in names]


def test_ends_when_it_is_told_to(watch: Callable[[], Watcher]) -> None:
    watcher = watch()
    watcher.channel.send({"stop": True})
    assert watcher.wait() == 0


def test_ends_when_nobody_listens(watch: Callable[[], Watcher]) -> None:
    watcher = watch()
    watcher.channel.close()
    assert watcher.wait() == 0


def test_term_ends_it(watch: Callable[[], Watcher], tmp_path: Path) -> None:
    watcher = watch()
    watcher.wake(tmp_path / "first.py")
    os.kill(watcher.pid, signal.SIGINT)  # Ctrl-C is the supervisor's alone
    (tmp_path / "second.py").write_text("x")
    assert watcher.hear() == [str(tmp_path / "second.py")]
    os.kill(watcher.pid, signal.SIGTERM)
    assert watcher.wait() == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it notices after half a second")
def test_dies_with_its_parent(tmp_path: Path) -> None:
    """The watcher holds the pipe of `forked`: the answer is complete when it is gone."""
    begun = time.monotonic()

    def life() -> str:
        reload._LOOK_UP_MS = 60_000  # it does not find out by itself: the kernel has to end it
        watcher = Watcher(tmp_path)
        watcher.wake(tmp_path / "first.py")
        return str(watcher.pid)

    fate = forked(life)
    took = time.monotonic() - begun
    if took >= 7:  # it lives on in a group of its own
        os.kill(int(fate.said), signal.SIGKILL)
    assert fate.status == 0
    assert int(fate.said)
    assert took < 7


def test_a_parent_that_is_gone_already(tmp_path: Path) -> None:
    ours, theirs = channel.pair()
    assert forked(lambda: Reloader([tmp_path]).run(theirs, 1)).said == "0"
    ours.close()
    theirs.close()


def test_a_folder_that_vanished_is_an_error_and_no_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = channel.pair()
    parent = os.getpid()
    gone = tmp_path / "gone"
    assert forked(lambda: reload.run_watcher(theirs, [gone], parent)).said == "1"
    assert f"--reload cannot watch {str(gone)!r}: it is no folder" in capfd.readouterr().err
    ours.close()
    theirs.close()


def test_what_cannot_be_watched_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--reload cannot watch '/no/such/folder': it is no folder"):
        Reloader(["/no/such/folder"])
    monkeypatch.chdir(tmp_path)
    assert Reloader().folders == (tmp_path.resolve(),)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"needs the package watchfiles; install it with: pip install 'resque\[dev\]'"
    ):
        Reloader([tmp_path])


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("/p/.venv/shop/jobs.py", True),
        ("/p/.venv/shop/deep/er/jobs.py", True),
        ("/p/.venv/shop/jobs.pyc", False),
        ("/p/.venv/shop/jobs.py~", False),
        ("/p/.venv/shop/.#jobs.py", False),
        ("/p/.venv/shop/__pycache__/jobs.py", False),
        ("/p/.venv/shop/.venv/lib/jobs.py", False),
        ("/p/.venv/shop/.git/jobs.py", False),
        ("/p/.venv/shop/node_modules/x/jobs.py", False),
        ("/p/.venv/shopping/jobs.py", False),
        ("/elsewhere/jobs.py", False),
    ],
)
def test_what_matters(path: str, matters: bool) -> None:
    """Names above the watched folder do not count: it was asked for."""
    assert is_source(path, Path("/p/.venv/shop")) is matters


def test_nothing_is_loaded_until_it_is_needed() -> None:
    code = "import sys, resque.dev.reload; sys.exit('watchfiles' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=20).returncode == 0


def test_a_channel_is_a_teller() -> None:
    """mypy reads this."""
    ends: tuple[Channel, Any] = channel.pair()
    teller: reload.Teller = ends[0]
    assert teller.receive() == []
    for end in ends:
        end.close()
