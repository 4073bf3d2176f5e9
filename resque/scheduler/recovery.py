"""Recovery: the in-flight jobs of workers that are gone come back.

1. A supervisor reports a child that died (`report`): its jobs are adopted at once.
2. A host that vanished is noticed by its leases: one that has ended, and has not changed while we watched it for a
   while, is adopted. The while lets living supervisors renew first after an outage or a clock jump, whoever is back
   first.
3. What was adopted is decided on by the same `decide` and settled by the same scripts as any job.

May be in here: who is gone, and settling what they held. May not: running anything. The recoverer has a name of its own
that is no worker's, and nothing is ever started from its list: otherwise a job that kills its worker would do so for
ever. No lock: any number of hosts may recover at once; one that dies here is recovered itself.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from uuid_utils import uuid7

from resque import clock, events
from resque.config import Settings
from resque.errors import JobKilled, JobTimeout, Refused, ResqueError, StoreError
from resque.jobs.outcome import Condemned, Died, Failed, Released, decide
from resque.payload import codec, failure
from resque.payload.payload import Tries, mark_of
from resque.store import inflight, namespace, queues, settle, stats, workers
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.operation import sure
from resque.store.settle import Holder, Settled
from resque.store.sync import SyncStore

CHUNK = 100
Mark = Callable[[bytes | None], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a supervisor knows of a child that died."""

    member: str
    id: str
    queues: tuple[str, ...]
    started: tuple[int, ...]
    """Marks (hashes) of the payloads that ran at the end."""
    why: str
    late: tuple[int, ...] = ()
    """Marks of those for whose sake it was killed: they did not heed their timeout."""
    killed: tuple[int, ...] = ()
    """The same: an operator ended them."""


@dataclass(frozen=True, slots=True)
class _Lost:
    member: str
    why: str
    started: Counter[int] | None
    """None: nobody can tell which had started, so all of them are taken for suspects."""
    seen: float | None
    condemned: dict[int, ResqueError] = field(default_factory=dict)
    """The jobs for whose sake the process was killed, by their marks."""


class Recovery:
    """The duty."""

    name = "recovery"

    def __init__(self, store: SyncStore, keys: Keys, identity: Identity, settings: Settings, mark: Mark) -> None:
        self._store = store
        self._keys = keys
        self._identity = identity
        self._settings = settings
        self._mark = mark
        self._interrupted: set[str] = set()
        """Queues whose jobs may lie in our own list, adopted and not settled."""
        self._watched: dict[tuple[str, str], tuple[float, float]] = {}
        self._seen = self._watched
        self.reports: list[Report] = []
        self.recovered: list[str] = []
        """Members of reports that are done, for the supervisor."""

    def tick(self, now: float) -> float:
        """Work off the reports, then look at the leases. Returns when to look again."""
        self._seen, self._watched = self._watched, {}  # a look that fails proves nothing: the watch begins anew
        self._clear_own()
        while self.reports:
            self._bring_back(self.reports[0])
            self.recovered.append(self.reports.pop(0).member)
        self._look_at_leases(now)
        return self._settings.lease / 4

    def _bring_back(self, report: Report) -> None:
        lost = _Lost(report.member, report.why, Counter(report.started), None, _condemned(report))
        names = list(report.queues) or self._store.run(queues.names(self._keys))
        for queue in names:
            with self._one_queue():
                self._adopt_all(queue, lost)
        self._store.run_all(workers.unregister(self._keys, report.id))

    def _look_at_leases(self, now: float) -> None:
        names = self._store.run(queues.names(self._keys))
        if not names:
            return
        time, *leases = self._store.run_all([namespace.time(), *(inflight.leases(self._keys, q) for q in names)])
        if isinstance(time, StoreError):
            raise time
        now_ms, lease_ms = time * 1000, self._settings.lease * 1000
        watched = {}
        for queue, found in zip(names, leases, strict=True):
            if isinstance(found, StoreError):
                events.emit("loop.failed", loop=self.name, error=found)
                continue
            for member, lease_end in found:
                if lease_end > now_ms + 3 * lease_ms:
                    self._store.run(inflight.shorten(self._keys, queue, member, round(now_ms + lease_ms)))
                elif lease_end <= now_ms:
                    since = self._since(queue, member, lease_end, now)
                    watched[queue, member] = (lease_end, since)
                    with self._one_queue():
                        self._recover_expired(queue, member, lease_end, now - since)
        self._watched = watched

    def _since(self, queue: str, member: str, lease_end: float, now: float) -> float:
        """When we first saw exactly this lease end."""
        seen_end, since = self._seen.get((queue, member), (lease_end, now))
        return since if seen_end == lease_end else now

    def _recover_expired(self, queue: str, member: str, lease_end: float, watched_for: float) -> None:
        if watched_for < self._settings.lease * 0.4:
            return
        if self._store.run(inflight.count(self._keys, queue, member)):
            if member != self._identity.member:
                self._adopt_all(queue, _Lost(member, "its host vanished or was cut off", None, lease_end))
        elif watched_for >= self._settings.lease * 0.5:
            self._store.run(inflight.forget(self._keys, queue, member, lease_end))

    def _adopt_all(self, queue: str, lost: _Lost) -> int:
        """Bring back everything that `lost` holds of a queue; returns how many jobs."""
        total = 0
        gone = inflight.Lost(lost.member, lost.seen)
        while True:
            self._interrupted.add(queue)
            adopted = self._store.run(
                inflight.adopt(self._keys, queue, gone, self._identity.member, self._settings.lease, CHUNK)
            )
            if adopted is None:  # renewed meanwhile: it lives
                self._interrupted.discard(queue)
                return total
            if adopted.payloads:
                total += len(adopted.payloads)
                self._settle(queue, adopted.payloads, lost)
            self._interrupted.discard(queue)
            if not adopted.left:
                return total

    def _clear_own(self) -> None:
        """An earlier tick broke between adopting and settling: what lies in our own list goes on its way."""
        lost = _Lost(self._identity.member, "recovery was interrupted", Counter(), None)
        for queue in sorted(self._interrupted):
            with self._one_queue():
                payloads = self._store.run(inflight.held(self._keys, queue, self._identity.member))
                if payloads:
                    self._settle(queue, payloads, lost)
                self._interrupted.discard(queue)

    @contextmanager
    def _one_queue(self) -> Iterator[None]:
        """A key of a wrong type is reported, and stops the recovery of no other queue."""
        try:
            yield
        except Refused as error:
            events.emit("loop.failed", loop=self.name, error=error)

    def _settle(self, queue: str, payloads: Sequence[bytes], lost: _Lost) -> None:
        now = clock.now()
        released: list[tuple[bytes, bytes]] = []
        failed: list[settle.Failing] = []
        for raw in payloads:
            self._mark(raw)  # a payload that kills its reader must be known as started when it kills us
            outcome = self._decide(raw, lost)
            if isinstance(outcome, Failed):
                id = codec.id_of(raw) or str(uuid7())
                record = failure.of_error(raw, outcome.error, failed_at=now, worker=lost.member, queue=queue, id=id)
                failed.append((raw, record, *stats.failed_fields("", 0), id, ""))
            elif isinstance(outcome, Released):
                released.append((raw, codec.with_crashes(raw, outcome.crashes)))
        self._mark(None)
        holder = Holder(queue, self._identity.member, self._identity.id)
        operations = []
        if failed:
            operations.append(settle.fail(self._keys, holder, failed, int(now // 60)))
        if released:
            operations.append(settle.release(self._keys, holder, released))
        for answer in sure(self._store.run_all(operations)):
            _check(answer)
        events.emit(
            "job.recovered", queue=queue, worker=lost.member, released=len(released), failed=len(failed), why=lost.why
        )

    def _decide(self, raw: bytes, lost: _Lost) -> object:
        mark = mark_of(raw)
        error = lost.condemned.pop(mark, None)
        if error is not None:
            return decide(Condemned(error), 0)
        started = True
        if lost.started is not None:
            started = lost.started[mark] > 0
            lost.started[mark] -= started
        crashes = codec.tries_of(raw).crashes
        writable = codec.with_tries(raw, Tries()) is not None
        return decide(Died(lost.why, started), crashes, readable=writable)


def _condemned(report: Report) -> dict[int, ResqueError]:
    errors: dict[int, ResqueError] = {}
    for mark in report.late:
        errors[mark] = JobTimeout("it did not heed its timeout: its process was killed")
    for mark in report.killed:
        errors[mark] = JobKilled("an operator ended it: its process was killed")
    return errors


def _check(answer: Settled) -> None:
    if answer.error:
        raise Refused(f"a recovered job could not be moved: {answer.error}")
