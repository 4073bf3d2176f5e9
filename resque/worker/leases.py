"""Leases: the supervisor's duty of renewing what its workers hold.

May be in here: the renewal. May not: which worker lives (supervisor.py), recovery.
The supervisor renews and never the process that runs jobs: a job that holds the interpreter for minutes in C code must
not lose its lease. All queues of all workers that are not idle are renewed, whatever they do just now: ZADD XX touches
only leases that exist. An idle worker holds nothing, and each of its waits begins with a lease. The sign of life of a
worker that cannot beat by itself is prolonged in the same trip.
"""

from collections.abc import Callable, Sequence

from resque import clock, events
from resque.config import Settings
from resque.errors import StoreError
from resque.store import inflight, namespace, workers
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.operation import sure
from resque.store.sync import SyncStore

_QUEUES_A_CALL = 64


class Leases:
    """The duty. `living` gives the identity of each living worker and the queues it may hold jobs of; `lost` is called,
    once, when the leases may end before they can be renewed, if the settings want that."""

    name = "leases"

    def __init__(
        self,
        settings: Settings,
        living: Callable[[], Sequence[tuple[Identity, Sequence[str]]]],
        lost: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._living = living
        self._lost = lost
        self._has_told = False
        self._renewed = clock.monotonic()
        """When the last renewal that succeeded began."""
        self._store = SyncStore(settings)
        self._keys: Keys | None = None
        self._failing_since: float | None = None

    def tick(self, now: float) -> float:
        """Renew once. Returns when to renew next: a quarter of the lease, sooner while that fails."""
        began = clock.monotonic()
        try:
            self._renew()
        except StoreError as error:
            self._failing_since = now if self._failing_since is None else self._failing_since
            events.emit("lease.renewal_failed", error=error, since=now - self._failing_since)
            self._tell()
            return self._settings.lease / 20
        self._failing_since, self._has_told, self._renewed = None, False, began
        return self._settings.lease / 4

    def close(self) -> None:
        """Close the connection."""
        self._store.close()

    def _tell(self) -> None:
        """In time: the next attempt may take as long as Redis may be silent."""
        settings, lease = self._settings, self._settings.lease
        latest = lease - lease / 20 - settings.connect_timeout - settings.socket_timeout
        age = clock.monotonic() - self._renewed
        if settings.on_lease_lost == "kill" and not self._has_told and age >= min(lease * 0.75, latest):
            self._has_told = True
            self._lost()

    def _renew(self) -> None:
        keys = self._known_keys()
        living = self._living()
        if not living:
            return
        members = [identity.member for identity, _ in living]
        names = sorted({queue for _, queues in living for queue in queues})
        operations = [
            inflight.renew(keys, names[i : i + _QUEUES_A_CALL], members, self._settings.lease)
            for i in range(0, len(names), _QUEUES_A_CALL)
        ]
        prolonged = [workers.prolong(keys, identity.id, self._settings.lease * 3) for identity, _ in living]
        sure(self._store.run_all([*operations, *prolonged]))

    @property
    def keys(self) -> Keys | None:
        """The namespace's keys, once it could be asked."""
        return self._keys

    def _known_keys(self) -> Keys:
        if self._keys is None:
            wire = self._store.run(namespace.claim(self._settings.prefix, self._settings.wire))
            self._keys = Keys(self._settings.prefix, wire)
        return self._keys
