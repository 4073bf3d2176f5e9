"""Numbers: what there is in all, and what the last minute was like.

May be in here: adding up counters, lengths and metrics. May not: counting (the settling scripts do).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from resque import clock
from resque.admin import queues, workers
from resque.admin.console import Console, known
from resque.store import delayed, failures, stats
from resque.store import queues as waiting_room

_TOTALS = ("processed", "failed", "retried", "expired", "cancelled", "discarded", "deduplicated", "purged")


@dataclass(frozen=True, slots=True)
class ClassMinute:
    """What happened to the jobs of one class in one minute. Times are seconds, upper bounds (powers of two)."""

    job: str
    done: int
    failed: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at a glance. Counters are totals since the namespace began."""

    processed: int
    failed: int
    retried: int
    expired: int
    cancelled: int
    discarded: int
    deduplicated: int
    """Enqueued, and not stored because another job stood for it (or replaced by one)."""
    purged: int
    waiting: int
    delayed: int
    in_flight: int
    failed_now: int
    """Records in the failed list."""
    queues: int
    paused: list[str]
    all_paused: bool
    """Resque's own switch is on."""
    workers: int
    working: int
    minute: list[ClassMinute] = field(default_factory=list)
    """The last whole minute, busiest class first."""


def overview(console: Console) -> Overview:
    """The numbers of `resque info`. Raises StoreError."""
    keys = console.keys
    names = queues.names(console)
    totals = console.ask([stats.total(keys, name) for name in _TOTALS])
    lengths = console.ask([waiting_room.length(keys, name) for name in names])
    later = console.ask([delayed.count(keys, name) for name in names])
    paused = console.ask([waiting_room.is_paused(keys, name) for name in names])
    crew = workers.every(console)
    return Overview(
        **{name: known(total) or 0 for name, total in zip(_TOTALS, totals, strict=True)},
        waiting=sum(known(length) or 0 for length in lengths),
        delayed=sum(known(count) or 0 for count in later),
        in_flight=sum(held or 0 for held in queues.in_flight(console, names)),
        failed_now=console.run(failures.count(keys)),
        queues=len(names),
        paused=[name for name, is_paused in zip(names, paused, strict=True) if known(is_paused)],
        all_paused=queues.all_paused(console),
        workers=len(crew),
        working=sum(worker.state == "working" for worker in crew),
        minute=last_minute(console, names),
    )


def last_minute(console: Console, names: Iterable[str]) -> list[ClassMinute]:
    """The last whole minute of these queues, summed for each class; the busiest first."""
    number = int(clock.now() // 60) - 1
    summed: dict[str, dict[str, int]] = {}
    for answer in console.ask([stats.minute(console.keys, name, number) for name in names]):
        for key, value in (known(answer) or {}).items():
            job, _, kind = key.rpartition("|")
            fields = summed.setdefault(job, {})
            fields[kind] = fields.get(kind, 0) + (int(value) if value.isdigit() else 0)
    minutes = [_class_minute(job, fields) for job, fields in summed.items()]
    return sorted(minutes, key=lambda each: (-each.done - each.failed, each.job))


def _class_minute(job: str, fields: Mapping[str, int]) -> ClassMinute:
    times = sorted((int(kind[1:]), n) for kind, n in fields.items() if kind[:1] == "r" and _is_bucket(kind[1:]))
    return ClassMinute(
        job, fields.get("done", 0), fields.get("failed", 0), percentile(times, 0.50), percentile(times, 0.95)
    )


def percentile(buckets: list[tuple[int, int]], share: float) -> float | None:
    """The time, in seconds, that at least `share` of the jobs stayed below: the upper end of the bucket it falls in.

    >>> percentile([(10, 98), (20, 2)], 0.95)
    0.001024
    """
    total = sum(count for _, count in buckets)
    seen = 0
    for number, count in buckets:
        seen += count
        if count and seen >= share * total:
            return stats.upper(number)
    return None


def _is_bucket(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2
