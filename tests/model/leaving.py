"""Leaving: what a worker that is gone leaves behind, and how long that takes (R25, and the bounds of PROTOCOL 5).

Mirrors `Worker.leave` (the lease ends now), `lua/forget.lua`, `lua/audit.lua` and `scheduler/recovery.py`
(_recover_expired). The worker is gone in every initial state: it left in order, or its host vanished. One BLMOVE of its
may be half open on the server, and bring one job more into its list within ten seconds.

Time goes in units of a quarter of the lease (5 s); a recoverer looks once in each.

May be in here: a list whose owner is gone, and its lease. May not: living workers.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import Model, Rules

LEASE, WAIT, WATCH, FORGET = 4, 2, 2, 2
LATEST = LEASE + 1 + WATCH
"""Units from the loss of a host to the adoption: the lease, up to one look later, and the looks in between."""
NO_LEASE, LATE = "a list without a lease", "recovered too late"


class State(NamedTuple):
    lease: int | None
    job: str = "to come"
    """to come, waiting, listed (in the list of the worker that is gone), back (adopted and released)."""
    half_open: int = 0
    """How many units its BLMOVE goes on."""
    watch: int | None = None
    is_same: bool = False
    looked: bool = False
    under_way: str = ""
    """The command that the recoverer has decided on: adopt or forget."""
    listed_for: int = 0
    audits: int = 1


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.job == "to come":
        yield "push", s._replace(job="waiting")
    if s.job == "waiting":
        if s.half_open:
            yield "the half-open wait catches it", s._replace(job="listed", half_open=0, listed_for=0)
        yield "another worker does it", s._replace(job="back")
    if s.job == "listed" and s.audits:
        is_new = s.lease is None or not rules.audit_nx
        audited = s._replace(lease=LEASE, is_same=False) if is_new else s
        yield "the audit comes by", audited._replace(audits=s.audits - 1)
    yield from _recoverer(s, rules)
    if s.looked and not s.under_way:
        yield "time passes", _pass(s, rules)


def _pass(s: State, rules: Rules) -> State:
    return s._replace(
        lease=None if s.lease is None else max(0, s.lease - 1),
        half_open=max(0, s.half_open - 1) if rules.finite_wait else s.half_open,
        watch=None if s.watch is None else min(WATCH, s.watch + 1),
        looked=False,
        listed_for=s.listed_for + 1 if s.job == "listed" else 0,
        audits=s.audits,
    )


def _recoverer(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.under_way == "adopt":
        after = s._replace(under_way="", watch=None)
        yield "adopt", after._replace(job="back") if s.is_same and s.job == "listed" else after
    elif s.under_way == "forget":
        may = s.is_same and (s.job != "listed" or not rules.forget_looks)
        yield "forget", s._replace(under_way="", watch=None, lease=None if may else s.lease)
    elif not s.looked:
        yield "recoverer looks", _look(s._replace(looked=True), rules)


def _look(s: State, rules: Rules) -> State:
    if s.lease != 0:
        return s._replace(watch=None)
    watch = s.watch if s.watch is not None and s.is_same else 0
    now = s._replace(watch=watch, is_same=True)
    if s.job == "listed":
        return now._replace(under_way="adopt") if watch >= WATCH else now
    return now._replace(under_way="forget") if watch >= FORGET or not rules.forget_late else now


def broken(s: State) -> str | None:
    if s.job == "listed" and s.lease is None:
        return NO_LEASE
    return LATE if s.listed_for > LATEST else None


def is_settled(s: State) -> bool:
    return s.job == "back"


def model(more: int = 0) -> Model[State]:
    return Model(
        "leaving",
        (
            State(0, half_open=WAIT, audits=1 + more),
            State(LEASE, half_open=WAIT, audits=1 + more),
            State(LEASE, job="listed", audits=1 + more),
        ),
        steps,
        broken,
        is_settled,
        {
            "audit_nx": LATE,
            "forget_late": NO_LEASE,
            "finite_wait": NO_LEASE,
            "forget_looks + finite_wait": NO_LEASE,
        },
        {"forget_looks": "it comes so late that no wait can be open any more"},
    )
