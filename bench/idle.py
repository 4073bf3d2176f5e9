"""What an idle worker costs: CPU of its process, commands a second on the server (scripts' inner calls count, too)."""

import time
from typing import Any

import redis

from bench.result import Result
from bench.workers import cpu, supervisor, workers
from resque.dev.server import Server

SECONDS = 30.0
QUEUES = "q1,q2,q3,q4,q5"


def run(server: Server) -> list[Result]:
    client: Any = redis.Redis.from_url(server.url)
    with supervisor(server, "-q", QUEUES) as parent:
        (worker,) = workers(parent, server)
        time.sleep(3)
        processes = [parent, *parent.children()]
        before, worker_before = [cpu(process) for process in processes], cpu(worker)
        commands = count(client)
        time.sleep(SECONDS)
        asked = (count(client) - commands - 1) / SECONDS
        used = (cpu(worker) - worker_before) / SECONDS * 100
        whole = sum(cpu(process) - b for process, b in zip(processes, before, strict=True)) / SECONDS * 100
        memory = sum(process.memory_info().rss for process in processes) / 1024 / 1024
    return [
        Result("idle worker on 5 queues, its process", used, "% CPU", "< 1"),
        Result("  with supervisor and scheduler", whole, "% CPU", "", f"{memory:.0f} MiB resident in 3 processes"),
        Result("  commands on the server", asked, "/s", "≤ 1 + queues/2 = 3.5"),
    ]


def count(client: Any) -> int:
    return int(client.info("stats")["total_commands_processed"])
