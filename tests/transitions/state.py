"""The table harness of the transitions: load a state, run operations, compare the whole keyspace.

May be in here: loading, dumping, running. May not: what a transition should do (the tests say that).

A state is a dict from key (without the prefix) to value: a list, *written from the front to the back* in both wires,
a set, a dict of scores ("leases:…", "delayed:…", "cancelled:…"), a dict of strings (any other hash), or a string.
A key that is not named is absent:

    space.load({"queue:q": ["a", "b"]})                       # "a" is reserved first
    assert space.run(queues.length(space.keys, "q")) == 2
    assert space.dump() == {"queue:q": ["a", "b"]}
"""

import time
from typing import Any

from resque.config import Settings, Wire
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.sync import SyncStore

State = dict[str, Any]

ME = "host~0a1b2c3d:77"
ID = f"{ME}:q"
OTHER = "host~99999999:78"
MINUTE = 28_000_000


class In:
    """A lease end so many seconds from the moment of comparing, give or take 2 s."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __eq__(self, score: object) -> bool:
        return isinstance(score, float) and abs(score - (time.time() + self.seconds) * 1000) < 2000

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"In({self.seconds:g})"


class Due:
    """A due time so many seconds from the moment of comparing, give or take 2 s."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __eq__(self, score: object) -> bool:
        return isinstance(score, float) and abs(score - time.time() - self.seconds) < 2

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Due({self.seconds:g})"


SCORES = ("leases:", "delayed:", "cancelled:")


class Space:
    """One namespace on one server in one wire."""

    def __init__(self, redis: Any, url: str, wire: Wire) -> None:
        self.redis = redis
        self.keys = Keys("resque", wire)
        self.store = SyncStore(Settings(redis_url=url))

    def load(self, state: State) -> None:
        """Add a state to what is there."""
        for name, value in state.items():
            key = f"resque:{name}"
            if isinstance(value, list):
                self.redis.rpush(key, *self._in_memory_order(value))
            elif isinstance(value, set):
                self.redis.sadd(key, *value)
            elif isinstance(value, dict) and name.startswith(SCORES):
                self.redis.zadd(key, value)
            elif isinstance(value, dict):
                self.redis.hset(key, mapping=value)
            else:
                self.redis.set(key, value)

    def dump(self) -> State:
        """Every key of the server. A key outside the namespace keeps its whole name."""
        return {_text(key).removeprefix("resque:"): self._value(key) for key in self.redis.keys("*")}

    def run(self, operation: Operation[Any]) -> Any:
        """One operation; its parsed result. Raises StoreError."""
        return self.store.run(operation)

    def run_all(self, operations: list[Operation[Any]]) -> list[Any]:
        """Many in one trip; each result is a value or a StoreError."""
        return self.store.run_all(operations)

    def check(self, given: State, operation: Operation[Any], result: Any, expected: State) -> None:
        """One row of a table: given -> operation -> result and state."""
        self.load(given)
        assert self.run(operation) == result
        assert self.dump() == expected

    def _value(self, key: bytes) -> Any:
        match self.redis.type(key):
            case b"list":
                return self._in_memory_order([_text(item) for item in self.redis.lrange(key, 0, -1)])
            case b"set":
                return {_text(item) for item in self.redis.smembers(key)}
            case b"zset":
                return {_text(member): score for member, score in self.redis.zrange(key, 0, -1, withscores=True)}
            case b"hash":
                return {_text(name): _text(value) for name, value in self.redis.hgetall(key).items()}
            case _:
                return _text(self.redis.get(key))

    def _in_memory_order(self, front_to_back: list[Any]) -> list[Any]:
        """Redis lists go from left to right; the front is on the right in the native wire. Its own inverse."""
        return front_to_back if self.keys.wire == "ruby" else front_to_back[::-1]


def _text(value: bytes) -> str:
    return value.decode()
