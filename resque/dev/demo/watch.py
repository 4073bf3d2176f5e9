"""Watch: what the demo sees of its own Resque: how far the jobs are, who works, what each holds, what has failed.

May be in here: reading Resque's keys. May not: writing anything, judging it (report.py).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from resque.app import Resque
from resque.dev.demo.jobs import FoldNumbers, IndexFile
from resque.dev.demo.tally import REPORT, connect

QUEUES = (IndexFile.queue, FoldNumbers.queue)


@dataclass(frozen=True, slots=True)
class State:
    """How far it is: files that are counted or failed, and whether any job still waits or is in flight."""

    done: int
    waiting: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class FailedFile:
    """One failure record of the demo."""

    id: str
    path: str
    error: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A registered worker process."""

    id: str
    member: str
    pid: int


class _Payload(msgspec.Struct):
    args: list[Any]


class _Record(msgspec.Struct):
    id: str
    payload: _Payload
    exception: str
    error: str


class Watch:
    """Looks at the namespace of `app`. Raises redis.RedisError when the server does not answer."""

    def __init__(self, app: Resque) -> None:
        self._keys = app.client.keys()
        self._pattern = f"{app.settings.prefix}:inflight:*"
        self._redis = connect(app.settings.redis_url)

    def state(self) -> State:
        """All of it at one moment: read one by one, a job that moves on might be seen nowhere, or twice."""
        look = self._redis.pipeline(transaction=True)
        for queue in QUEUES:
            look.llen(self._keys.queue(queue))
        look.keys(self._pattern)  # few keys, and nobody else's server
        look.hlen(REPORT)
        look.llen(self._keys.failed())
        *waiting, inflight, counted, failed = look.execute()
        return State(counted + failed, sum(waiting), not sum(waiting) and not inflight)

    def workers(self) -> list[Seen]:
        """Who is registered. An id is `host~nonce:pid:queues`."""
        ids = sorted(id.decode() for id in self._redis.smembers(self._keys.workers()))
        return [Seen(id, ":".join(id.split(":")[:2]), int(id.split(":")[1])) for id in ids]

    def held(self, worker: Seen) -> int:
        """How many jobs a worker process has in flight."""
        look = self._redis.pipeline()
        for queue in QUEUES:
            look.llen(self._keys.inflight(queue, worker.member))
        return sum(look.execute())

    def failures(self) -> list[FailedFile]:
        """The records of failed jobs, oldest first or newest first as the namespace keeps them."""
        records = [msgspec.json.decode(each, type=_Record) for each in self._redis.lrange(self._keys.failed(), 0, -1)]
        return [FailedFile(r.id, str(r.payload.args[0]), f"{r.exception}: {r.error}") for r in records]

    def total(self, name: str) -> int:
        """A counter: processed, failed."""
        return int(self._redis.get(self._keys.stat(name)) or 0)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
