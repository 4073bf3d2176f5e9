"""Failures: look at the failed list, put its jobs back to work or drop them.

May be in here: windows, the search by id, the two ways out of failed, one record or all of them. May not: questions to
the person, what is shown.

Nothing goes by position: a record is named by its id and acted on by its bytes, so that whatever others do to the list
meanwhile, each record is retried or discarded once, and never another one instead.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from resque.admin import jobs
from resque.admin.console import Console
from resque.admin.jobs import JobView
from resque.errors import Refused, StoreError
from resque.payload import codec, failure
from resque.payload.failure import Failure
from resque.store import failures
from resque.store.operation import Operation

WINDOW = 500
"""Records that are read at once."""
DEPTH = 100_000
"""How many of the newest records are searched for an id."""

Fate = Literal["done", "gone", "impossible"]
"""What became of one record: done; gone (somebody else was faster); impossible (nothing in it could be retried)."""

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FailureView:
    """One record. `id` is the job's, or "~" and a digest of the record where it has none (Ruby's have none)."""

    id: str
    position: int
    """Its place when it was read; 0 is the newest."""
    record: bytes
    failure: Failure
    job: JobView


@dataclass(slots=True)
class Tally:
    """What became of many records."""

    done: int = 0
    gone: int = 0
    """Somebody else was faster."""
    impossible: int = 0
    """Still in failed: nothing in it could be retried, or Redis refused it (`reason`)."""
    reason: str = ""
    is_broken_off: bool = False
    """Redis cannot serve now (`reason`): the rest was not tried."""


def count(console: Console) -> int:
    """How many records there are."""
    return console.run(failures.count(console.keys))


def window(console: Console, start: int = 0, size: int = 20) -> list[FailureView]:
    """Up to `size` (at most 500) records, the newest first, from place `start` on."""
    records = console.run(failures.window(console.keys, start, min(size, WINDOW)))
    return [_view(record, start + index) for index, record in enumerate(records)]


def find(console: Console, ids: Collection[str]) -> dict[str, FailureView]:
    """The newest record of each id, as far as they are among the newest 100,000. Reads 500 at a time."""
    found: dict[str, FailureView] = {}
    for _ in range(2):  # records that leave while we read shift the others past us: what is missing is looked for again
        before = count(console)
        for position, record in _scan(console, DEPTH):
            missing = [id for id in ids if id not in found]
            if not missing:
                return found
            if _may_be(record, missing):
                view = _view(record, position)
                if view.id in missing:
                    found[view.id] = view
        if len(found) == len(set(ids)) or count(console) == before:
            break
    return found


def retry(console: Console, view: FailureView) -> Fate:
    """failed -> waiting, at the back of the record's queue, with crashes and attempts forgotten. Raises StoreError.

    A payload that cannot be read goes back byte for byte: a newer version of the application may read it.
    """
    operation = _requeue(console, view.record, view.position)
    if operation is None:
        return "impossible"
    return "done" if console.run(operation) else "gone"


def discard(console: Console, view: FailureView) -> Fate:
    """failed -> dropped, for good, counted as discarded. Raises StoreError."""
    return "done" if console.run(failures.discard(console.claim(), view.record, view.position)) else "gone"


def retry_all(console: Console, advance: Advance) -> Tally:
    """Retry every record that is there now, the newest first. One that fails again meanwhile is not retried twice.

    `advance` is called with how many more records are dealt with. Raises Unreachable when the connection breaks: it is
    safe to begin again.
    """
    return _walk(console, _requeue, advance)


def discard_all(console: Console, advance: Advance) -> Tally:
    """Discard every record that is there now, the newest first; as `retry_all`."""
    return _walk(console, _drop, advance)


Action = Callable[[Console, bytes, int], Operation[int] | None]


def _requeue(console: Console, record: bytes, position: int) -> Operation[int] | None:
    read = failure.read(record)
    payload = codec.without_tries(failure.payload_bytes(read))
    if not payload or not read.queue:
        return None
    return failures.requeue(console.claim(), record, position, read.queue, payload)


def _drop(console: Console, record: bytes, position: int) -> Operation[int] | None:
    return failures.discard(console.claim(), record, position)


def _walk(console: Console, action: Action, advance: Advance) -> Tally:
    console.claim()
    walk = _Walk(console, action, advance)
    before = -1
    while walk.remaining and walk.remaining != before and not walk.tally.is_broken_off:
        before = walk.remaining
        walk.once()
    if not walk.tally.is_broken_off:
        walk.tally.gone += walk.remaining  # somebody else took them between our look and our turn
        advance(walk.remaining)
    return walk.tally


class _Walk:
    """All records that were there at the beginning, known by their hashes: positions would not do, they move."""

    def __init__(self, console: Console, action: Action, advance: Advance) -> None:
        self._console = console
        self._action = action
        self._advance = advance
        self._left = Counter(hash(record) for _, record in _scan(console, None))
        self.remaining = self._left.total()
        self.tally = Tally()

    def once(self) -> None:
        """From the newest to the oldest. What stays (new records, and what cannot be retried) is stepped over."""
        position = 0
        while self.remaining and not self.tally.is_broken_off:
            records = self._console.run(failures.window(self._console.keys, position, WINDOW))
            if not records:
                return
            position += self._window(records, position)

    def _window(self, records: list[bytes], position: int) -> int:
        """Act on one window; returns how many of its records stay in the list."""
        operations: list[Operation[int]] = []
        stay = handled = 0
        for record in records:
            mark = hash(record)
            if not self._left[mark]:
                stay += 1
                continue
            self._left[mark] -= 1
            handled += 1
            # The hint: those before it that do not stay have left by the time the server comes to it.
            operation = self._action(self._console, record, position + stay)
            if operation is None:
                stay += 1
                self.tally.impossible += 1
            else:
                operations.append(operation)
        self.remaining -= handled
        stay += sum(not self._account(answer) for answer in self._console.ask(operations))
        self._advance(handled)
        return stay

    def _account(self, answer: int | StoreError) -> bool:
        """Whether the record has left the list."""
        if isinstance(answer, StoreError):
            self.tally.impossible += 1
            self.tally.reason = str(answer)
            self.tally.is_broken_off = not isinstance(answer, Refused)
            return False
        if answer:
            self.tally.done += 1
        else:
            self.tally.gone += 1
        return True


def _scan(console: Console, depth: int | None) -> Iterator[tuple[int, bytes]]:
    start = 0
    while depth is None or start < depth:
        records = console.run(failures.window(console.keys, start, WINDOW))
        yield from ((start + index, record) for index, record in enumerate(records))
        if len(records) < WINDOW:
            return
        start += WINDOW


def _may_be(record: bytes, ids: list[str]) -> bool:
    """A cheap look before the record is read: nearly all of 100,000 are not the one."""
    return any(not _is_plain(id) or id.encode() in record for id in ids)


def _is_plain(id: str) -> bool:
    """Letters, digits and dashes stand in JSON as they are; a digest ("~…") stands nowhere."""
    return id.isascii() and id.replace("-", "").isalnum()


def _view(record: bytes, position: int) -> FailureView:
    read = failure.read(record)
    seen = jobs.view(failure.payload_bytes(read))
    id = read.id or seen.id or "~" + hashlib.blake2b(record, digest_size=6).hexdigest()
    return FailureView(id, position, record, read, seen)
