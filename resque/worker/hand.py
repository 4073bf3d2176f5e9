"""Hand: the jobs that a worker process holds, as far as it knows.

May be in here: the copy in memory of the in-flight lists, and how it is put right by a re-read. May not: Redis,
running.

A job in hand is unstarted, running or ended (not settled yet). Runners and the loop share four structures, each
touched by single atomic operations only: `unstarted` (the loop appends right and takes back from the right, runners
take from the left), `ended` (runners append), `idle` (gates of runners that wait), `free` (cells: each is the right to
run one job; who takes one gives it back or hands it on). Everything else belongs to the loop alone.

No wake-up is missed: who has given something (a job, a cell, its own gate) looks at the others again afterwards.

`_book` has every job from its arrival until it is settled: a runner takes a job from `unstarted` an instant before it
says that it runs, and a re-read in that instant must not think that the job is new.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
from uuid_utils import uuid7

from resque import clock
from resque.jobs.context import JobContext
from resque.jobs.outcome import Ended, Interrupted, Outcome
from resque.payload.codec import id_of, read_own
from resque.payload.payload import Payload


class Entry(msgspec.Struct, eq=False):
    """One job in hand. A struct, because a worker makes one for every job."""

    raw: bytes
    queue: str
    hand: "Hand"
    reserved_at: float
    started_at: float = 0.0
    seconds: float = 0.0
    """How long it ran."""
    payload: Payload | None = None
    job: str = ""
    """Its registered name, once it has been found."""
    alone: bool = False
    is_clear: bool = False
    """Whether nothing must be done in Redis before it starts (the lock of a job that is unique until then)."""
    is_cancelled: bool = False
    """Whether somebody wants it to end although it runs already."""
    ended: Ended | None = None
    outcome: Outcome | None = None
    """What becomes of it, where the runner has decided that: it knows the class of the error."""

    _id: str | None = None

    @property
    def id(self) -> str:
        """The job's id; one that came without gets one when somebody asks."""
        if self._id is None:
            known = self.payload.id if self.payload is not None else id_of(self.raw)
            self._id = known or str(uuid7())
        return self._id

    def context(self) -> JobContext:
        """What `current_job()` shows."""
        payload = self.payload
        assert payload is not None, "a job is current only after its payload was read"
        return JobContext(
            id=self.id,
            queue=self.queue,
            job=self.job,
            attempt=payload.attempt,
            crashes=payload.crashes,
            enqueued_at=payload.meta.enqueued_at if payload.meta is not None else None,
            worker=self.hand.worker,
            stop=self.should_stop,
        )

    def should_stop(self) -> bool:
        """Whether this job had better end: its worker wants to, or it was cancelled."""
        return self.is_cancelled or self.hand.should_stop()


class Gate(Protocol):
    """Where a runner waits: it is let through when there is work."""

    def put(self, go: bool, /) -> None:
        """True: there is work. False: end."""


class Hand:
    """What is in hand, by state. `cells`: how many jobs may run at once."""

    def __init__(self, worker: str, wake: Callable[[], None], cells: int = 1) -> None:
        self.wake = wake
        self.worker = worker
        self.unstarted: deque[Entry] = deque()
        self.ended: deque[Entry] = deque()
        self.idle: deque[Gate] = deque()
        self.free: deque[int] = deque(range(cells))
        self.current: list[Entry | None] = [None] * cells
        """What runs in each cell; who has the cell writes its place."""
        self.should_stop: Callable[[], bool] = _never
        """What `current_job().should_stop` asks."""
        self.is_quiet = False
        """Whether an operator wants nothing more to be reserved."""
        self.is_resting = False
        """Whether nothing can be started just now (the machine has no process left for us)."""
        self.is_ruby = False
        """Whether payloads are read as Ruby reads them: known once the namespace is."""
        self.low = 0
        """A runner that leaves so many unstarted wakes the loop, which fetches more before they run out."""
        self.unsettled: list[Entry] = []
        self.alone: deque[Entry] = deque()
        """Jobs that must run alone, waiting for the hand to be empty but for them."""
        self.unclear: list[Entry] = []
        """Jobs that must be cleared before they start."""
        self._book: dict[str, set[Entry]] = {}
        self._total = 0
        self._alone: set[Entry] = set()
        self._doubtful: set[Entry] = set()

    def __len__(self) -> int:
        return self._total

    def count(self, queue: str) -> int:
        """How many jobs of a queue are in hand."""
        return len(self._book.get(queue, ()))

    @property
    def running(self) -> int:
        """How many jobs run (or are about to)."""
        waiting = len(self.unstarted) + len(self.alone) + len(self.unclear)
        return len(self) - waiting - len(self.ended) - len(self.unsettled)

    def is_slow(self, since: float) -> bool:
        """Whether a job runs in every cell that began before `since` (boot time)."""
        return not self.free and all(e is not None and 0.0 < e.started_at < since for e in self.current)

    def queues(self) -> list[str]:
        """Every queue that jobs have come from."""
        return list(self._book)

    def add(self, queue: str, payloads: Iterable[bytes], must_run_alone: Callable[[bytes], bool] | None) -> None:
        """Jobs have arrived in an in-flight list. Those that must run alone (None: no question) wait aside."""
        now = clock.boottime()
        # A microsecond apart, so that the order in which they came is known also when they are no longer in line.
        entries = [Entry(raw, queue, self, now + i * 1e-6) for i, raw in enumerate(payloads)]
        self._book.setdefault(queue, set()).update(entries)
        self._total += len(entries)
        if must_run_alone is None:
            self.unstarted.extend(entries)
        else:
            for entry in entries:
                if must_run_alone(entry.raw):
                    entry.alone = True
                    self._stand_aside(entry)
                else:
                    self.unstarted.append(entry)
        self.offer()

    def offer(self) -> None:
        """Wake as many idle runners as there is work for. From any thread."""
        woken = 0
        for _ in range(min(len(self.unstarted), len(self.idle), len(self.free))):
            with suppress(IndexError):  # a runner has taken its own gate back
                self.idle.popleft().put(True)
                woken += 1
        if woken:
            clock.sleep(0)  # let go of the interpreter: a runner that wakes up would wait for it for half a millisecond

    def park(self, entry: Entry) -> None:
        """A runner found that this job must run alone, or must be cleared first: the loop gets it back through `ended`,
        with nothing ended."""
        self.ended.append(entry)
        self.wake()

    def collect(self) -> list[Entry]:
        """Take in what the runners have ended; returns all that is to be settled."""
        while self.ended:
            entry = self.ended.popleft()
            if entry.ended is None:
                if entry.alone:
                    self._stand_aside(entry)
                else:
                    self.unclear.append(entry)
            else:
                self.unsettled.append(entry)
        return self.unsettled

    def add_ended(self, queue: str, raw: bytes, ended: Ended, payload: Payload | None = None) -> None:
        """A job is in our in-flight list that is not to be run: only settled."""
        entry = Entry(raw, queue, self, clock.boottime(), payload=payload, ended=ended)
        self._book.setdefault(queue, set()).add(entry)
        self._total += 1
        self.unsettled.append(entry)

    def end_unstarted(self, id: str, ended: Ended) -> None:
        """A job that is in hand and has not started will not start any more: it has ended so."""
        for entry in self.all():
            if entry.ended is None and entry.id == id and self._take_out(entry):
                entry.payload, entry.ended = read_own(entry.raw), ended
                self.unsettled.append(entry)
                self.wake()

    @property
    def holds_alone(self) -> bool:
        """Whether a job that must run alone waits or runs: then nothing more is reserved."""
        return bool(self._alone)

    def next_alone(self) -> Entry | None:
        """The first job that must run alone, when nothing else is in hand."""
        return self.alone[0] if self.alone and len(self) == len(self.alone) else None

    def cleared(self, entries: Iterable[Entry]) -> None:
        """These may start now; they were the first of their queue."""
        for entry in entries:
            entry.is_clear = True
            entry.started_at = 0.0
            self.unclear.remove(entry)
            self.unstarted.appendleft(entry)
        self.offer()

    def start_alone(self) -> None:
        """Give the first job that must run alone to a runner."""
        entry = self.alone.popleft()
        entry.reserved_at = clock.boottime()
        self.unstarted.append(entry)
        self.offer()

    def take_back(self, older_than: float) -> list[Entry]:
        """Take unstarted jobs out of the runners' reach, if the oldest was reserved before `older_than` (boot time)."""
        try:
            if not self.unstarted or self.unstarted[0].reserved_at > older_than:
                return []
        except IndexError:  # a runner took the last one just now
            return []
        back: list[Entry] = []
        while True:
            try:
                entry = self.unstarted.pop()
            except IndexError:
                break
            back.append(entry)
        back.reverse()
        return back

    def settled(self, queue: str, entries: Sequence[Entry]) -> None:
        """These have left the in-flight list of `queue`."""
        book = self._book[queue]
        before = len(book)
        book.difference_update(entries)
        self._total -= before - len(book)
        if self._alone:
            self._alone.difference_update(entries)

    def all(self) -> list[Entry]:
        """Everything in hand, in reserve order."""
        return sorted((e for entries in self._book.values() for e in entries), key=lambda e: e.reserved_at)

    def doubt(self, entries: Iterable[Entry]) -> None:
        """The trip that settled these broke: nobody knows whether they are. It matters for twins without an id."""
        for entry in entries:
            has_id = entry.payload is not None and entry.payload.id is not None
            if not has_id and not isinstance(entry.ended, Interrupted):
                self._doubtful.add(entry)

    def reconcile(self, queue: str, listed: Sequence[bytes]) -> tuple[list[bytes], int]:
        """Put the copy right after the in-flight list was read: returns (jobs never heard of, jobs that are lost).

        Compared as multisets, since two payloads may be equal byte for byte. Of m equal entries the unstarted and
        running copies are served first, then those to be released, and only the excess is done and settled again;
        otherwise a lost settle reply would make a twin vanish that has never run. For the same reason a job without an
        id whose settle reply was lost is not settled again but run again: what is listed may be a twin, brought by the
        reserve in the same trip.
        """
        self.collect()
        left = Counter(listed)
        lost = 0
        ended = {id(entry): 1 if isinstance(entry.ended, Interrupted) else 2 for entry in self.unsettled}
        for entry in sorted(self._book.get(queue, ()), key=lambda e: (ended.get(id(e), 0), e.reserved_at)):
            if entry in self._doubtful:
                self._doubtful.discard(entry)
                self._drop_ended(entry)
            elif left[entry.raw] > 0:
                left[entry.raw] -= 1
            elif id(entry) in ended:
                self._drop_ended(entry)
            elif self._drop_unstarted(entry):
                lost += 1
        new = []
        for raw in listed:
            if left[raw] > 0:
                left[raw] -= 1
                new.append(raw)
        return new, lost

    def _stand_aside(self, entry: Entry) -> None:
        self._alone.add(entry)
        self.alone.append(entry)

    def _drop_ended(self, entry: Entry) -> None:
        """It is settled (the reply was lost), or somebody else has it."""
        self.unsettled.remove(entry)
        self.settled(entry.queue, [entry])

    def _drop_unstarted(self, entry: Entry) -> bool:
        """Somebody else has it: do not start it. False when it runs already."""
        if not self._take_out(entry):
            return False
        self.settled(entry.queue, [entry])
        return True

    def _take_out(self, entry: Entry) -> bool:
        """Out of the runners' reach. False when it runs already."""
        for waiting in (self.unstarted, self.alone, self.unclear):
            try:
                waiting.remove(entry)
            except ValueError:
                continue
            return True
        return False


def _never() -> bool:
    return False
