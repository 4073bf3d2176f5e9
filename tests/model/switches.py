"""Switches: operators pause, resume, purge and remove a queue while a wait is armed and jobs are in flight (R17, R27).

Mirrors `store/reserve.py: wait` (its third command asks for the switch), `worker/worker.py: _take_catches`,
`worker/turn.py: is_paused`, the pause in `lua/reserve.lua`, `lua/purge.lua`, Ruby's remove_queue (SREM of the name, DEL
of the list) and `scheduler/audit.py`. One job, one worker, a recoverer that looks at known queues only.

May be in here: what an operator's order does to jobs on their way. May not: lost replies.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import DEAD_END, Model, Rules

STARTED_PAUSED = "a job of a paused queue is started"
NOWHERE = "nowhere in Redis, and not counted"
ENDS = ("done", "purged", "removed")


class State(NamedTuple):
    job: str = "to come"
    """to come, queue, listed, done, purged (and counted), removed (by an operator, with its queue)."""
    is_named: bool = True
    has_lease: bool = False
    is_paused: bool = False
    came_paused: bool = False
    """Whether the queue has been paused ever since the job came."""
    wait: str = "off"
    """off, armed, caught (reply unread), caught paused."""
    phase: str = "none"
    """The job in the worker's eyes: none, in hand, running."""
    is_alive: bool = True
    orders: int = 2
    faults: int = 1
    alarm: str = ""


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.job == "to come":
        yield "push", s._replace(job="queue", is_named=True, came_paused=s.is_paused)
    if s.orders:
        yield from _orders(s._replace(orders=s.orders - 1), rules)
    if s.is_paused:  # a pause ends some day; a queue that stays paused waits, and that is what was asked for
        yield "resumed for good", s._replace(is_paused=False, came_paused=False, orders=0)
    if s.faults:
        less = s._replace(faults=s.faults - 1)
        if s.is_alive:
            yield "fault: the host is gone", less._replace(is_alive=False, wait="off", phase="none")
        if s.has_lease:
            yield "fault: a backup is restored without the leases", less._replace(has_lease=False)
    if s.is_alive:
        yield from _worker(s, rules)
    yield from _scheduler(s, rules)


def _orders(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if not s.is_paused:
        yield "order: pause", s._replace(is_paused=True)
    else:
        yield "order: resume", s._replace(is_paused=False, came_paused=False)
    if s.job == "queue":
        yield "order: purge", s._replace(job="purged")
    if s.job == "listed" and not rules.purge_spares_inflight:
        yield "order: purge", s._replace(job="gone")
    yield "order: Ruby removes the queue", s._replace(is_named=False, job="removed" if s.job == "queue" else s.job)


def _worker(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.wait == "off" and s.phase == "none" and s.job != "listed":
        yield "wait, with a lease", s._replace(wait="armed", has_lease=True)
        if s.job == "queue" and not (s.is_paused and rules.reserve_asks):
            yield "reserve", s._replace(job="listed", phase="in hand", has_lease=True)
    if s.wait == "armed":
        yield "the wait ends in vain", s._replace(wait="off")
        if s.job == "queue":  # BLMOVE knows of no pause; the EXISTS behind it does
            paused = " paused" if s.is_paused and rules.wait_asks else ""
            yield "the wait catches, then asks", s._replace(job="listed", wait=f"caught{paused}")
    if s.wait.startswith("caught"):
        taken = s._replace(wait="off", phase="in hand")
        if s.wait == "caught paused" and s.is_paused:
            yield "asked again: paused. Give it back", s._replace(wait="off", job="queue")
        else:
            yield "take what was caught", taken
    if s.phase == "in hand":
        alarm = STARTED_PAUSED if s.came_paused else s.alarm
        yield "start", s._replace(phase="running", alarm=alarm)
    if s.phase == "running":
        yield "end and settle", s._replace(phase="none", job="done" if s.job == "listed" else s.job)


def _scheduler(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if not s.is_alive and s.job == "listed" and s.has_lease and s.is_named:
        yield "adopt and release", s._replace(job="queue", has_lease=False)
    if not s.is_alive and s.job == "queue" and s.is_named and not s.is_paused:
        yield "another worker does it", s._replace(job="done")
    if rules.audit_names and not s.is_named and s.job in ("queue", "listed"):
        yield "the audit gives the queue its name", s._replace(is_named=True)
    if rules.audit_leases and not s.has_lease and s.job == "listed":
        yield "the audit gives the list a lease", s._replace(has_lease=True)


def broken(s: State) -> str | None:
    return NOWHERE if s.job == "gone" else s.alarm or None


def is_settled(s: State) -> bool:
    return s.job in ENDS


def model(more: int = 0) -> Model[State]:
    return Model(
        "switches",
        (State(orders=2 + more, faults=1 + more), State(orders=1, faults=2)),
        steps,
        broken,
        is_settled,
        {
            "wait_asks": STARTED_PAUSED,
            "reserve_asks": STARTED_PAUSED,
            "purge_spares_inflight": NOWHERE,
            "audit_names": DEAD_END,
            "audit_leases": DEAD_END,
        },
    )
