"""Delayed jobs: list them, look for some, run them now, give them another time, cancel them.

May be in here: the order over several queues, the search. May not: how they become due (scheduler/), what is shown.

A job is named by the id under which it is delayed: its own, or "<id>~1" where another job has that. The same id may be
delayed in two queues; so whoever looks for one may find two.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resque import clock
from resque.admin import jobs
from resque.admin.console import Console, known
from resque.admin.jobs import JobView
from resque.errors import ConfigError, StoreError
from resque.jobs.retry import LONGEST
from resque.store import attempts, delayed, queues, stats
from resque.store.delayed import Delayed

WINDOW = 500
"""The most that is shown at once."""
DEPTH = 100_000
"""How many delayed jobs are looked through by a search, or stepped over to show a later page."""
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class DelayedView:
    """One delayed job. `id`: under which it is delayed; `due` in seconds since 1970."""

    queue: str
    id: str
    due: float
    job: JobView


@dataclass(frozen=True, slots=True)
class Page:
    """Some delayed jobs, those due soonest first. `is_complete`: nothing more fits, as far as was looked."""

    jobs: list[DelayedView]
    is_complete: bool


def count(console: Console, queue: str | None = None) -> int:
    """How many jobs are delayed, in one queue or in all. Queues that Redis will not tell about count nothing."""
    return sum(
        known(answer) or 0 for answer in console.ask([delayed.count(console.keys, q) for q in _of(console, queue)])
    )


def window(console: Console, queue: str | None = None, start: int = 0, size: int = 20) -> Page:
    """Up to `size` (at most 500) delayed jobs from place `start` on, of one queue or of all."""
    return _page(console, queue, start, min(size, WINDOW), "")


def search(console: Console, text: str, queue: str | None = None, size: int = 20) -> Page:
    """Up to `size` (at most 500) of those that have this text in their id or in the name of their class.

    Looks at the 100,000 that are due soonest; a whole id is found wherever it is.
    """
    exact = find(console, text, queue)
    return Page(exact, True) if exact else _page(console, queue, 0, min(size, WINDOW), text)


def find(console: Console, id: str, queue: str | None = None) -> list[DelayedView]:
    """The delayed job with this id, in one queue or in all. Raises StoreError when it cannot be asked in the one."""
    names = _of(console, queue)
    answers = console.ask([delayed.find(console.keys, name, id) for name in names])
    if queue is not None and isinstance(answers[0], StoreError):
        raise answers[0]
    return [_view(name, job) for name, job in zip(names, map(known, answers), strict=True) if job is not None]


def errors(console: Console, view: DelayedView) -> list[bytes]:
    """The errors of its earlier attempts, each a JSON object, the oldest first."""
    return console.run(attempts.of(console.keys, view.queue, view.job.id or view.id))


def run_now(console: Console, view: DelayedView, *, front: bool = False) -> bool:
    """delayed -> waiting, at the back of its queue or at its front. False: it is not delayed any more."""
    return console.run(delayed.run_now(console.claim(), view.queue, view.id, front))


def reschedule(console: Console, view: DelayedView, due: float) -> bool:
    """Another due time, in seconds since 1970. False: it is not delayed any more.

    Raises ConfigError beyond ten years.
    """
    if not 0 <= due <= clock.now() + LONGEST:
        raise ConfigError("a job can be delayed for ten years at most; write an earlier time")
    return console.run(delayed.reschedule(console.claim(), view.queue, view.id, due))


def cancel(console: Console, view: DelayedView) -> bool:
    """delayed -> dropped, for good, counted as cancelled. False: it is not delayed any more."""
    field = stats.dropped_field(view.job.job or "", "cancelled")
    minute = int(clock.now() // 60)
    return console.run(delayed.cancel(console.claim(), view.queue, view.id, view.job.lock, field, minute))


def _of(console: Console, queue: str | None) -> list[str]:
    return console.run(queues.names(console.keys)) if queue is None else [queue]


def _page(console: Console, queue: str | None, start: int, size: int, text: str) -> Page:
    """Step over `start`, then keep what has the text, up to `size`. One more is looked for, to know if there is any."""
    found: list[DelayedView] = []
    names = _of(console, queue)
    skipped = start if len(names) == 1 else 0  # by Redis; the others are stepped over here
    wanted = text.encode()
    for position, (name, job) in enumerate(_soonest(console, names, skipped), skipped):
        if position >= skipped + DEPTH:
            return Page(found, False)
        if position < start or (text and wanted not in job.payload and text not in job.id):
            continue
        view = _view(name, job)
        if text and text not in view.id and text not in (view.job.job or ""):
            continue
        if len(found) == size:
            return Page(found, False)
        found.append(view)
    return Page(found, True)


def _soonest(console: Console, names: Sequence[str], start: int) -> Iterator[tuple[str, Delayed]]:
    """The delayed jobs of all these queues, those due soonest first. A queue is read when its turn comes."""
    first = console.ask([delayed.next_due(console.keys, name) for name in names])
    lines = {name: _line(console, name, start) for name in names}
    heap: list[tuple[float, str, Delayed | None]]
    heap = [(due, name, None) for name, due in zip(names, map(known, first), strict=True) if due is not None]
    heapq.heapify(heap)
    while heap:
        _, name, job = heapq.heappop(heap)
        if job is not None:
            yield name, job
        following = next(lines[name], None)
        if following is not None:
            heapq.heappush(heap, (following.due, name, following))


def _line(console: Console, name: str, start: int) -> Iterator[Delayed]:
    while True:
        chunk = console.run(delayed.window(console.keys, name, start, _CHUNK))
        yield from chunk
        if len(chunk) < _CHUNK:
            return
        start += _CHUNK


def _view(queue: str, job: Delayed) -> DelayedView:
    return DelayedView(queue, job.id, job.due, jobs.view(job.payload))
