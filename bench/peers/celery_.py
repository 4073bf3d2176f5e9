"""Celery. May be in here: its jobs, its calls, its commands. May not: measuring."""

import os
import time
from typing import Any

from celery import Celery

from bench.peers.stamp import QUEUES, SAFE, URL, mark

SPEED = 1100
PREFETCH = int(os.environ.get("BENCH_PREFETCH", "128"))
LEFT = [["LLEN", "default"], ["HLEN", "unacked"]]

app = Celery("bench", broker=URL)
app.conf.update(task_ignore_result=True, task_default_queue="default", worker_prefetch_multiplier=PREFETCH)
if SAFE:
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)


@app.task
def noop() -> None: ...


@app.task
def swallow(text: str) -> None: ...


@app.task
def nap(number: int, seconds: float) -> None:
    mark(number, 0)
    time.sleep(seconds)
    mark(number, 1)


_JOBS: dict[str, Any] = {"noop": noop, "swallow": swallow, "nap": nap}


def _worker(*options: str) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        "{bin}/celery",
        "-A",
        "bench.peers.celery_",
        "worker",
        "-l",
        "error",
        *quiet,
        "-Q",
        ",".join(QUEUES),
        *options,
    ]


MODES: dict[str, Any] = {
    "one": ([_worker("-P", "solo")], {}),
    "queues": ([_worker("-P", "solo")], {}),
    "cores": ([_worker("-P", "solo", "-n", "w{core}@h")], {}),
    "threads": ([_worker("-P", "threads", "-c", "100")], {}),
    "kill": ([_worker("-c", "{cores}")], {"BENCH_PREFETCH": "4"}),
    "safe": ([_worker("-c", "{cores}")], {"BENCH_SAFE": "1"}),
}


def single(job: str, args: tuple[Any, ...], queue: str) -> None:
    _JOBS[job].apply_async(args, queue=queue)


def bulk(job: str, rows: list[tuple[Any, ...]]) -> None:
    """It has no such call; one producer for many calls is what its manual offers."""
    with app.producer_or_acquire() as producer:
        for args in rows:
            _JOBS[job].apply_async(args, producer=producer)
