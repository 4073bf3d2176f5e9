"""A supervisor as a child, for the scenarios: started, measured, stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import redis

from resque.dev.server import Server


@contextmanager
def supervisor(server: Server, *options: str) -> Iterator[psutil.Process]:
    """`resque worker -A bench.jobs …` for the length of the block."""
    command = [sys.executable, "-m", "resque", "worker", "-A", "bench.jobs", "--log-level", "error", *options]
    environment = {**os.environ, "RESQUE_REDIS_URL": server.url}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def workers(parent: psutil.Process, server: Server) -> list[psutil.Process]:
    """Its worker processes, as soon as they have registered."""
    client: Any = redis.Redis.from_url(server.url)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pids = [int(member.split(b":")[1]) for member in client.smembers("resque:workers")]
        if pids:
            return [child for child in parent.children() if child.pid in pids]
        time.sleep(0.02)
    raise RuntimeError("no worker process came up")


def cpu(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return times.user + times.system
