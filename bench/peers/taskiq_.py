"""taskiq. May be in here: its jobs, its calls, its commands. May not: measuring."""

import asyncio
import time
from typing import Any

from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisStreamBroker

from bench.peers.stamp import SAFE, URL, mark

SPEED = 2900
LEFT = [["LLEN", "taskiq"]]
_broker: Any = RedisStreamBroker if SAFE else ListQueueBroker
broker = _broker(URL or "redis://localhost:1").with_serializer(ORJSONSerializer())


@broker.task
async def noop() -> None: ...


@broker.task
async def swallow(text: str) -> None: ...


@broker.task
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


@broker.task
async def anap(number: int, seconds: float) -> None:
    mark(number, 0)
    await asyncio.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap, "anap": anap}
_open: list[bool] = []


def _worker(*options: str) -> list[str]:
    return ["{bin}/taskiq", "worker", "bench.peers.taskiq_:broker", "--log-level", "CRITICAL", *options]


_FAST = ["--ack-type", "when_received", "--no-parse"]
MODES: dict[str, Any] = {
    "one": ([_worker("-w", "1", *_FAST)], {}),
    "cores": ([_worker("-w", "{cores}", *_FAST)], {}),
    "threads": ([_worker("-w", "1", *_FAST, "--max-threadpool-threads", "100")], {}),
    "async": ([_worker("-w", "1", *_FAST)], {}),
    "kill": ([_worker("-w", "{cores}")], {}),
    "safe": ([_worker("-w", "{cores}")], {"BENCH_SAFE": "1"}),
}


async def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    if not _open:
        _open.append(True)
        await broker.startup()
    await _JOBS[job].kiq(*args)


async def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    """It has no such call; a hundred calls at once is what a user of asyncio would write."""
    for begin in range(0, len(rows), 100):
        await asyncio.gather(*(single(job, args, "") for args in rows[begin : begin + 100]))
