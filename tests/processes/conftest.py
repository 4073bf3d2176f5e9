"""The fixture `team`: a supervisor with two workers on the test's server; `team_of(**settings)` for others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resque.dev.server import Server
from tests.leftovers import Spawner
from tests.processes.harness import Team


@pytest.fixture
def team_of(spawn: Spawner, server: Server, tmp_path: Path, redis: Any) -> Callable[..., Team]:
    """team_of(processes=1, lease=3, url=proxy.url, …) -> a running Team."""

    def make(**settings: Any) -> Team:
        return Team(spawn, server, tmp_path, redis, **settings)

    return make


@pytest.fixture
def team(team_of: Callable[..., Team]) -> Team:
    """Two worker processes on the queue `work`."""
    return team_of()
