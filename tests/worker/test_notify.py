"""What systemd is told, over a real socket; and nothing at all when nobody listens."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from resque.worker.notify import Notifier


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Who listens at NOTIFY_SOCKET."""
    path = f"/tmp/resque-notify-{os.getpid()}"  # tmp_path may be longer than a socket's name may be
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        try:
            yield listener
        finally:
            os.unlink(path)


def test_the_life_of_a_service(systemd: socket.socket) -> None:
    notifier = Notifier()
    assert notifier.is_on
    notifier.ready()
    notifier.status("2 workers")
    notifier.beat()
    notifier.stopping()
    said = [systemd.recv(4096).decode() for _ in range(4)]
    assert said == [f"READY=1\nMAINPID={os.getpid()}", "STATUS=2 workers", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the abstract namespace is Linux's")
def test_a_socket_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"resque-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        Notifier().beat()
        assert listener.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one\nMAINPID=1\r\ntwo", "STATUS=one MAINPID=1 two"),
        ("ü 日本", "STATUS=ü 日本"),
        ("\ud800", "STATUS=?"),
        ("x" * 5000, "STATUS=" + "x" * 500),
        ("", "STATUS="),
    ],
    ids=["lines", "unicode", "surrogate", "long", "empty"],
)
def test_a_status_is_one_short_line(systemd: socket.socket, text: str, said: str) -> None:
    Notifier().status(text)
    assert systemd.recv(65536).decode() == said


@pytest.mark.parametrize("name", [None, "", "@", "relative", "vsock:2:1234", "/nowhere/notify", "/" + "x" * 300, "/"])
def test_nobody_there_is_no_trouble(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    if name is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
    notifier = Notifier()
    assert notifier.is_on == (name is not None and name.startswith("/"))
    notifier.ready()
    notifier.status("x")
    notifier.beat()
    notifier.stopping()


def test_a_listener_that_has_gone_is_no_trouble(systemd: socket.socket) -> None:
    notifier = Notifier()
    systemd.close()
    notifier.beat()


def test_a_listener_that_does_not_read_holds_nobody_up_for_long(systemd: socket.socket) -> None:
    notifier = Notifier()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with suppress(BlockingIOError):
            for _ in range(100_000):
                filler.sendto(b"x", os.environ["NOTIFY_SOCKET"])
    begun = time.monotonic()
    notifier.beat()
    assert 0.3 < time.monotonic() - begun < 3  # it did wait: the socket was full


def test_a_scrubbed_environment_does_not_silence_us(systemd: socket.socket) -> None:
    notifier = Notifier()
    address = os.environ.pop("NOTIFY_SOCKET")
    try:
        notifier.beat()
    finally:
        os.environ["NOTIFY_SOCKET"] = address
    assert systemd.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "ours", 15.0),
        ("30000000", None, 15.0),
        ("1000000", "ours", 0.5),
        ("30000000", "1", None),
        ("30000000", "rubbish", None),
        ("0", "ours", None),
        ("-5", "ours", None),
        ("rubbish", "ours", None),
        ("²", "ours", None),
        (None, "ours", None),
    ],
)
def test_the_watchdog_is_answered_at_half_its_time(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    if usec is not None:
        monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert Notifier().watchdog_interval() == seconds


def test_no_watchdog_without_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert Notifier().watchdog_interval() is None


def test_a_child_does_not_answer_for_its_parent(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if notifier.watchdog_interval() is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
