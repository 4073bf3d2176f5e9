"""Dramatiq. May be in here: its jobs, its calls, its commands. May not: measuring."""

import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers.stamp import QUEUES, URL, mark

SPEED = 2000
LEFT = [["HLEN", "dramatiq:default.msgs"]]

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None: ...


@dramatiq.actor
def swallow(text: str) -> None: ...


def _nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


_naps = {name: dramatiq.actor(_nap, actor_name=f"nap-{name}", queue_name=name) for name in QUEUES}
_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": next(iter(_naps.values()))}


def _worker(processes: str, threads: int) -> list[str]:
    return ["{bin}/dramatiq", "bench.peers.dramatiq_", "--skip-logging", "-p", processes, "-t", str(threads)]


MODES: dict[str, Any] = {
    "one": ([_worker("1", 8)], {}),
    "queues": ([_worker("1", 8)], {}),
    "cores": ([_worker("{cores}", 8)], {}),
    "threads": ([_worker("1", 100)], {}),
    "kill": ([_worker("2", 8)], {}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    (_naps[queue] if job == "nap" else _JOBS[job]).send(*args)
