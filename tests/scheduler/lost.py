"""Jobs of a worker that is gone, and what a supervisor reports of it.

May be in here: payloads, reports, time that passes. May not: asserts.
"""

import json
from typing import Any

from resque.payload.payload import mark_of
from resque.scheduler.recovery import Recovery, Report
from resque.store.scripts import Script
from tests.scheduler.conftest import GONE, Stage

LEASE = 20.0
ID = "0193f0aa-1234-7abc-8def-0123456789ab"


def job(number: int, crashes: int | None = None, *, name: str = "Count") -> bytes:
    """A job of our own clients: it brings its id."""
    tries = "" if crashes is None else f',"tries":{{"attempt":1,"crashes":{crashes}}}'
    meta = f'"meta":{{"id":"{ID}","queue":"q","enqueued_at":1795485321.5}}'
    return f'{{"class":"{name}","args":[{number}],{meta}{tries}}}'.encode()


def report(*started: bytes, member: str = GONE, queues: tuple[str, ...] = ("q",)) -> Report:
    return Report(member, f"{member}:q", queues, tuple(mark_of(raw) for raw in started), "signal 9 (SIGKILL)")


def sha(name: str) -> bytes:
    return Script(name).sha("modern").encode()


def failures(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(record) for record in stage.redis.lrange("resque:failed", 0, -1)]


def let_time_pass(recovery: Recovery, *times: float) -> None:
    for now in times:
        recovery.tick(now)
