"""Fixtures: a console, and a namespace to look at.

May be in here: filling a namespace with the product's own means. May not: expectations.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from resque.admin.console import Console
from resque.config import Settings, Wire
from resque.payload import codec, failure
from resque.payload.payload import Meta
from resque.store.keys import Keys


class Shop:
    """A namespace that a test fills."""

    def __init__(self, redis: Any, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        redis.set(keys.marker(), keys.wire)

    def push(self, queue: str, raw: bytes) -> bytes:
        """A waiting job at the back of its queue."""
        self.redis.sadd(self.keys.queues(), queue)
        getattr(self.redis, self.keys.direction.push_back.lower())(self.keys.queue(queue), raw)
        return raw

    def fail(self, raw: bytes, queue: str = "mail", error: str = "no", **facts: Any) -> bytes:
        """A record in failed, as the newest."""
        record = failure.record(raw, "ValueError", error, [], failed_at=1.0, worker="w", queue=queue, **facts)
        return self.fail_raw(record)

    def fail_raw(self, record: bytes) -> bytes:
        """The same, whatever the bytes."""
        getattr(self.redis, self.keys.direction.push_back.lower())(self.keys.failed(), record)
        return record

    def waiting(self, queue: str) -> list[bytes]:
        """The jobs of a queue, the next first."""
        found: list[bytes] = self.redis.lrange(self.keys.queue(queue), 0, -1)
        return found if self.keys.direction.front == "LEFT" else found[::-1]

    def failed(self) -> int:
        """How many records there are."""
        return int(self.redis.llen(self.keys.failed()))


def payload(number: int, *args: Any, queue: str = "mail", at: float = 1000.0) -> bytes:
    """The bytes of a job with the id job-<number>."""
    return codec.encode("SendMail", args, {}, Meta(f"job-{number}", queue, at), limit=1 << 20)


@pytest.fixture(params=["native", "ruby"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Both directions."""
    found: Wire = request.param
    return found


@pytest.fixture
def shop(redis: Any, wire: Wire) -> Shop:
    """An empty namespace that is marked."""
    return Shop(redis, Keys("resque", wire))


@pytest.fixture
def console(url: str) -> Iterator[Console]:
    """A console that is told nothing but where Redis is."""
    with Console(Settings(redis_url=url)) as console:
        yield console
