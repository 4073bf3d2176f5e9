"""Runs in a peer's environment: enqueues what it is told to on its standard input, and says how long that took.

May be in here: the standard library and bench/peers. May not: our package, Redis.

    python -m bench.producer rq      <- {"do": "one", "job": "nap", "count": 100, "args": [0, 0.01]}
                                     -> {"seconds": 0.21}
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import time
from typing import Any

from bench.peers.stamp import RECORD


def main(name: str) -> None:
    """Describe the peer in one line, then obey line by line."""
    peer: Any = importlib.import_module(f"bench.peers.{name}_")
    facts = {key.lower(): getattr(peer, key, None) for key in ("SPEED", "LEFT", "DONE", "MODES")}
    say({**facts, "jobs": sorted(peer._JOBS), "bulk": hasattr(peer, "bulk")})
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            order = json.loads(line)
            act = {"one": one, "bulk": bulk, "pickup": pickup}[order.pop("do")]
            say(runner.run(act(peer, **order)))


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def rows_of(count: int, args: list[Any], size: int) -> list[tuple[Any, ...]]:
    """A size makes one text of that length; a first argument of 0 is replaced by the row's number."""
    if size:
        return [("x" * size,)] * count
    return [(number, *args[1:]) for number in range(count)] if args else [()] * count


async def one(
    peer: Any, job: str, count: int, args: list[Any] = (), size: int = 0, queue: str = "default"
) -> dict[str, Any]:
    """One call a job, one after another."""
    rows, single = rows_of(count, args, size), peer.single
    if not inspect.iscoroutinefunction(single):
        began = time.perf_counter()
        for row in rows:
            single(job, row, queue)
        return {"seconds": time.perf_counter() - began}
    await single(job, rows[0], queue)  # opens its connection
    began = time.perf_counter()
    for row in rows[1:]:
        await single(job, row, queue)
    return {"seconds": (time.perf_counter() - began) * count / max(1, count - 1)}


async def bulk(peer: Any, job: str, count: int, args: list[Any] = (), size: int = 0) -> dict[str, Any]:
    """The peer's own call for many; a peer that has none enqueues one by one."""
    if not hasattr(peer, "bulk"):
        return await one(peer, job, count, args, size)
    rows = rows_of(count, args, size)
    began = time.perf_counter()
    for begin in range(0, count, 10_000):
        done = peer.bulk(job, rows[begin : begin + 10_000])
        if inspect.isawaitable(done):
            await done
    return {"seconds": time.perf_counter() - began}


async def pickup(peer: Any, job: str, count: int, queue: str = "default") -> dict[str, Any]:
    """From the call to the start of the job on an idle worker; the job writes its start into a pipe."""
    reader, delays = os.open(os.environ["BENCH_STAMPS"], os.O_RDWR), []
    for _ in range(count):
        await asyncio.sleep(0.007)
        began = time.perf_counter()
        done = peer.single(job, (0, 0.0), queue)
        if inspect.isawaitable(done):
            await done
        _, _, started = RECORD.unpack(os.read(reader, RECORD.size))
        os.read(reader, RECORD.size)
        delays.append(started - began)
    os.close(reader)
    return {"delays": delays}


if __name__ == "__main__":
    main(sys.argv[1])
