"""Turn: settle what has ended and reserve what is next, in one trip; and the re-read when that is in doubt.

May be in here: what goes into a trip, and what its answers mean for the hand. May not: when (worker.py), who decides
(jobs/outcome.py), how many (batch.py).
"""

from collections.abc import Sequence
from typing import Any

from resque import clock, events
from resque.config import Settings
from resque.errors import Refused, StoreError
from resque.jobs.outcome import Died, Dropped, Interrupted, Later, Raised, Stale, is_suspect
from resque.payload import codec
from resque.store import cancelling, inflight, queues, reserve, unique
from resque.store.aio import AsyncLine
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.operation import Operation, sure
from resque.store.reserve import QUEUES_A_CALL, Taken
from resque.store.settle import Settled
from resque.worker.age import Age
from resque.worker.batch import Batch
from resque.worker.hand import Entry, Hand
from resque.worker.settlement import Part, Settlement
from resque.worker.view import View

SLOW = 0.050
"""A job that runs for so long lets no other wait behind it."""
_REST = 5.0
_LISTS_A_TRIP = 100


class Turn:
    """The trips of one worker process."""

    def __init__(self, settings: Settings, keys: Keys, identity: Identity, hand: Hand, view: View) -> None:
        self.line = AsyncLine(settings)
        self.doubts = False
        """Whether an in-flight list should be read again as soon as no wait is outstanding."""
        self._settings = settings
        self._identity = identity
        self._hand = hand
        self._view = view
        self._batch = Batch(settings.concurrency)
        self._age = Age(settings)
        self._mismatches: dict[str, int] = {}
        self._resting: dict[str, float] = {}
        self._unnamed: list[str] = []
        self._named: set[str] = set()
        self.use(keys)

    def use(self, keys: Keys) -> None:
        """The namespace's keys, once its wire direction is known."""
        self._keys = keys
        self._settlement = Settlement(keys, self._identity.member, self._identity.id)

    def want(self) -> int:
        """How many jobs to reserve now. None while quiet, while one that must run alone is in hand, or while all
        runners are in slow jobs: what has just been given back would come in again."""
        hand = self._hand
        if hand.is_quiet or hand.is_resting or hand.holds_alone or hand.is_slow(clock.boottime() - SLOW):
            return 0
        want = self._batch.want(len(hand.unstarted), hand.running)
        hand.low = self._batch.depth // 2
        return min(want, self._age.left(len(hand)))

    def outlived(self) -> str:
        """Why this process should leave and be replaced; "" = not yet."""
        hand = self._hand
        return self._age.outlived(len(hand) - len(hand.unstarted) - len(hand.alone))

    @property
    def has_room(self) -> bool:
        """Whether this process may take one more job in its life."""
        return self._age.left(len(self._hand)) > 0

    def is_resting(self, queue: str) -> bool:
        """Whether this queue is paused or in trouble, so that nobody should wait on it."""
        return self._resting.get(queue, 0.0) > clock.monotonic()

    async def take(self, asked: Sequence[str], want: int) -> int:
        """One turn. Returns how many jobs came in. Raises StoreError when the lists must be read again."""
        hand, now = self._hand, clock.now()
        ended = list(hand.collect())
        parts = list(self._settlement.parts(ended, now))
        first, rest = asked[:QUEUES_A_CALL], asked[QUEUES_A_CALL:]
        reserves = [self._reserve(first, want)] if first else []
        names = [queues.name(self._keys, q) for q in self._unnamed]
        extra = [*names, *self._view.operations(self._keys)]
        try:
            answers = await self.line.trip([*(part.operation for part in parts), *reserves, *extra])
        except StoreError as error:
            if error.sent:
                hand.doubt(ended)
            raise
        self._unnamed.clear()
        lengths: dict[str, int] = {}
        trouble = self._settled(parts, answers, lengths)
        took = 0
        for answer in answers[len(parts) : len(parts) + len(reserves)]:
            if isinstance(answer, StoreError):
                trouble = answer
            else:
                took += await self._taken(answer, lengths)
        if trouble is not None:
            raise trouble
        self._compare(lengths)
        while not took and rest:
            first, rest = rest[:QUEUES_A_CALL], rest[QUEUES_A_CALL:]
            took = await self.take(first, want)
        return took

    async def tell(self, operations: Sequence[Operation[Any]]) -> None:
        """Send what only people look at. A refusal is no trouble."""
        if operations:
            await self.line.trip(operations)

    async def is_paused(self, queue: str) -> bool:
        """Whether a queue that may be paused really is."""
        asked: list[Operation[Any]] = [reserve.all_paused(self._keys), queues.is_paused(self._keys, queue)]
        everything, this = sure(await self.line.trip(asked))
        if everything or this:
            self._resting[queue] = clock.monotonic() + self._settings.poll
        return bool(everything or this)

    async def reread(self, used: Sequence[str], why: str) -> None:
        """Put the hand right after the in-flight lists. No wait and no turn may be outstanding."""
        for start in range(0, len(used), _LISTS_A_TRIP):
            names = used[start : start + _LISTS_A_TRIP]
            answers = await self.line.trip([inflight.held(self._keys, q, self._identity.member) for q in names])
            for queue, listed in zip(names, answers, strict=True):
                if isinstance(listed, StoreError):
                    raise listed
                new, lost = self._hand.reconcile(queue, listed)
                if new or lost:
                    events.emit("worker.rereading", queue=queue, why=why, found=len(new), lost=lost)
                if lost:
                    events.emit("job.lease_lost", queue=queue, count=lost)
                if new:
                    await self.admit(queue, new)
        self.doubts = False
        self._mismatches.clear()

    async def release_running(self, why: Interrupted) -> None:
        """Put back what still runs: its time is over. Its runner goes on until the process ends, for nobody."""
        now = clock.boottime()
        left = [entry for entry in self._hand.all() if entry.ended is None]
        shadows = [Entry(entry.raw, entry.queue, entry.hand, now, ended=why) for entry in left]
        parts = list(self._settlement.parts([*self._hand.collect(), *shadows], clock.now()))
        sure(await self.line.trip([part.operation for part in parts]))
        events.emit("job.released", queue="", count=len(left), why=why.why)

    async def admit(self, queue: str, payloads: Sequence[bytes]) -> None:
        """The same for a queue in which somebody has cancelled jobs: those of this id are dropped, not run."""
        ids = {raw: codec.id_of(raw) for raw in payloads}
        asked = [id for id in ids.values() if id is not None]
        marks: list[bool] = []
        if asked:
            (marks,) = sure(await self.line.trip([cancelling.marked(self._keys, queue, asked, clock.now())]))
        cancelled = {id for id, mark in zip(asked, marks, strict=True) if mark}
        for raw in payloads:
            if ids[raw] in cancelled:
                self._hand.add_ended(queue, raw, Stale("cancelled"), codec.read_own(raw))
        self.add(queue, [raw for raw in payloads if ids[raw] not in cancelled])

    async def clear(self) -> None:
        """Free the locks of jobs that are unique until they start; then they may."""
        entries = list(self._hand.unclear)
        asked: list[Operation[Any]] = []
        for entry in entries:
            lock = entry.payload.meta.lock if entry.payload is not None and entry.payload.meta is not None else None
            asked.append(unique.unlock(self._keys, entry.queue, (lock or "").partition(":")[2], entry.id))
        sure(await self.line.trip(asked))
        self._hand.cleared(entries)

    def add(self, queue: str, payloads: Sequence[bytes]) -> None:
        """Jobs are in our in-flight list: take them in hand."""
        if not payloads:
            return
        if queue not in self._named:
            self._named.add(queue)
            self._unnamed.append(queue)
        tried = b'"crashes":' in b"".join(payloads)  # one look at all of them: almost never
        self._hand.add(queue, payloads, _must_run_alone if tried else None)

    # answers ---------------------------------------------------------------------------------------------------

    def _reserve(self, names: Sequence[str], want: int) -> Operation[list[Taken]]:
        return reserve.reserve(self._keys, names, self._identity.member, want, self._settings.lease)

    def _settled(self, parts: Sequence[Part], answers: Sequence[Any], lengths: dict[str, int]) -> StoreError | None:
        trouble = None
        settled: set[int] = set()
        for part, answer in zip(parts, answers, strict=False):
            if isinstance(answer, StoreError):
                trouble = answer
            elif answer.error:
                trouble = Refused(f"a job of {part.queue} could not be moved: {answer.error}")
            else:
                lengths[part.queue] = answer.inflight
                settled.update(map(id, part.entries))
                self._hand.settled(part.queue, part.entries)
                self._account(part, answer)
        if trouble is None:
            self._hand.unsettled.clear()
        else:
            self._hand.unsettled = [entry for entry in self._hand.unsettled if id(entry) not in settled]
        return trouble

    def _account(self, part: Part, answer: Settled) -> None:
        if answer.ours < len(part.entries):
            events.emit("job.lease_lost", queue=part.queue, count=len(part.entries) - answer.ours)
        if part.kind == "released":
            first = part.entries[0].ended
            why = first.why if isinstance(first, Interrupted | Died) else ""
            events.emit("job.released", queue=part.queue, count=answer.ours, why=why)
            return
        self._age.jobs += len(part.entries)
        self._batch.learn(len(part.entries), sum(entry.seconds for entry in part.entries))
        name = _EVENTS[part.kind]
        if events.wanted(name):
            for entry in part.entries:
                events.emit(name, id=entry.id, queue=entry.queue, job=entry.job, **_told(entry))

    async def _taken(self, answer: Sequence[Taken], lengths: dict[str, int]) -> int:
        took = 0
        for part in answer:
            if part.paused:
                self._resting[part.queue] = clock.monotonic() + self._settings.poll
                continue
            if part.error:
                self._resting[part.queue] = clock.monotonic() + _REST
                events.emit("queue.trouble", queue=part.queue, error=part.error)
            if part.payloads:
                lengths[part.queue] = part.inflight
                if part.cancelled:
                    await self.admit(part.queue, part.payloads)
                else:
                    self.add(part.queue, part.payloads)
                took += len(part.payloads)
        return took

    def _compare(self, lengths: dict[str, int]) -> None:
        """Twice in a row another length than ours: somebody knows of jobs that we do not."""
        for queue, length in lengths.items():
            if length == self._hand.count(queue):
                self._mismatches.pop(queue, None)
            else:
                self._mismatches[queue] = self._mismatches.get(queue, 0) + 1
                self.doubts = self.doubts or self._mismatches[queue] > 1


_EVENTS = {"done": "job.finished", "failed": "job.failed", "later": "job.retried", "dropped": "job.dropped"}


def _told(entry: Entry) -> dict[str, Any]:
    """What the events of a settled job say beside its names."""
    match entry.outcome:
        case Later(after, _, error):
            attempt = entry.payload.attempt if entry.payload is not None else 1
            return {"error": error, "attempt": attempt, "delay": after, "seconds": entry.seconds}
        case Dropped(reason, why):
            return {"reason": reason, "why": why}
    told = {"error": entry.ended.error} if isinstance(entry.ended, Raised) else {}
    return {"seconds": entry.seconds, **told}


def _must_run_alone(payload: bytes) -> bool:
    return is_suspect(codec.tries_of(payload).crashes)
