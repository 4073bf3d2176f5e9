"""Client: enqueue from blocking code.

1. Learns (and marks) the namespace's wire direction at the first call.
2. Sends what prepare.py made; one trip a thousand jobs.
3. Says clearly what is known when that goes wrong: NotEnqueued or EnqueueUnknown.

May be in here: sending. May not: what is sent. `aclient.py` is its twin.
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
from resque.store.keys import Keys
from resque.store.sync import SyncStore


class Client:
    """Enqueues jobs. One instance serves an application: safe between threads and on both sides of a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = SyncStore(settings)
        self._reach = Reach(settings)
        self._keys: Keys | None = None

    def enqueue(self, call: Call[Any]) -> Handle[Any]:
        """Store one job. Raises JobError before anything is sent, NotEnqueued or EnqueueUnknown after."""
        return self.send([prepare(call, clock.now(), self._settings.max_payload)])[0]

    def enqueue_many(self, calls: Iterable[Call[Any]]) -> list[Handle[Any]]:
        """Store many jobs, a thousand a trip. All are checked before the first is sent."""
        now = clock.now()
        return self.send([prepare(call, now, self._settings.max_payload) for call in calls])

    def send(self, jobs: list[Prepared]) -> list[Handle[Any]]:
        """Store what was prepared. Raises NotEnqueued or EnqueueUnknown."""
        delivery = Delivery(jobs)
        try:
            for operations in delivery.trips(self.keys()):
                delivery.answered(self._store.run_all(operations))
        except StoreError as error:
            raise delivery.broke(error) from error
        delivery.raise_if_refused()
        return handles(jobs, delivery.taken, self._reach)

    def keys(self) -> Keys:
        """The namespace's keys; asks the server once. Raises WireMismatch, StoreError."""
        if self._keys is None:
            wire = self._store.run(namespace.claim(self._settings.prefix, self._settings.wire))
            self._keys = Keys(self._settings.prefix, wire)
        return self._keys

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._store.close()
        self._reach.close()
