"""Enqueueing: what a client may say after a trip that broke (R3).

Mirrors `client/delivery.py` (broke), `store/queues.py: enqueue` (the name, then the push), `store/connection.py` (no
retries of the library's own) and the audit, which gives back a name that is missing. The caller repeats what it is told
to be safe to repeat. A command that was sent may be executed long after the client has given up.

May be in here: one call, its verdict, what it leaves. May not: workers beyond one that reads `*`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import Model, Rules

STORED, NOT_ENQUEUED, UNKNOWN = "stored", "NotEnqueued", "EnqueueUnknown"
TWICE, LIE = "pushed twice by one call", "the verdict is wrong"
UNSEEN = "waits in a queue that nobody knows"


class State(NamedTuple):
    verdict: str = ""
    is_named: bool = False
    copies: int = 0
    done: int = 0
    late: tuple[str, ...] = ()
    """Commands that are sent and not executed, on a connection that the client has given up."""
    tries: int = 0
    has_sent: bool = False
    """Whether an earlier try of this call may have been executed."""
    faults: int = 2


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    commands = ("name", "push") if rules.name_first else ("push", "name")
    if s.verdict in ("", NOT_ENQUEUED) and s.tries < 3:
        trying = s._replace(tries=s.tries + 1, verdict="")
        yield "call", _execute(trying, commands)._replace(verdict=STORED)
        if s.faults:
            less = trying._replace(faults=s.faults - 1)
            yield "fault: no connection", less._replace(verdict=UNKNOWN if s.has_sent else NOT_ENQUEUED)
            for executed in range(3):
                cut = _execute(less, commands[:executed])
                for late in {commands[executed:], ()}:
                    label = f"fault: the trip breaks after {executed} commands{', the rest is late' if late else ''}"
                    yield label, _verdict(cut._replace(late=late), rules)
    if s.late:
        yield "late commands are executed", _execute(s._replace(late=()), s.late)
    if s.copies and s.is_named:
        yield "a worker for * does it", s._replace(copies=s.copies - 1, done=s.done + 1)
    if s.copies and not s.is_named and rules.audit:
        yield "the audit gives the queue its name", s._replace(is_named=True)


def _execute(s: State, commands: tuple[str, ...]) -> State:
    for command in commands:
        s = s._replace(is_named=True) if command == "name" else s._replace(copies=s.copies + 1)
    return s


def _verdict(s: State, rules: Rules) -> State:
    """What the client does when the answer does not come: it says what it knows, and never tries again by itself."""
    if not rules.no_retries:
        return s._replace(verdict="", has_sent=True)
    return s._replace(verdict=UNKNOWN if rules.sent_is_unknown else NOT_ENQUEUED)


def broken(s: State) -> str | None:
    stored = s.copies + s.done
    if stored > 1:
        return TWICE
    if s.verdict == NOT_ENQUEUED and (stored or "push" in s.late):
        return LIE
    if s.verdict == STORED and not stored:
        return LIE
    return UNSEEN if s.copies and not s.is_named and not s.late else None


def is_settled(s: State) -> bool:
    return bool(s.verdict) and not s.copies and not s.late


def model(more: int = 0) -> Model[State]:
    return Model(
        "enqueueing",
        (State(faults=2 + more),),
        steps,
        broken,
        is_settled,
        {"no_retries": TWICE, "sent_is_unknown": LIE, "name_first": UNSEEN},
        {"audit": "the name is written first; who takes a name away is in switches.py"},
    )
