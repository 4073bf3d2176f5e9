"""Huey. May be in here: its jobs, its calls, its commands. May not: measuring."""

import time
from typing import Any

from huey import RedisHuey

from bench.peers.stamp import URL, mark

SPEED = 3500
LEFT = [["LLEN", "huey.redis.bench"]]

huey = RedisHuey("bench", url=URL or None, results=False)


@huey.task()
def noop() -> None: ...


@huey.task()
def swallow(text: str) -> None: ...


@huey.task()
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap}


def _worker(*options: str) -> list[str]:
    return ["{bin}/huey_consumer", "bench.peers.huey_.huey", "-q", *options]


MODES: dict[str, Any] = {
    "one": ([_worker("-w", "8")], {}),
    "cores": ([_worker("-k", "process", "-w", "{cores}")], {}),
    "threads": ([_worker("-w", "100")], {}),
    "kill": ([_worker()], {}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    _JOBS[job](*args)
