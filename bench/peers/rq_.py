"""RQ. May be in here: its jobs, its calls, its commands. May not: measuring."""

import time
from typing import Any

from redis import Redis
from rq import Queue

from bench.peers.stamp import QUEUES, URL, mark

SPEED = 270
LEFT = [["LLEN", "rq:queue:default"]]


def noop() -> None: ...


def swallow(text: str) -> None: ...


def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


_JOBS = {"noop": noop, "swallow": swallow, "nap": nap}
_queues = {name: Queue(name, connection=Redis.from_url(URL)) for name in QUEUES} if URL else {}
_SIMPLE = ["-w", "rq.worker.SimpleWorker"]


def _worker(*options: str) -> list[str]:
    return ["{bin}/rq", "worker", "-q", *options, "-u", URL, *QUEUES]


MODES: dict[str, Any] = {
    "one": ([_worker(*_SIMPLE)], {}),
    "queues": ([_worker(*_SIMPLE)], {}),
    "cores": ([["{bin}/rq", "worker-pool", "-q", "-n", "{cores}", *_SIMPLE, "-u", URL, *QUEUES]], {}),
    "fork": ([_worker()], {}),
    "kill": ([_worker()], {}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    _queues[queue].enqueue_call(_JOBS[job], args, result_ttl=0)


def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    _queues["default"].enqueue_many([Queue.prepare_data(_JOBS[job], args, result_ttl=0) for args in rows])
