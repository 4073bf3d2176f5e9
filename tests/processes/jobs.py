"""Jobs that the process tests run. They write what they did into Redis, directly, past any fault proxy.

May be in here: jobs and the client that they use. May not: asserts.
"""

import asyncio
import os
import signal
import threading
import time
from functools import cache
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import resque
from resque import current_job
from resque.errors import JobTimeout
from tests.processes.launch import obey, stand_still
from tests.processes.once import Job


@cache
def client() -> Any:
    # Repeats by itself, unlike everything of ours: the tests count who ran, while they kill connections and servers.
    retry = Retry(ConstantBackoff(0.05), 200)
    return redis.Redis.from_url(os.environ["TEST_REDIS_URL"], retry=retry, socket_timeout=5)


_beside: list[int] = []
"""The numbers of the Count jobs that sleep in this process."""


def _running() -> int:
    return len(_beside)


class Count(Job):
    """Counts its executions by number."""

    queue = "work"

    def perform(self, number: int, seconds: float = 0.0) -> None:
        if seconds:
            _beside.append(number)
            time.sleep(seconds)
            _beside.remove(number)
        client().hincrby("executions", str(number), 1)


class CountBurning(Job):
    """The same, without giving up the interpreter for a while."""

    queue = "work"

    def perform(self, number: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        client().hincrby("executions", str(number), 1)


class HoldTheInterpreter(Job):
    """C code that never releases the GIL, for about `seconds`."""

    queue = "work"

    def perform(self, number: int, size: int) -> None:
        client().hset("running", str(number), os.getpid())
        10**size  # one bytecode: no signal handler, no other thread runs meanwhile
        client().hincrby("executions", str(number), 1)


class KillMe(Job):
    """Kills its process every time."""

    queue = "work"

    def perform(self) -> None:
        client().incr("kills")
        os.kill(os.getpid(), signal.SIGKILL)


class Boom(Job):
    queue = "work"

    def perform(self, number: int) -> None:
        client().hincrby("executions", str(number), 1)
        raise ValueError(f"no {number}")


class Alone(Job):
    """Notes how many others ran beside it."""

    queue = "work"
    alone = True

    def perform(self, number: int) -> None:
        before = _running()
        time.sleep(0.02)
        client().rpush("company", max(before, _running()))
        client().hincrby("executions", str(number), 1)


class Echo(Job):
    """Takes anything."""

    queue = "bad"

    def perform(self, /, *args: Any, **kwargs: Any) -> None:
        client().incr("echoed")


class Ping(Job):
    """Says when it ran."""

    queue = "ping"

    def perform(self, name: str) -> None:
        client().rpush("pings", f"{name}|{time.time()}")


class Late(Job):
    """Sleeps longer than it may."""

    queue = "work"
    timeout = 0.3

    def perform(self, number: int, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 5.0 if threading.current_thread() is threading.main_thread() else 0.05))


class LateAsync(Job):
    queue = "work"
    timeout = "300ms"

    async def perform(self, number: int) -> None:
        try:
            await asyncio.sleep(20)
        finally:
            client().incr("tidied")


class Tidy(Job):
    queue = "work"
    timeout = 0.3

    def perform(self, number: int) -> None:
        try:
            time.sleep(20)
        except JobTimeout:
            client().incr("tidied")


class Deaf(Job):
    """Does not heed its timeout."""

    queue = "work"
    timeout = 0.3

    def perform(self, number: int) -> None:
        while True:
            try:
                time.sleep(1)
            except JobTimeout:
                continue


class HoldTheInterpreterInTime(Job):
    queue = "work"
    timeout = 0.3

    def perform(self, number: int) -> None:
        client().set("power", len(str(10**20_000_000)))


class Trace(Job):
    """Leaves its id when it begins and when it ends."""

    queue = "work"

    def perform(self, number: int, seconds: float = 0.0, fails: bool = False) -> None:
        trace("begun")
        time.sleep(seconds)
        trace("ended")
        if fails:
            raise ValueError(f"no {number}")


class Spread(Job):
    """Enqueues others, all in one push, through the client of its own process."""

    queue = "work"

    def perform(self, numbers: list[int]) -> None:
        trace("begun")
        resque.enqueue_many(*(Trace.call(number) for number in numbers))
        trace("ended")


class Stand(Job):
    """Stands still at its beginning, or when it has done everything, until the test says how it goes on."""

    queue = "work"

    def perform(self, at_the_end: bool) -> None:
        trace("begun")
        if not at_the_end:
            obey(stand_still())
        trace("ended")
        if at_the_end:
            obey(stand_still())


class Patient(Job):
    """Runs until the test opens the door."""

    queue = "work"

    def perform(self) -> None:
        trace("begun")
        while not client().exists("door"):
            time.sleep(0.01)
        trace("ended")


def trace(what: str) -> None:
    """The id of the job that runs, at the end of the list `begun` or `ended`."""
    job = current_job()
    assert job is not None
    client().rpush(what, job.id)
