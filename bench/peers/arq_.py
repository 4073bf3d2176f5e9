"""arq. May be in here: its jobs, its calls, its commands. May not: measuring."""

import asyncio
from typing import Any, ClassVar

from arq import create_pool, func
from arq.connections import RedisSettings

from bench.peers.stamp import CONCURRENCY, URL, mark

SPEED = 1900
LEFT = [["ZCARD", "arq:queue"]]
_settings = RedisSettings.from_dsn(URL)
_pools: list[Any] = []


async def noop(context: Any) -> None: ...


async def swallow(context: Any, text: str) -> None: ...


async def anap(context: Any, number: int, seconds: float) -> None:
    mark(number, 0)
    await asyncio.sleep(seconds)
    mark(number, 1)


class Quick:
    """Its worker's settings: as many jobs at once as we allow anybody, and the shortest poll that is still sensible."""

    functions: ClassVar[list[Any]] = [func(each, keep_result=0) for each in (noop, swallow, anap)]
    redis_settings = _settings
    max_jobs = CONCURRENCY or 10
    poll_delay = 0.01 if CONCURRENCY else 0.5


QUIET: dict[str, Any] = {"version": 1, "disable_existing_loggers": True}
_JOBS = ["noop", "swallow", "anap"]
_WORKER = ["{bin}/arq", "bench.peers.arq_.Quick", "--custom-log-dict", "bench.peers.arq_.QUIET"]
_HUNDRED = {"BENCH_CONCURRENCY": "100"}
MODES: dict[str, Any] = {
    "one": ([_WORKER], _HUNDRED),
    "cores": ([[*_WORKER]], _HUNDRED),
    "async": ([_WORKER], _HUNDRED),
    "kill": ([_WORKER], {}),
}


async def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    if not _pools:
        _pools.append(await create_pool(_settings))
    await _pools[0].enqueue_job(job, *args)


async def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    """It has no such call; a hundred calls at once is what a user of asyncio would write."""
    for begin in range(0, len(rows), 100):
        await asyncio.gather(*(single(job, args, "") for args in rows[begin : begin + 100]))
