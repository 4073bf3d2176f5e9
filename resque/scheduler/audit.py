"""Audit: what lies in Redis gets back the receipt that it lost.

An in-flight list without a lease is seen by no recoverer; a queue whose name is missing by no `*` worker. Ruby's
remove_queue and a restored backup can do that. Once a minute the keyspace is read, some steps at a tick.

May be in here: finding and completing. May not: moving jobs.
"""

from collections.abc import Iterable
from typing import Literal

from resque import events
from resque.config import Settings
from resque.errors import StoreError
from resque.store import inflight, namespace, queues
from resque.store.keys import Keys
from resque.store.sync import SyncStore

_STEPS = 20


class Audit:
    """The duty."""

    name = "audit"

    def __init__(self, store: SyncStore, keys: Keys, holder: str, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._holder = holder
        self._lease = settings.lease
        self._period = settings.lease * 3
        self._cursor: int | None = None
        self._kinds: list[Literal["list", "zset"]] = []

    def tick(self, now: float) -> float:
        """Some steps of the round. Returns when to go on: soon within a round, a minute after it."""
        if self._cursor is None:
            if not self._store.run(namespace.take_duty(self._keys, self.name, self._holder, self._period * 0.9)):
                return self._period
            self._cursor, self._kinds = 0, ["list", "zset"]
        for _ in range(_STEPS):
            self._cursor, found = self._store.run(inflight.scan(self._keys, self._kinds[0], self._cursor))
            if self._kinds[0] == "list":
                self._complete(found)
            else:
                self._name(self._keys.parse_delayed(key) for key in found)
            if self._cursor == 0:
                del self._kinds[0]
            if not self._kinds:
                self._cursor = None
                return self._period
        return 0.1

    def _complete(self, found: list[str]) -> None:
        self._name(map(self._keys.parse_queue, found))
        pairs = [pair for pair in map(self._keys.parse_inflight, found) if pair is not None]
        answers = self._store.run_all([inflight.audit(self._keys, q, w, self._lease) for q, w in pairs])
        for (queue, _), answer in zip(pairs, answers, strict=True):
            if isinstance(answer, StoreError):
                events.emit("loop.failed", loop=self.name, error=answer)
            elif any(answer):
                events.emit("audit.repaired", queue=queue, what="a name or a lease of jobs in flight")

    def _name(self, found: Iterable[str | None]) -> None:
        """Queues that hold jobs are known."""
        named = [queue for queue in found if queue is not None]
        answers = self._store.run_all([queues.name(self._keys, queue) for queue in named])
        for queue, new in zip(named, answers, strict=True):
            if new and not isinstance(new, StoreError):
                events.emit("audit.repaired", queue=queue, what="the queue's name")
