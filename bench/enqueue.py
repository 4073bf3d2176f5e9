"""Enqueueing from one process: one at a time, and in bulk; beside bare redis-py sending the same two commands."""

import time
from collections.abc import Callable
from typing import Any

import redis

from bench.jobs import NoOp, Order
from bench.result import Result, median
from resque.app import Resque, configure
from resque.dev.server import Server
from resque.payload import codec
from resque.payload.payload import Meta

CALLS = 5_000
ROUNDS = 7


def run(server: Server) -> list[Result]:
    """The four in turn, round after round, so that noise hits them alike."""
    configure(server.url)
    app = Resque(server.url)
    client: Any = redis.Redis.from_url(server.url)
    payload = codec.encode("Order", [1, "x"], {}, Meta("0" * 36, "noop", 1.5), limit=10_000)

    def ours() -> None:
        for _ in range(CALLS):
            Order.enqueue(1, "x")

    def bare() -> None:
        for _ in range(CALLS):
            pipe = client.pipeline(transaction=False)
            pipe.sadd("resque:queues", "noop")
            pipe.lpush("resque:queue:noop", payload)
            pipe.execute()

    def direct() -> None:
        connection = client.connection_pool.get_connection()
        for _ in range(CALLS):
            packed = connection.pack_commands(
                [("SADD", "resque:queues", "noop"), ("LPUSH", "resque:queue:noop", payload)]
            )
            connection.send_packed_command(packed)
            connection.read_response()
            connection.read_response()
        client.connection_pool.release(connection)

    def bulk() -> None:
        app.enqueue_many(*(Order.call(1, "x") for _ in range(CALLS * 4)))

    def bulk_noop() -> None:
        NoOp.enqueue_many([() for _ in range(CALLS * 4)])

    speeds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, act, count in (
            ("ours", ours, CALLS),
            ("bare", bare, CALLS),
            ("direct", direct, CALLS),
            ("bulk", bulk, CALLS * 4),
            ("bulk_noop", bulk_noop, CALLS * 4),
        ):
            speeds.setdefault(name, []).append(count / timed(act))
            client.flushall()
    ratio = median([a / b for a, b in zip(speeds["ours"], speeds["bare"], strict=True)])
    best = median([a / b for a, b in zip(speeds["direct"], speeds["bare"], strict=True)])
    return [
        Result("enqueue, one at a time", median(speeds["ours"]), "calls/s"),
        Result("  bare redis-py, the same two commands", median(speeds["bare"]), "calls/s"),
        Result("  enqueue / bare redis-py", ratio * 100, "%", "≥ 110", f"redis-py's Connection directly: {best:.0%}"),
        Result("enqueue_many, (int, str)", median(speeds["bulk"]), "jobs/s", "≥ 150,000"),
        Result("enqueue_many, no arguments", median(speeds["bulk_noop"]), "jobs/s", "≥ 150,000"),
    ]


def timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
