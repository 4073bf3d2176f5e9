"""streaq. May be in here: its jobs, its calls, its commands. May not: measuring."""

import asyncio
import time
from typing import Any

from streaq import Worker

from bench.peers.stamp import CONCURRENCY, QUEUES, URL, mark

SPEED = 1300
worker: Any = Worker(
    redis_url=URL or "redis://localhost:1",
    concurrency=CONCURRENCY or 16,
    sync_concurrency=CONCURRENCY or None,
    priorities=list(QUEUES),
)
LEFT = [["XLEN", worker.stream_key + name] for name in QUEUES]


@worker.task(ttl=0)
async def noop() -> None: ...


@worker.task(ttl=0)
async def swallow(text: str) -> None: ...


@worker.task(ttl=0)
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


@worker.task(ttl=0)
async def anap(number: int, seconds: float) -> None:
    mark(number, 0)
    await asyncio.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap, "anap": anap}
_WORKER = ["{bin}/streaq", "run", "bench.peers.streaq_:worker"]
_HUNDRED = {"BENCH_CONCURRENCY": "100"}
MODES: dict[str, Any] = {
    "one": ([_WORKER], {}),
    "queues": ([_WORKER], {}),
    "cores": ([[*_WORKER, "--workers", "{cores}"]], {}),
    "threads": ([_WORKER], _HUNDRED),
    "async": ([_WORKER], _HUNDRED),
    "kill": ([_WORKER], {}),
}


async def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    await _entered()
    await _JOBS[job].enqueue(*args).start(priority=queue)


async def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    await _entered()
    for begin in range(0, len(rows), 1000):
        await worker.enqueue_many([_JOBS[job].enqueue(*args) for args in rows[begin : begin + 1000]])


_open: list[bool] = []


async def _entered() -> None:
    if not _open:
        _open.append(True)
        await worker.__aenter__()
