"""The two clients behind one face, so that one suite holds both to one behaviour.

May be in here: the faces. May not: what a client should do (test_clients.py, test_client_faults.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from resque.app import Resque
from resque.client.handle import Handle
from resque.config import Settings
from resque.jobs.definition import Call
from resque.store.keys import Keys
from tests.store.drivers import in_threads


class SyncDoor:
    """The blocking half of an app."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.app = Resque(url, **settings)

    @property
    def settings(self) -> Settings:
        return self.app.settings

    def enqueue(self, call: Call[Any]) -> Handle[Any]:
        return self.app.client.enqueue(call)

    def enqueue_many(self, calls: Sequence[Call[Any]]) -> list[Handle[Any]]:
        return self.app.enqueue_many(*calls)

    def by_name(self, job: str, *args: Any, **options: Any) -> Handle[Any]:
        return self.app.enqueue(job, *args, **options)

    def keys(self) -> Keys:
        return self.app.client.keys()

    def after_fork(self) -> None:
        """What a program has to do in a forked child: nothing."""

    def in_threads(self, count: int, work: Callable[["SyncDoor"], None]) -> None:
        """`work` in so many threads that share the client."""
        in_threads(count, lambda: work(self))

    def close(self) -> None:
        self.app.close()


class AioDoor:
    """The asyncio half of an app; each call runs the event loop until it is done."""

    def __init__(self, url: str, *, app: Resque | None = None, **settings: Any) -> None:
        self.app = app or Resque(url, **settings)
        self._runner = asyncio.Runner()

    @property
    def settings(self) -> Settings:
        return self.app.settings

    def enqueue(self, call: Call[Any]) -> Handle[Any]:
        return self._runner.run(self.app.aclient.enqueue(call))

    def enqueue_many(self, calls: Sequence[Call[Any]]) -> list[Handle[Any]]:
        return self._runner.run(self.app.aenqueue_many(*calls))

    def by_name(self, job: str, *args: Any, **options: Any) -> Handle[Any]:
        return self._runner.run(self.app.aenqueue(job, *args, **options))

    def keys(self) -> Keys:
        return self._runner.run(self.app.aclient.keys())

    def after_fork(self) -> None:
        """What a program has to do in a forked child: run a loop of its own. The app is the parent's."""
        self._runner = asyncio.Runner()

    def in_threads(self, count: int, work: Callable[["AioDoor"], None]) -> None:
        """`work` in so many threads, each with a loop of its own, that share the client."""

        def own_loop() -> None:
            door = AioDoor(self.settings.redis_url, app=self.app)
            try:
                work(door)
            finally:
                door.close()

        in_threads(count, own_loop)

    def close(self) -> None:
        self._runner.run(self.app.aclose())
        self._runner.close()


Door = SyncDoor | AioDoor
DOORS: dict[str, type[SyncDoor] | type[AioDoor]] = {"sync": SyncDoor, "aio": AioDoor}
