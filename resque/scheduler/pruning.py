"""Pruning: workers that are long gone leave the registry.

May be in here: forgetting entries that only people look at. May not: jobs; they are recovery's.
A worker of ours without a sign of life (`:info` has expired; its supervisor keeps it alive while a job holds the
process silent) is gone. Ruby's workers carry no nonce and are never touched: Ruby prunes its own.
"""

from resque import events
from resque.config import Settings
from resque.errors import StoreError
from resque.store import identity, namespace, workers
from resque.store.keys import Keys
from resque.store.sync import SyncStore


class Pruning:
    """The duty."""

    name = "pruning"

    def __init__(self, store: SyncStore, keys: Keys, holder: str, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._holder = holder
        self._period = settings.lease * 3

    def tick(self, now: float) -> float:
        """One look at the registry. Returns when to look again."""
        if not self._store.run(namespace.take_duty(self._keys, self.name, self._holder, self._period * 0.9)):
            return self._period
        ours = [id for id in self._store.run(workers.ids(self._keys)) if identity.split(id) is not None]
        beats = self._store.run_all([workers.info(self._keys, id) for id in ours]) if ours else []
        for id, beat in zip(ours, beats, strict=True):
            if not isinstance(beat, StoreError) and not beat:
                self._store.run_all(workers.unregister(self._keys, id))
                events.emit("worker.pruned", id=id)
        return self._period
