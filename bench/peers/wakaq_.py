"""WakaQ. May be in here: its jobs, its calls, its commands. May not: measuring."""

import logging
import os
import time
from typing import Any

from wakaq import WakaQ

from bench.peers.stamp import DB, HOST, PORT, QUEUES, mark

SPEED = 3000
LEFT = [["LLEN", "wakaq:default"]]

wakaq = WakaQ(
    queues=[(index, name) for index, name in enumerate(QUEUES, 1)],
    host=HOST,
    port=PORT,
    db=DB,
    concurrency=int(os.environ.get("BENCH_PROCESSES", "1")),
    worker_log_level=logging.ERROR,
)


@wakaq.task
def noop() -> None: ...


@wakaq.task
def swallow(text: str) -> None: ...


@wakaq.task
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap}
_WORKER = ["{bin}/wakaq-worker", "--app", "bench.peers.wakaq_.wakaq"]
MODES: dict[str, Any] = {
    "one": ([_WORKER], {}),
    "queues": ([_WORKER], {}),
    "cores": ([_WORKER], {"BENCH_PROCESSES": "{cores}"}),
    "kill": ([_WORKER], {"BENCH_PROCESSES": "{cores}"}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    _JOBS[job].delay(*args, queue=queue)
