"""AsyncClient: enqueue from asyncio code. The same names and rules as client.py, awaited.

May be in here: sending. May not: what is sent.
"""

from collections.abc import Iterable
from typing import Any

from resque import clock
from resque.client.delivery import Delivery
from resque.client.handle import Handle, handles
from resque.client.prepare import Prepared, prepare
from resque.client.reach import Reach
from resque.config import Settings
from resque.errors import StoreError
from resque.jobs.definition import Call
from resque.store import namespace
from resque.store.aio import AsyncStore
from resque.store.keys import Keys


class AsyncClient:
    """Enqueues jobs. One instance serves an application: safe between tasks and event loops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = AsyncStore(settings)
        self._reach = Reach(settings)
        self._keys: Keys | None = None

    async def enqueue(self, call: Call[Any]) -> Handle[Any]:
        """Store one job. Raises JobError before anything is sent, NotEnqueued or EnqueueUnknown after."""
        return (await self.send([prepare(call, clock.now(), self._settings.max_payload)]))[0]

    async def enqueue_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Store many jobs, a thousand a trip. All are checked before the first is sent."""
        now = clock.now()
        return await self.send([prepare(call, now, self._settings.max_payload) for call in calls])

    async def send(self, jobs: list[Prepared]) -> list[Handle[Any]]:
        """Store what was prepared. Raises NotEnqueued or EnqueueUnknown."""
        delivery = Delivery(jobs)
        try:
            for operations in delivery.trips(await self.keys()):
                delivery.answered(await self._store.run_all(operations))
        except StoreError as error:
            raise delivery.broke(error) from error
        delivery.raise_if_refused()
        return handles(jobs, delivery.taken, self._reach)

    async def keys(self) -> Keys:
        """The namespace's keys; asks the server once. Raises WireMismatch, StoreError."""
        if self._keys is None:
            wire = await self._store.run(namespace.claim(self._settings.prefix, self._settings.wire))
            self._keys = Keys(self._settings.prefix, wire)
        return self._keys

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._store.aclose()
        await self._reach.aclose()
