"""From the call of enqueue to the start of perform, with an idle worker that waits on 5 queues."""

import os
import tempfile
import time
from pathlib import Path

from bench.jobs import Stamp
from bench.result import Result
from bench.workers import supervisor, workers
from resque.app import configure
from resque.dev.server import Server

JOBS = 300


def run(server: Server) -> list[Result]:
    configure(server.url)
    with tempfile.TemporaryDirectory() as folder, supervisor(server, "-q", "q1,q2,q3,q4,q5") as parent:
        path = Path(folder) / "stamps"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDWR)
        workers(parent, server)
        delays = sorted(one(str(path), reader) for _ in range(JOBS))[: JOBS - 1]
        os.close(reader)
    return [
        Result("idle pick-up on 5 queues, p50", delays[len(delays) // 2] * 1000, "ms", "< 1"),
        Result("idle pick-up on 5 queues, p99", delays[int(len(delays) * 0.99)] * 1000, "ms"),
    ]


def one(path: str, reader: int) -> float:
    time.sleep(0.01)
    began = time.perf_counter()  # the same clock in all processes of a machine
    Stamp.enqueue(path)
    return float(os.read(reader, 100)) - began
