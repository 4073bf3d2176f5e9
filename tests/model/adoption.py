"""Adoption: jobs of a worker that is gone move to a recoverer and from there on their way (R4, R6, R7, R8).

Mirrors `lua/adopt.lua`, `lua/audit.lua`, `scheduler/recovery.py` (_adopt_all, _clear_own, _bring_back) and the fence of
finish and release. One worker, up to two recoverers on two hosts, two jobs; adopt moves one job a call. Time is not in
here: a lease lasts or has ended. Who may take whose jobs is in leases.py; here the worker may always be taken for dead.

May be in here: lists, leases, who settles what. May not: clocks, waits.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.bags import put, take
from tests.model.checker import DEAD_END, Model, Rules

NOT_ONE_PLACE, COUNTED_TWICE = "a job is not in exactly one place", "counted twice"
NO_LEASE = "a list without a lease"
UNEXCUSED = "ran twice without a fault"
WORKER = 0
"""The first member; the others are recoverers."""


class Member(NamedTuple):
    """A process that may hold jobs. `lease`: "on", "over" or "" (none)."""

    alive: bool = True
    holds: tuple[int, ...] = ()
    """Its in-flight list."""
    lease: str = ""
    hand: tuple[int, ...] = ()
    """What the worker runs, or what a recoverer has adopted and not settled: only a copy in memory."""
    must_clear: bool = False
    """A recoverer whose trip broke: its own list may hold something (`_interrupted`)."""


class State(NamedTuple):
    queue: tuple[int, ...]
    members: tuple[Member, ...]
    counted: tuple[int, ...] = ()
    ran: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()
    faults: int = 0
    had_fault: bool = False


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    yield from _worker(s, rules)
    for me, member in enumerate(s.members):
        yield from _passing(s, me, rules)
        if me != WORKER and member.alive:
            yield from _recoverer(s, me, rules)
    if s.queue:  # somebody with nothing to do with all this
        yield (
            f"another worker does {s.queue[0]}",
            s._replace(queue=s.queue[1:], ran=put(s.ran, s.queue[0]), counted=put(s.counted, s.queue[0])),
        )


def _with(s: State, me: int, member: Member) -> State:
    return s._replace(members=tuple(member if i == me else m for i, m in enumerate(s.members)))


def _passing(s: State, me: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """What befalls a member. A lease ends by itself when nobody renews it; a recoverer's is never renewed."""
    member = s.members[me]
    less = s._replace(faults=s.faults - 1, had_fault=True)
    if member.lease == "on":
        over = member._replace(lease="over")
        if me != WORKER or not member.alive:
            yield f"lease of {me} ends", _with(s, me, over)
        elif s.faults:
            yield "fault: the worker cannot renew", _with(less, me, over)
    if member.alive and s.faults:
        dead = _with(less, me, member._replace(alive=False, hand=(), must_clear=False))
        if me != WORKER:  # its supervisor starts another one, under a name of its own
            dead = dead._replace(members=(*dead.members, Member()))
        yield f"fault: {me} dies", dead
    if member.holds and not member.lease and rules.audit:
        yield f"audit gives {me} a lease", _with(s, me, member._replace(lease="on"))


def _worker(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    w = s.members[WORKER]
    if not w.alive:
        return
    if s.queue:
        job = s.queue[0]
        lease = "on" if rules.reserve_leases else w.lease
        got = w._replace(holds=put(w.holds, job), hand=put(w.hand, job), lease=lease)
        yield (
            f"worker reserves and starts {job}",
            _with(s, WORKER, got)._replace(queue=s.queue[1:], ran=put(s.ran, job)),
        )
    for job in w.hand:
        yield f"worker finishes {job}", _finish(s, job, rules)
    if w.lease == "over":
        yield "worker's lease is renewed", _with(s, WORKER, w._replace(lease="on"))


def _finish(s: State, job: int, rules: Rules) -> State:
    w = s.members[WORKER]
    is_ours = job in w.holds or not rules.fence
    after = _with(s, WORKER, w._replace(holds=take(w.holds, job), hand=take(w.hand, job)))
    return after._replace(counted=put(s.counted, job)) if is_ours else after


def _recoverer(s: State, me: int, rules: Rules) -> Iterator[tuple[str, State]]:
    r = s.members[me]
    less = s._replace(faults=s.faults - 1, had_fault=True)
    if r.must_clear and rules.clear_own:
        yield f"{me} reads its own list again", _with(s, me, r._replace(hand=r.holds, must_clear=False))
        return
    if r.hand:
        yield f"{me} settles {r.hand}", _settle(s, me, rules)
        if s.faults:
            done = _settle(less, me, rules)
            executed = done.members[me]._replace(must_clear=True)
            yield f"fault: {me} settles {r.hand}, the reply is lost", _with(done, me, executed)
            yield f"fault: {me} settles {r.hand}, in vain", _with(less, me, r._replace(hand=(), must_clear=True))
        return
    for other, lost in enumerate(s.members):
        if other == me or lost.lease != "over" or not lost.holds:
            continue
        job = lost.holds[-1]
        adopted = _adopt(s, other, me, rules)
        yield f"{me} adopts {job} of {other}", _with(adopted, me, adopted.members[me]._replace(hand=(job,)))
        if s.faults:
            adopted = _adopt(less, other, me, rules)
            unknown = adopted.members[me]._replace(must_clear=True)
            yield f"fault: {me} adopts {job} of {other}, the reply is lost", _with(adopted, me, unknown)


def _adopt(s: State, lost: int, me: int, rules: Rules) -> State:
    """adopt.lua: the recoverer's own lease first, then the newest entry moves."""
    gone, r = s.members[lost], s.members[me]
    job = gone.holds[-1]
    lease = "on" if rules.recoverer_leases else r.lease
    after = _with(s, me, r._replace(holds=put(r.holds, job), lease=lease))
    return _with(after, lost, gone._replace(holds=take(gone.holds, job) if rules.adopt_moves else gone.holds))


def _settle(s: State, me: int, rules: Rules) -> State:
    """The release script, with the same fence as for any worker."""
    r = s.members[me]
    released = tuple(job for job in r.hand if job in r.holds or not rules.fence)
    return _with(s, me, r._replace(holds=take(r.holds, *r.hand), hand=()))._replace(queue=(*released, *s.queue))


def broken(s: State) -> str | None:
    held = [job for member in s.members for job in member.holds]
    for job in s.jobs:
        if s.counted.count(job) > 1:
            return COUNTED_TWICE
        if [*s.queue, *held, *s.counted].count(job) != 1:
            return NOT_ONE_PLACE
        if s.ran.count(job) > 1 and not s.had_fault:
            return UNEXCUSED
    if any(member.holds and not member.lease for member in s.members):
        return NO_LEASE
    return None


def is_settled(s: State) -> bool:
    return s.counted == s.jobs


def model(more: int = 0) -> Model[State]:
    def world(jobs: tuple[int, ...], recoverers: int, faults: int) -> State:
        return State(jobs, (Member(),) * (1 + recoverers), jobs=jobs, faults=faults)

    return Model(
        "adoption",
        (world((1,), 2, 2 + more), world((1, 2), 1, 2), world((1, 2), 2, 1 + more)),
        steps,
        broken,
        is_settled,
        {
            "fence": NOT_ONE_PLACE,
            "reserve_leases": NO_LEASE,
            "recoverer_leases": NO_LEASE,
            "adopt_moves": NOT_ONE_PLACE,
            "clear_own": DEAD_END,
        },
        {"audit": "nothing in here loses a lease: switches.py and failover.py do"},
    )
