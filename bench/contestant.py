"""One peer (or ours) in the contest: its producer, its workers, what it has left to do, what it costs.

May be in here: starting, asking, killing processes of its own. May not: what is measured (contest.py, kills.py).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import redis

from bench.environments import OURS, ensure
from bench.peers.stamp import RECORD

ROOT = Path(__file__).parent.parent
CORES = os.cpu_count() or 1


class Contestant:
    """A peer on one Redis database, with the queues it is to know. Leaves no process behind."""

    def __init__(self, name: str, url: str, queues: str = "default", variables: dict[str, str] | None = None) -> None:
        self.name = name
        self.python = ensure(name)
        self.folder = Path(tempfile.mkdtemp(prefix="resque-bench-"))
        self.stamps = self.folder / "stamps"
        self.stamps.touch()
        self.client: Any = redis.Redis.from_url(url)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BENCH_URL": url,
            "BENCH_QUEUES": queues,
            "BENCH_STAMPS": str(self.stamps),
            **(variables or {}),
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self.log = (self.folder / "log").open("ab")
        self.producer = subprocess.Popen(
            [str(self.python), "-m", "bench.producer", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=self.environment,
            cwd=self.folder,
        )
        self.facts = self._answer()

    def ask(self, do: str, job: str, count: int, **more: Any) -> Any:
        """Let the producer do it."""
        assert self.producer.stdin is not None
        self.producer.stdin.write(json.dumps({"do": do, "job": job, "count": count, **more}).encode() + b"\n")
        self.producer.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.producer.stdout is not None
        line = self.producer.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: its producer ended. {self.log_end()}")
        return json.loads(line)

    def has(self, mode: str, job: str = "noop") -> bool:
        """Whether it can run that way."""
        if self.name == OURS and mode in ("fork", "async") and not _in_this_version(mode):
            return False
        return mode in self.facts["modes"] and job in self.facts["jobs"]

    def nap(self) -> str:
        """The job that tells when it ran: a coroutine where the peer lives in asyncio."""
        return "nap" if "nap" in self.facts["jobs"] else "anap"

    def start(self, mode: str, url: str = "") -> None:
        """Start its workers; a second url takes the place of the first (a longer way to the same server)."""
        commands, variables = self.facts["modes"][mode]
        if len(commands) == 1 and mode == "cores" and self.name in ("celery", "arq"):
            commands = commands * CORES  # they have no supervisor for several such processes
        first = self.environment["BENCH_URL"]
        environment = {**self.environment, **{key: _fill(value, self, 0) for key, value in variables.items()}}
        if url:
            environment["BENCH_URL"] = url
        for index, command in enumerate(commands):
            line = [_fill(word, self, index).replace(first, url or first) for word in command]
            self.workers.append(
                subprocess.Popen(
                    line, env=environment, cwd=self.folder, stdout=self.log, stderr=self.log, start_new_session=True
                )
            )

    def tree(self) -> list[psutil.Process]:
        """All its worker processes."""
        found = []
        for worker in self.workers:
            try:
                parent = psutil.Process(worker.pid)
                found += [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self) -> None:
        """kill -9 for all of them, parents first stopped so that they replace nobody."""
        self.signal(psutil.Process.suspend)
        self.signal(psutil.Process.kill)
        for worker in self.workers:
            worker.wait()
        self.workers.clear()

    def signal(self, act: Callable[[psutil.Process], None]) -> None:
        """Do this to all of them, and to what they have started meanwhile."""
        for process in [*self.tree(), *self.tree()]:
            try:
                act(process)
            except psutil.NoSuchProcess:
                continue

    def done(self, total: int) -> int:
        """How many of `total` are done, as exactly as it lets one see."""
        if self.facts["done"]:
            return int(self.client.execute_command(*self.facts["done"]) or 0)
        return total - sum(int(self.client.execute_command(*command) or 0) for command in self.facts["left"])

    def records(self) -> list[tuple[int, int, float]]:
        """What its jobs have stamped."""
        data = self.stamps.read_bytes()
        return list(RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]))

    def memory(self) -> float:
        """MiB of its processes; what they share is counted once."""
        return sum(process.memory_full_info().pss for process in self.tree()) / 1024 / 1024

    def seconds(self) -> float:
        """CPU of its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.tree())

    def log_end(self) -> str:
        self.log.flush()
        return (self.folder / "log").read_text(errors="replace")[-1500:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()
        self.producer.kill()
        self.producer.wait()
        self.log.close()
        self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _fill(word: str, contestant: Contestant, index: int) -> str:
    places = {"{bin}": str(contestant.python.parent), "{python}": str(contestant.python), "{cores}": str(CORES)}
    places["{core}"] = str(index)
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def _in_this_version(mode: str) -> bool:
    text = subprocess.run([sys.executable, "-m", "resque", "worker", "--help"], capture_output=True, text=True).stdout
    return "--fork" in text if mode == "fork" else "async" in text


def until(condition: Any, seconds: float, step: float = 0.002) -> bool:
    """Wait for it; False = the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True
