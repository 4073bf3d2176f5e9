"""Tally: what the demo's jobs write down in Redis, each note so that writing it twice is the same as once.

May be in here: the demo's own two keys. May not: Resque's keys (watch.py), sums (report.py).

    demo:report   hash: path -> numbers as JSON. A file that was counted twice has one entry all the same.
    demo:runs     hash: path -> how often its counting was begun. The one thing that repeats show up in.
"""

from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from resque.dev.demo.numbers import FileNumbers

REPORT, RUNS = "demo:report", "demo:runs"
_TIMEOUT = 5.0


def connect(url: str) -> Any:
    """A client that does what it is told once: a repeated HINCRBY would count a run that never was."""
    return redis.Redis.from_url(url, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0))


class Tally:
    """The notes. Raises redis.RedisError when they cannot be written or read."""

    def __init__(self, url: str) -> None:
        self._redis = connect(url)

    def begun(self, path: str) -> None:
        """The counting of a file begins (again)."""
        self._redis.hincrby(RUNS, path, 1)

    def put(self, path: str, numbers: FileNumbers) -> None:
        """A file's numbers, once and for all."""
        self._redis.hset(REPORT, path, msgspec.json.encode(numbers))

    def runs(self) -> dict[str, int]:
        """Path -> how often its counting was begun."""
        return {path.decode(): int(times) for path, times in self._redis.hgetall(RUNS).items()}

    def numbers(self) -> dict[str, FileNumbers | None]:
        """Path -> its numbers; None for an entry that cannot be read."""
        return {path.decode(): _read(entry) for path, entry in self._redis.hgetall(REPORT).items()}

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _read(entry: bytes) -> FileNumbers | None:
    try:
        return msgspec.json.decode(entry, type=FileNumbers)
    except msgspec.DecodeError:
        return None
