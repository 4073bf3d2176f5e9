"""Ours, behind the same face as the peers. May be in here: its jobs, its calls, its commands. May not: measuring."""

import asyncio
import time
from typing import Any

from bench.peers.stamp import QUEUES, URL, mark
from resque import job
from resque.app import configure

SPEED = 150_000
DONE = ["GET", "resque:stat:processed"]
if URL:
    configure(URL)


@job(queue="default")
def noop() -> None: ...


@job(queue="default")
def swallow(text: str) -> None: ...


@job(queue="default")
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


@job(queue="default")
async def anap(number: int, seconds: float) -> None:
    mark(number, 0)
    await asyncio.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap, "anap": anap}


def _worker(*options: str) -> list[str]:
    line = ["{python}", "-m", "resque", "worker", "-A", "bench.peers.resque_", "--redis-url", URL]
    return [*line, "--log-level", "error", "-q", ",".join(QUEUES), *options]


MODES: dict[str, Any] = {
    "one": ([_worker()], {}),
    "queues": ([_worker()], {}),
    "cores": ([_worker("--processes", "{cores}")], {}),
    "threads": ([_worker("--concurrency", "100")], {}),
    "async": ([_worker("--concurrency", "100")], {}),
    "fork": ([_worker("--fork")], {}),
    "kill": ([_worker("--processes", "{cores}")], {}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    target = _JOBS[job] if queue == "default" else _JOBS[job].using(queue=queue)
    target.enqueue(*args)


def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    _JOBS[job].enqueue_many(rows)
