"""Fixtures: calling the command, and a namespace to call it on.

May be in here: how a command is called. May not: expectations.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from resque.cli.main import command
from resque.store.keys import Keys
from tests.admin.conftest import Shop

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The tab-separated lines under the header."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def shop(redis: Any) -> Shop:
    """An empty namespace, marked as native."""
    return Shop(redis, Keys())


@pytest.fixture
def run(url: str) -> Run:
    """run("queue", "ls", env={…}) -> Ended. RESQUE_REDIS_URL says where the server is; no stream is a terminal."""

    def run(*words: str, env: dict[str, str | None] | None = None, input: str | None = None) -> Ended:
        settings = {"RESQUE_REDIS_URL": url, **(env or {})}
        result = CliRunner().invoke(command, list(words), env=settings, input=input, catch_exceptions=False)
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def at_terminal(url: str) -> Run:
    """at_terminal("queue", "ls", type="y\\n") -> Ended; the three streams are one terminal: `out` holds everything."""

    def run(*words: str, type: str = "", env: dict[str, str] | None = None) -> Ended:
        outer, inner = pty.openpty()
        variables = {**os.environ, "RESQUE_REDIS_URL": url, "PYTHONPATH": str(TOP), "TERM": "xterm", "COLUMNS": "200"}
        process = subprocess.Popen(
            [sys.executable, "-m", "resque", *words],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**variables, **(env or {})},
            start_new_session=True,
        )
        os.close(inner)
        os.write(outer, type.encode())
        seen = b""
        while True:
            try:
                data = os.read(outer, 65536)
            except OSError:  # the other side is closed: how a terminal on Linux ends
                break
            if not data:
                break
            seen += data
        os.close(outer)
        return Ended(process.wait(20), seen.decode("utf-8", "replace").replace("\r\n", "\n"), "")

    return run
