"""A team with enqueuers that never stop, and what must hold after Redis was in trouble under both.

May be in here: the team, the producers, their bookkeeping, the sums. May not: the faults (test_redis_faults.py).

The jobs write what they did into another server, the witness: it is never in trouble, so what ran is known exactly.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from resque.app import Resque
from resque.dev.server import Server
from resque.errors import ResqueError
from tests.conftest import client
from tests.leftovers import Spawner
from tests.processes.harness import Team, wait_for

DRAINED = 60.0


class Witness(Spawner):
    """Starts processes whose jobs report to a server of their own."""

    def __init__(self, spawn: Spawner, server: Server) -> None:
        super().__init__()
        self.spawn = spawn
        self.redis = client(server)
        self._url = server.url

    def __call__(self, *command: object, env: dict[str, str] | None = None, **options: Any) -> Popen[Any]:
        return self.spawn(*command, env={**(env or {}), "TEST_REDIS_URL": self._url}, **options)


class WitnessedTeam(Team):
    """A team on a server that gets into trouble. What ran is asked of the witness."""

    def __init__(self, witness: Witness, server: Server, folder: Path, **settings: Any) -> None:
        self.witness = witness.redis
        super().__init__(witness, server, folder, client(server, timeout=10), **settings)

    def executions(self) -> dict[int, int]:
        return {int(number): int(times) for number, times in self.witness.hgetall("executions").items()}

    def has_run(self, number: int) -> bool:
        return bool(self.witness.hexists("executions", str(number)))


class Producer:
    """Enqueues numbered jobs one by one until it is stopped, and remembers what became of each."""

    def __init__(self, url: str, first: int, step: int, seconds: float = 0.0) -> None:
        self.accepted: list[int] = []
        """Enqueue returned."""
        self.doubtful: list[int] = []
        """It raised that nobody knows."""
        self.refused: list[int] = []
        """It raised that the job is not there."""
        self.errors: set[str] = set()
        self._app = Resque(url)
        self._numbers = range(first, 10**9, step)
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self._app.close()
        assert not self._thread.is_alive()

    def _run(self) -> None:
        for number in self._numbers:
            if self._stop.is_set():
                return
            try:
                self._app.enqueue("Count", [number, self._seconds], queue="work")
                self.accepted.append(number)
            except ResqueError as error:
                (self.doubtful if getattr(error, "unknown", False) else self.refused).append(number)
                self.errors.add(f"{type(error).__name__}: {error}")
                time.sleep(0.02)
            time.sleep(0.002)


class Load:
    """Two producers on a team."""

    def __init__(self, team: WitnessedTeam, url: str | None = None) -> None:
        self.team = team
        self.producers = [Producer(url or team.server.url, first, 2) for first in (0, 1)]
        self.workers = sorted(team.worker_pids())

    @property
    def accepted(self) -> set[int]:
        return {number for each in self.producers for number in each.accepted}

    @property
    def doubtful(self) -> set[int]:
        return {number for each in self.producers for number in each.doubtful}

    @property
    def refused(self) -> set[int]:
        return {number for each in self.producers for number in each.refused}

    @property
    def errors(self) -> str:
        return " | ".join(sorted({error for each in self.producers for error in each.errors}))

    def goes_on(self, more: int = 60, seconds: float = 30.0) -> None:
        """Until so many jobs more have been accepted, and have run: both sides work again by themselves."""
        wanted = len(self.accepted) + more
        wait_for(lambda: len(self.accepted) >= wanted, seconds, f"enqueuers go on ({self.errors})")
        last = max(self.accepted)
        wait_for(lambda: self.team.has_run(last), seconds, "workers go on")


@contextmanager
def loaded(team: WitnessedTeam, url: str | None = None) -> Iterator[Load]:
    """Producers run inside the block; at its end they are stopped and everything is drained."""
    load = Load(team, url)
    for each in load.producers:
        each.start()
    try:
        load.goes_on(20)
        yield load
    finally:
        for each in load.producers:
            each.stop()
    drained(team)


def drained(team: WitnessedTeam) -> None:
    """Until nothing waits and nothing is in flight."""

    def is_empty() -> Any:
        return not team.waiting() and not team.inflight()

    wait_for(is_empty, DRAINED, "drained")


def assert_it_adds_up(load: Load) -> None:
    """accepted = done, lost 0, each counted once; what ran twice ran so at the fault; the same processes go on."""
    team = load.team
    ran = team.executions()
    lost = sorted(load.accepted - set(ran))
    assert not lost, f"lost: {lost[:10]} ({len(lost)} of {len(load.accepted)})"
    assert set(ran) <= load.accepted | load.doubtful, "a job ran that enqueue called not enqueued"
    assert team.processed() == len(ran), "each push is counted once"
    assert not team.failed(), "trouble with Redis is no job's failure"
    assert_same_processes(load)


def assert_nothing_ran_twice(load: Load) -> None:
    """Of this fault a worker is always told: nothing is in doubt."""
    twice = {number: times for number, times in load.team.executions().items() if times > 1}
    assert not twice


def assert_same_processes(load: Load) -> None:
    assert sorted(load.team.worker_pids()) == load.workers, "the same worker processes all the time"
    assert not load.team.events("worker.died")
