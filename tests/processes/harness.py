"""A supervisor under test, and what must hold after whatever was done to it.

May be in here: starting it, finding its processes, waiting, the invariants. May not: faults (each test does its own).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil

from resque.app import Resque
from resque.dev.server import Server
from resque.store.keys import Keys
from tests.leftovers import Spawner
from tests.processes import launch

TORTURE = os.environ.get("RESQUE_TORTURE") == "1"
LEASE = 2.0


def wait_for(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """The first true answer of `condition`, asked every 10 ms. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.01)


_LOOK = """
local held, unleased = {}, {}
for _, key in ipairs(redis.call('KEYS', 'resque:inflight:work:*')) do
  for _, raw in ipairs(redis.call('LRANGE', key, 0, -1)) do held[#held + 1] = raw end
  local member = string.sub(key, string.len('resque:inflight:work:') + 1)
  if not redis.call('ZSCORE', 'resque:leases:work', member) then unleased[#unleased + 1] = member end
end
local processed = tonumber(redis.call('GET', 'resque:stat:processed') or '0')
return {processed, redis.call('LRANGE', 'resque:queue:work', 0, -1), held, unleased}
"""


@dataclass(frozen=True)
class Look:
    """Where all jobs of the queue `work` are, at one moment: ids, those that are next first."""

    processed: int
    waiting: list[str]
    held: list[str]
    unleased: list[str]
    """In-flight lists that no lease covers."""

    @property
    def total(self) -> int:
        """Every push is in exactly one of these places."""
        return self.processed + len(self.waiting) + len(self.held)


def look(redis: Any) -> Look:
    """One atomic look."""
    processed, waiting, held, unleased = redis.eval(_LOOK, 0)
    ids = [[json.loads(raw)["meta"]["id"] for raw in raws] for raws in (waiting, held)]
    return Look(processed, ids[0][::-1], ids[1], [member.decode() for member in unleased])


class Team:
    """One supervisor with its workers, and an app that enqueues to them."""

    def __init__(
        self, spawn: Spawner, server: Server, folder: Path, redis: Any, *, url: str | None = None, **settings: Any
    ):
        """`environment`: more variables for the processes. `is_awaited=False`: do not wait for the workers."""
        self.redis = redis
        self.server = server
        self.app = Resque(server.url)
        self.keys = Keys()
        self._spawn = spawn
        self._folder = folder
        self._environment = {"TEST_REDIS_URL": server.url} | settings.pop("environment", {})
        is_awaited = settings.pop("is_awaited", True)
        self._settings: dict[str, Any] = {
            "redis_url": url or server.url,
            "app": "tests.processes.jobs",
            "queues": "work",
            "processes": 2,
            "lease": LEASE,
            "drain": 5,
        } | settings
        self.supervisor: Popen[Any] = self.start() if is_awaited else self.launch()

    def start(self, **settings: Any) -> Popen[Any]:
        """Start a (further) supervisor; returns when all its workers are ready."""
        known = len(self.events("worker.started"))
        self.launch(**settings)
        processes = (self._settings | settings)["processes"]
        wait_for(lambda: len(self.events("worker.started")) >= known + processes, what="workers ready")
        return self.supervisor

    def launch(self, **settings: Any) -> Popen[Any]:
        """The same without waiting for anything."""
        merged = self._settings | settings
        command = [sys.executable, "-m", "tests.processes.launch", json.dumps(merged), str(self.log)]
        self.supervisor = self._spawn(*command, env=self._environment)
        return self.supervisor

    @property
    def log(self) -> Path:
        return self._folder / "events.jsonl"

    def events(self, name: str) -> list[dict[str, str]]:
        """What the processes have emitted so far under this name."""
        return launch.read(self.log, name)

    def worker_pids(self) -> list[int]:
        """The worker processes that live now."""
        return [child.pid for child in self.children() if "worker" in " ".join(child.cmdline())]

    def scheduler_pid(self) -> int:
        return next(child.pid for child in self.children() if "scheduler" in " ".join(child.cmdline()))

    def children(self) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.supervisor.pid).children():
            try:
                if child.status() != psutil.STATUS_ZOMBIE and child.cmdline():
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def executions(self) -> dict[int, int]:
        """How often each numbered job ran."""
        return {int(number): int(times) for number, times in self.redis.hgetall("executions").items()}

    def inflight(self) -> dict[str, int]:
        """Every in-flight list that is not empty."""
        return {key.decode(): self.redis.llen(key) for key in self.redis.keys("resque:inflight:*")}

    def processed(self) -> int:
        return int(self.redis.get("resque:stat:processed") or 0)

    def waiting(self, queue: str = "work") -> int:
        return int(self.redis.llen(f"resque:queue:{queue}"))

    def failed(self) -> list[dict[str, Any]]:
        return [json.loads(record) for record in self.redis.lrange("resque:failed", 0, -1)]

    def wait_until_settled(self, pushed: int, seconds: float = 60.0) -> None:
        """Until every push is counted and nothing waits or is in flight."""
        wait_for(
            lambda: self.processed() >= pushed and not self.waiting() and not self.inflight(),
            seconds,
            f"{pushed} jobs settled",
        )

    def assert_nothing_lost(self, count: int) -> None:
        """The invariants for jobs numbered 0 … count-1, each pushed once: lost = 0, counted exactly once."""
        executions = self.executions()
        missing = [number for number in range(count) if number not in executions]
        assert not missing, f"lost: {missing[:10]} ({len(missing)})"
        assert self.processed() == count, "each push is counted once"
        assert not self.waiting()
        assert not self.inflight()

    def assert_executed_once(self, count: int) -> None:
        """Without a fault nothing runs twice."""
        twice = {number: times for number, times in self.executions().items() if times != 1}
        assert not twice
        assert len(self.executions()) >= count

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Stop the supervisor; returns its exit code."""
        self.supervisor.send_signal(number)
        return self.supervisor.wait(seconds)
