"""Fixtures of the duties' tests: a `stage` with in-flight jobs of workers that are gone."""

from collections.abc import Callable
from typing import Any

import pytest

from resque.config import Settings, Wire
from resque.scheduler.recovery import Recovery
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.sync import SyncStore

GONE = "vm~dead:11"


class Stage:
    """A server with jobs in flight, and duties that are driven by ticks with a chosen time. The lease is 20 s."""

    def __init__(self, redis: Any, url: str, wire: Wire, upstream: Any = None) -> None:
        self.redis = redis
        self.settings = Settings(redis_url=url, wire=wire, lease=20.0)
        self.keys = Keys("resque", wire)
        self.store = SyncStore(self.settings)
        self.marks: list[bytes | None] = []
        redis.set(self.keys.marker(), wire)

    def now_ms(self) -> int:
        """The server's clock."""
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def hold(self, *payloads: bytes, queue: str = "q", member: str = GONE, ends_in: float = -1.0) -> None:
        """`member` has reserved these, in this order; its lease ends in so many seconds."""
        self.redis.sadd(self.keys.queues(), queue)
        self.redis.zadd(self.keys.leases(queue), {member: self.now_ms() + round(ends_in * 1000)})
        if payloads:
            push = self.keys.direction.push_back
            self.redis.execute_command(push, self.keys.inflight(queue, member), *payloads)

    def wait(self, *payloads: bytes, queue: str = "q") -> None:
        """These wait in the queue, in this order."""
        self.redis.execute_command(self.keys.direction.push_back, self.keys.queue(queue), *payloads)

    def waiting(self, queue: str = "q") -> list[bytes]:
        """In reserve order."""
        return self._in_order(self.keys.queue(queue))

    def held(self, queue: str = "q", member: str = GONE) -> list[bytes]:
        """In reserve order."""
        return self._in_order(self.keys.inflight(queue, member))

    def inflight(self) -> int:
        """How many jobs are in flight, whoever holds them."""
        return sum(self.redis.llen(key) for key in self.redis.keys("resque:inflight:*"))

    def lease(self, member: str = GONE, queue: str = "q") -> float | None:
        """When it ends, in ms."""
        score: float | None = self.redis.zscore(self.keys.leases(queue), member)
        return score

    def recovery(self, name: str = "r", store: SyncStore | None = None) -> Recovery:
        """A recoverer with a name of its own."""
        who = Identity(f"vm~{name}:1", f"vm~{name}:1:scheduler")
        return Recovery(store or self.store, self.keys, who, self.settings, self.marks.append)

    def _in_order(self, key: str) -> list[bytes]:
        found: list[bytes] = self.redis.lrange(key, 0, -1)
        return found if self.keys.wire == "ruby" else found[::-1]


@pytest.fixture(params=["native", "ruby"])
def stage(request: pytest.FixtureRequest, redis: Any, url: str) -> Any:
    """In both wire directions."""
    stage = Stage(redis, url, request.param)
    yield stage
    stage.store.close()


@pytest.fixture
def native(redis: Any, url: str) -> Any:
    """For what has nothing to do with order."""
    stage = Stage(redis, url, "native")
    yield stage
    stage.store.close()


@pytest.fixture
def through(native: Stage) -> Any:
    """through(proxy.url) -> a store whose conversation a test can break."""
    stores: list[SyncStore] = []

    def make(url: str) -> SyncStore:
        stores.append(SyncStore(Settings(redis_url=url, wire="native", lease=20.0)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


MakeStore = Callable[[str], SyncStore]
