"""SAQ. May be in here: its jobs, its calls, its commands. May not: measuring."""

import asyncio
from typing import Any

from saq import Queue

from bench.peers.stamp import CONCURRENCY, URL, mark

SPEED = 2200
LEFT = [["ZCARD", "saq:default:incomplete"]]
queue = Queue.from_url(URL or "redis://localhost:1")


async def noop(context: Any) -> None: ...


async def swallow(context: Any, *, text: str) -> None: ...


async def anap(context: Any, *, number: int, seconds: float) -> None:
    mark(number, 0)
    await asyncio.sleep(seconds)
    mark(number, 1)


_NAMES: dict[str, list[str]] = {"noop": [], "swallow": ["text"], "anap": ["number", "seconds"]}
settings = {"queue": queue, "functions": [noop, swallow, anap], "concurrency": CONCURRENCY or 10}
_JOBS = ["noop", "swallow", "anap"]
_WORKER = ["{bin}/saq", "-q", "bench.peers.saq_.settings"]
_HUNDRED = {"BENCH_CONCURRENCY": "100"}
MODES: dict[str, Any] = {
    "one": ([_WORKER], _HUNDRED),
    "cores": ([[*_WORKER, "--workers", "{cores}"]], {}),
    "async": ([_WORKER], _HUNDRED),
    "kill": ([_WORKER], {}),
}


async def single(job: str, args: tuple[Any, ...], _: str) -> None:
    await queue.enqueue(job, ttl=-1, **dict(zip(_NAMES[job], args, strict=True)))


async def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    """It has no such call; a hundred calls at once is what a user of asyncio would write."""
    for begin in range(0, len(rows), 100):
        await asyncio.gather(*(single(job, args, "") for args in rows[begin : begin + 100]))
