"""No-op jobs drained by one worker process, settled as always. Start-up is left out: the last 80 % count."""

import time
from typing import Any

import redis

from bench.jobs import NoOp, Order
from bench.result import Result, median
from bench.workers import cpu, supervisor, workers
from resque.app import Resque
from resque.dev.server import Server

JOBS = 400_000
RUNS = 3


def run(server: Server) -> list[Result]:
    return [
        measure(server, "drain no-op jobs, 1 process", [NoOp.call()], "≥ 100,000"),
        measure(server, "drain jobs with (int, str), 1 process", [Order.call(1, "x")], ""),
    ]


def measure(server: Server, what: str, call: list[Any], aim: str) -> Result:
    runs = [once(server, call) for _ in range(RUNS)]
    speeds, costs = [speed for speed, _ in runs], [cost for _, cost in runs]
    note = f"runs {', '.join(f'{speed:,.0f}' for speed in speeds)}; {median(costs):.1f} µs CPU of the worker a job"
    return Result(what, median(speeds), "jobs/s", aim, note)


def once(server: Server, call: list[Any]) -> tuple[float, float]:
    client: Any = redis.Redis.from_url(server.url)
    client.flushall()
    app = Resque(server.url)
    for _ in range(0, JOBS, 10_000):
        app.enqueue_many(*(call * 10_000))
    with supervisor(server, "-q", "noop") as parent:
        (worker,) = workers(parent, server)
        marks = []
        while not marks or marks[-1][1] < JOBS:
            marks.append((time.perf_counter(), int(client.get("resque:stat:processed") or 0)))
            time.sleep(0.005)
        cost = cpu(worker) / JOBS * 1_000_000
    began, first = next(mark for mark in marks if mark[1] >= JOBS / 5)
    return (JOBS - first) / (marks[-1][0] - began), cost
