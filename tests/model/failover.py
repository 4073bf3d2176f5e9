"""Failover: the server dies, and a replica that lacks the last writes takes its place (R13, R14, R15).

Mirrors what a worker does then: its connection breaks or answers READONLY, it resolves the server again, connects, and
reads its list (`worker/worker.py: run`, `worker/hand.py: reconcile`); the fence of finish; the lease before the BLMOVE
(`store/reserve.py: wait`). One job, one worker; at most two writes are not replicated.

Writes are lost from the end, never from the middle: that is why the order of writes matters. A job that has never
reached the replica may be lost, and its enqueuer was told that it is stored: only WAIT helps against that.

May be in here: which writes survive. May not: several replicas, split brains that heal.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import DEAD_END, Model, Rules

LAG = 2
LOST, COUNTED_TWICE = "a replicated job is lost", "counted twice"
NO_LEASE, TWICE = "a list without a lease", "ran twice without a fault"


class Redis(NamedTuple):
    queue: int = 0
    listed: int = 0
    """How many copies the worker's in-flight list has."""
    lease: bool = False
    counted: int = 0


class State(NamedTuple):
    history: tuple[Redis, ...] = (Redis(),)
    """The replica first, the master last, and the writes between them."""
    pushed: bool = False
    replicated: bool = False
    phase: str = "ready"
    """The worker: lost (must connect), deaf (on the old master), ready, leased, in hand, running, ended, dead."""
    ran: int = 0
    reruns: int = 0
    """How many further runs the faults so far may cause."""
    failovers: int = 0
    deaths: int = 0

    @property
    def master(self) -> Redis:
        return self.history[-1]


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if len(s.history) > 1:
        seen = s.history[1]
        is_there = bool(seen.queue or seen.listed or seen.counted)
        yield "the replica takes a write", s._replace(history=s.history[1:], replicated=s.replicated or is_there)
        if s.failovers:
            cut = "deaf" if not rules.drop_on_readonly else _cut(s.phase)
            yield (
                "fault: failover",
                s._replace(
                    history=s.history[:1],
                    phase="dead" if s.phase == "dead" else cut,
                    failovers=s.failovers - 1,
                    reruns=s.reruns + 1,
                ),
            )
    if s.deaths and s.phase != "dead":
        yield "fault: the worker dies", s._replace(phase="dead", deaths=s.deaths - 1, reruns=s.reruns + 1)
    yield from _worker(s, rules)
    if len(s.history) <= LAG:
        yield from _writes(s, rules)


def _cut(phase: str) -> str:
    """What a runner has begun goes on; the loop must connect first."""
    return f"{phase}, lost" if phase in ("running", "ended") else "lost"


def _write(s: State, master: Redis) -> State:
    return s._replace(history=(*s.history, master))


def _writes(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    m = s.master
    if not s.pushed:
        yield "enqueue", _write(s, m._replace(queue=m.queue + 1))._replace(pushed=True)
    if s.phase == "ready":
        yield "lease", _write(s, m._replace(lease=True))._replace(phase="leased")
        if m.queue and not rules.lease_first:
            yield "move", _write(s, m._replace(queue=m.queue - 1, listed=m.listed + 1))._replace(phase="in hand")
    if s.phase == "leased" and m.queue:
        yield "move", _write(s, m._replace(queue=m.queue - 1, listed=m.listed + 1))._replace(phase="in hand")
    if s.phase == "ended":
        is_ours = bool(m.listed) or not rules.fence
        done = m._replace(listed=max(0, m.listed - 1), counted=m.counted + 1)
        yield "finish", _write(s, done if is_ours else m)._replace(phase="ready")
    if s.phase == "dead" and m.listed and m.lease:
        yield "adopt and release", _write(s, m._replace(queue=m.queue + 1, listed=m.listed - 1))
    if m.queue:
        theirs = _write(s, m._replace(queue=m.queue - 1, counted=m.counted + 1))
        yield "another worker does it", theirs._replace(ran=s.ran + 1)


def _worker(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.phase == "in hand":
        yield "start", s._replace(phase="running", ran=s.ran + 1)
    if s.phase.startswith("running"):
        yield "end", s._replace(phase=s.phase.replace("running", "ended"))
    if s.phase.endswith("lost"):
        yield "connect and re-read", s._replace(phase=_reread(s) if rules.reread else _went_on(s.phase))
    if s.phase == "ready" and s.master.listed and rules.reread:
        yield "idle, and the list is not empty: re-read", s._replace(phase="in hand")


def _reread(s: State) -> str:
    """What ended and is listed is settled again, else it is dropped; what is unknown is started; what runs goes on."""
    if s.phase.startswith("running"):
        return "running"
    if s.phase.startswith("ended"):
        return "ended" if s.master.listed else "ready"
    return "in hand" if s.master.listed else "ready"


def _went_on(phase: str) -> str:
    return "ready" if phase == "lost" else phase.removesuffix(", lost")


def broken(s: State) -> str | None:
    m = s.master
    if s.replicated and not (m.queue or m.listed or m.counted):
        return LOST
    if m.counted > 1:
        return COUNTED_TWICE
    if m.listed and not m.lease:
        return NO_LEASE
    return TWICE if s.ran > 1 + s.reruns else None


def is_settled(s: State) -> bool:
    """Counted, or lost before it had ever reached the replica."""
    is_lost = s.pushed and not (s.replicated or s.master.queue or s.master.listed)
    return len(s.history) == 1 and (s.master.counted == 1 or is_lost)


def model(more: int = 0) -> Model[State]:
    return Model(
        "failover",
        (State(failovers=1 + more), State(failovers=1 + more, deaths=1)),
        steps,
        broken,
        is_settled,
        {
            "fence": COUNTED_TWICE,
            "lease_first": NO_LEASE,
            "reread": DEAD_END,
            "drop_on_readonly": DEAD_END,
        },
    )
