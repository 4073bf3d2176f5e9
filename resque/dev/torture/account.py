"""Account: the journals against Redis. What was lost, counted twice, run twice, and how fast it came back. Pure.

May be in here: facts in, verdicts out. May not: files, Redis, processes, printing.

Who says what: the producers' journals say which jobs Redis has accepted; the jobs' journals which have run; Redis which
have failed, which are left, and how many it has counted. An accepted job that is nowhere is lost.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

from resque.dev.torture.journal import ACCEPTED, REFUSED, UNKNOWN, Run

WORKER, SUPERVISOR = "kill worker", "kill supervisor"
KILLS: Final = (WORKER, SUPERVISOR)
DELIBERATE: Final = "OnPurpose"
CRASHED: Final = "WorkerDied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was done to the processes, their connections or the server."""

    kind: str
    what: str
    began: float
    ended: float
    pids: frozenset[int] | None
    """The processes that it touched; None: all of them."""
    held: tuple[str, ...] = ()
    """The jobs that the killed processes had in flight."""

    def touches(self, worker: int) -> bool:
        """Whether it was done to this process, or to all."""
        return self.pids is None or worker in self.pids


@dataclass(frozen=True, slots=True)
class FailedJob:
    """One failure record in Redis."""

    id: str
    exception: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known when every process has ended."""

    enqueued: Mapping[str, str]
    runs: Mapping[str, Sequence[Run]]
    failed: Sequence[FailedJob]
    left: Sequence[str]
    """The ids of what still waits or is in flight, an entry each."""
    processed: int
    """Redis' own counter of settled jobs, failed ones among them."""
    failures: int
    """Redis' own counter of failed jobs."""
    faults: Sequence[Fault] = ()
    slack: float = 3.0
    """A fault explains what happens up to so many seconds after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How what killed processes had held came back. Times are seconds from the kill to the next start."""

    held: int
    started: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the facts come to. Lists hold job ids."""

    accepted: int
    done: int
    failed: int
    crashed: int
    """Of those failed: the job's worker was killed three times over it."""
    left: int
    lost: list[str]
    counted: int
    counted_twice: int
    """How many settlings Redis has counted that were none."""
    uncounted: int
    """How many jobs have run but were never counted: they vanished before they were settled."""
    failed_twice: list[str]
    copied: list[str]
    """Waiting or in flight in more than one place, or there although they are settled."""
    run_twice: int
    unexplained: list[str]
    """Run twice, and no fault was near."""
    unknown: int
    arrived: int
    """Of the unknown enqueues: those that turn out to be stored."""
    refused: int
    phantoms: list[str]
    """Run although the producer was told that they were not stored."""
    strangers: list[str]
    """Run, but no producer has written them down."""
    failed_otherwise: list[str]
    """Failed in a way that none of our jobs does on purpose, each with its error."""
    miscounted_failures: int
    """The counter of failed jobs less the failure records."""
    recovery: Recovery
    by_kind: dict[str, Recovery]

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing counted twice, nothing that contradicts itself."""
        return not self.problems()

    def problems(self) -> list[str]:
        """Everything that must not be, a line each."""
        return list(_problems(self))


def account(facts: Facts) -> Account:
    """Compare."""
    by_result = {word: {id for id, result in facts.enqueued.items() if result == word} for word in _RESULTS}
    accepted, refused, unknown = (by_result[word] for word in _RESULTS)
    records, left = Counter(record.id for record in facts.failed), Counter(facts.left)
    done = {id for id, runs in facts.runs.items() if any(run.how == "done" for run in runs)} - set(records)
    seen = set(facts.runs) | set(records) | set(left)
    settled = (done | set(records)) - set(left)
    gone = accepted - done - set(records) - set(left)
    excess = facts.processed - len(settled)
    twice = [id for id, runs in facts.runs.items() if len(runs) > 1]
    return Account(
        accepted=len(accepted),
        done=len(done),
        failed=len(records),
        crashed=sum(_is(record, CRASHED) for record in facts.failed),
        left=len(left),
        lost=[id for id in facts.enqueued if id in gone],
        counted=facts.processed,
        counted_twice=max(0, excess),
        uncounted=max(0, -excess),
        failed_twice=sorted(id for id, times in records.items() if times > 1),
        copied=sorted(id for id, times in left.items() if times > 1 or id in records),
        run_twice=len(twice),
        unexplained=[id for id in twice if not _is_explained(facts.runs[id], facts)],
        unknown=len(unknown),
        arrived=len(unknown & seen),
        refused=len(refused),
        phantoms=sorted(refused & seen),
        strangers=sorted(seen - set(facts.enqueued)),
        failed_otherwise=list(_failed_otherwise(facts.failed)),
        miscounted_failures=facts.failures - len(facts.failed),
        recovery=_recovery([fault for fault in facts.faults if fault.kind in KILLS], facts.runs),
        by_kind={kind: _recovery(of_kind, facts.runs) for kind, of_kind in _kinds(facts.faults).items()},
    )


_RESULTS: Final = (ACCEPTED, REFUSED, UNKNOWN)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of all are not above (nearest rank); None without values.

    >>> percentile([1, 2, 3, 4], 0.5)
    2
    """
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _problems(found: Account) -> Iterator[str]:
    yield from _named("lost: accepted, but neither done nor failed nor anywhere in Redis", found.lost)
    if found.counted_twice:
        yield f"{found.counted_twice:,} counted twice: Redis has counted more jobs than there were to settle"
    if found.uncounted:
        yield f"{found.uncounted:,} ran but were never counted: they vanished from Redis before they were settled"
    yield from _named("with more than one failure record", found.failed_twice)
    yield from _named("in Redis more than once", found.copied)
    yield from _named("run although the producer was told that they were not stored", found.phantoms)
    yield from _named("failed although they should not", found.failed_otherwise)
    if found.miscounted_failures:
        yield f"the counter of failed jobs is off by {found.miscounted_failures:+,} from the failure records"


def _named(what: str, ids: Sequence[str]) -> Iterator[str]:
    if ids:
        more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
        yield f"{len(ids):,} {what}: {', '.join(ids[:_SHOWN])}{more}"


_SHOWN: Final = 20


def _failed_otherwise(records: Sequence[FailedJob]) -> Iterator[str]:
    for record in records:
        if not _is(record, DELIBERATE) and not _is(record, CRASHED):
            yield f"{record.id} ({record.exception}: {record.error})"


def _is(record: FailedJob, name: str) -> bool:
    """Records name an exception with or without its module."""
    return record.exception.rpartition(".")[2] == name


def _is_explained(runs: Sequence[Run], facts: Facts) -> bool:
    """Whether a fault lies between each run and the next, or just before, that touched one of their processes."""
    return all(
        any(
            fault.began <= after.began
            and fault.ended + facts.slack >= before.began
            and (fault.touches(before.worker) or fault.touches(after.worker))
            for fault in facts.faults
        )
        for before, after in pairwise(runs)
    )


def _kinds(faults: Sequence[Fault]) -> dict[str, list[Fault]]:
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        found.setdefault(fault.kind, []).append(fault)
    return found


def _recovery(faults: Sequence[Fault], runs: Mapping[str, Sequence[Run]]) -> Recovery:
    times = []
    for fault in faults:
        for id in fault.held:
            later = [run.began for run in runs.get(id, ()) if run.began > fault.began and not fault.touches(run.worker)]
            if later:
                times.append(min(later) - fault.began)
    held = sum(len(fault.held) for fault in faults)
    return Recovery(held=held, started=len(times), p50=percentile(times, 0.5), p99=percentile(times, 0.99))
