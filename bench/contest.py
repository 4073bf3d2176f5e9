"""The scenarios in which the peers take part, each as one measurement of one contestant; the rounds are in rounds.py.

May be in here: measuring. May not: tables, ratios (report.py), kill -9 (kills.py).
Each returns {name of a figure: value}; a figure that a peer cannot have is left out.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from bench.contestant import CORES, Contestant, until
from bench.environments import OURS
from resque.dev.server import Server

Figures = dict[str, float]
WINDOW = 1.5
IDLE = 8.0


def enqueue(name: str, server: Server) -> Figures:
    """One producer: one by one, and in bulk; 100 KB, too."""
    with Contestant(name, server.url) as it:
        it.ask("one", "noop", 50)
        figures = {"enqueue one": 1500 / it.ask("one", "noop", 1500)["seconds"]}
        if it.facts["bulk"]:
            count = 50_000 if name == OURS else 3000
            figures["enqueue bulk"] = count / it.ask("bulk", "noop", count)["seconds"]
        figures["enqueue 100 KB"] = 300 / it.ask("one", "swallow", 300, size=100_000)["seconds"]
    return figures


def drain(name: str, server: Server) -> Figures:
    """One process; with what it costs in commands, bytes and memory."""
    return _drain(name, server, "one", "drain 1 process", costs=True)


def drain_all(name: str, server: Server) -> Figures:
    return _drain(name, server, "cores", f"drain {CORES} processes")


def drain_large(name: str, server: Server) -> Figures:
    return _drain(name, server, "one", "drain 100 KB", size=100_000)


def fork(name: str, server: Server) -> Figures:
    return _drain(name, server, "fork", "drain, a fork a job")


def distance_1(name: str, server: Server) -> Figures:
    return _distance(name, server, 1)


def distance_2(name: str, server: Server) -> Figures:
    return _distance(name, server, 2)


def _distance(name: str, server: Server, milliseconds: int) -> Figures:
    with longer_way(server, milliseconds) as url:
        with Contestant(name, url) as it:
            it.ask("one", "noop", 20)
            figures = {f"enqueue one, +{milliseconds} ms": 100 / it.ask("one", "noop", 100)["seconds"]}
        server_flush(server)
        return {**figures, **_drain(name, server, "one", f"drain 1 process, +{milliseconds} ms", way=url)}


@contextmanager
def longer_way(server: Server, milliseconds: int) -> Iterator[str]:
    """The URL of the delaying proxy."""
    line = [sys.executable, "-m", "bench.delay", str(server.port), str(milliseconds)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"redis://127.0.0.1:{int(process.stdout.readline())}/0"
    finally:
        process.kill()
        process.wait()


def server_flush(server: Server) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def _drain(
    name: str, server: Server, mode: str, figure: str, *, size: int = 0, costs: bool = False, way: str = ""
) -> Figures:
    """Jobs wait, then workers start; their start is left out: from a tenth of the jobs until all, at most WINDOW."""
    with Contestant(name, server.url) as it:
        if not it.has(mode):
            return {}
        processes = CORES if mode == "cores" else 1
        total = int(it.facts["speed"] * processes * (WINDOW + 0.7)) if mode != "fork" else 500
        total = min(total, 4000) if size else total
        it.ask("bulk", "swallow" if size else "noop", total, size=size)
        it.start(mode, way)
        first = max(1, total // 10)
        if not until(lambda: it.done(total) >= first, 25):
            raise RuntimeError(f"{name} {figure}: does not begin. {it.log_end()}")
        began, at, info = time.perf_counter(), it.done(total), it.client.info("stats")
        polls = 0
        while (now := it.done(total)) < total and time.perf_counter() - began < WINDOW:
            time.sleep(0.003)
            polls += 1
        seconds = time.perf_counter() - began
        figures = {figure: (now - at) / seconds} if now > at else {}
        if costs:
            figures |= _costs(it, info, now - at, polls)
        return figures


def _costs(it: Contestant, before: dict[str, Any], jobs: int, polls: int) -> Figures:
    after = it.client.info("stats")
    asked = after["total_commands_processed"] - before["total_commands_processed"] - polls - 2
    keys = ("total_net_input_bytes", "total_net_output_bytes")
    moved = sum(after[key] - before[key] for key in keys) - polls * 50 - 6000
    return {"commands a job": asked / jobs, "bytes a job": moved / jobs, "memory, busy": it.memory()}


def sleeps_threads(name: str, server: Server) -> Figures:
    return _sleeps(name, server, "threads", "nap", "2,000 × 10 ms, 100 threads")


def sleeps_async(name: str, server: Server) -> Figures:
    return _sleeps(name, server, "async", "anap", "2,000 × 10 ms, 100 coroutines")


def _sleeps(name: str, server: Server, mode: str, job: str, figure: str) -> Figures:
    """From the first start to the last end, as the jobs themselves stamp it."""
    with Contestant(name, server.url) as it:
        if not it.has(mode, job):
            return {}
        it.ask("bulk", job, 2000, args=[0, 0.01])
        it.start(mode)
        if not until(lambda: len(it.records()) >= 4000, 30, 0.02):
            raise RuntimeError(f"{name} {figure}: {len(it.records())} records. {it.log_end()}")
        times = [moment for _, _, moment in it.records()]
        return {figure: max(times) - min(times)}


def pickup(name: str, server: Server) -> Figures:
    """1, 5 and 20 queues; with 5 (or the one it can watch) also what it costs to be idle."""
    figures: Figures = {}
    for count in (1, 5, 20):
        names = [f"q{number}" for number in range(count)] if count > 1 else ["default"]
        with Contestant(name, server.url, ",".join(names)) as it:
            mode = "one" if count == 1 else "queues"
            if not it.has(mode):
                continue
            figures |= _pickup(it, mode, names[count // 2], count)
    return figures


def _pickup(it: Contestant, mode: str, queue: str, count: int) -> Figures:
    it.stamps.unlink()
    os.mkfifo(it.stamps)
    it.start(mode)
    it.ask("pickup", it.nap(), 10, queue=queue)
    time.sleep(0.5)
    delays = sorted(it.ask("pickup", it.nap(), 100, queue=queue)["delays"])
    return {
        f"pick-up p50, {count} queues": delays[len(delays) // 2] * 1000,
        f"pick-up p99, {count} queues": delays[int(len(delays) * 0.99)] * 1000,
    }


def idle(name: str, server: Server) -> Figures:
    """A worker of one process on five queues (or the one that it can watch) that has nothing to do."""
    with Contestant(name, server.url, "q0,q1,q2,q3,q4") as it:
        mode = "queues" if it.has("queues") else "one"
        it.start(mode)
        time.sleep(4)
        cpu, commands = it.seconds(), it.client.info("stats")["total_commands_processed"]
        time.sleep(IDLE)
        used = (it.seconds() - cpu) / IDLE * 100
        asked = (it.client.info("stats")["total_commands_processed"] - commands - 1) / IDLE
        return {"idle CPU, all its processes": used, "idle commands": asked, "memory, idle": it.memory()}


def bare(_: str, server: Server) -> Figures:
    """The bare loop and the bare fork-run-wait loop, in the same rounds."""
    with Contestant(OURS, server.url) as it:
        it.ask("bulk", "noop", 400_000)
        line = [sys.executable, "-m", "bench.bare"]
        loop = subprocess.run([*line, "loop", server.url, "resque:queue:default"], capture_output=True, check=True)
        forks = subprocess.run([*line, "fork", "400"], capture_output=True, check=True).stdout.split()
    return {"bare loop": float(loop.stdout), "bare fork, run, wait": float(forks[0])}


SCENARIOS: dict[str, Callable[[str, Server], Figures]] = {
    "enqueue": enqueue,
    "drain": drain,
    "drain-all": drain_all,
    "fork": fork,
    "sleeps-threads": sleeps_threads,
    "sleeps-async": sleeps_async,
    "pickup": pickup,
    "large": drain_large,
    "idle": idle,
    "distance-1": distance_1,
    "distance-2": distance_2,
}
