"""Trips: one worker settles, reserves, releases, and replies get lost (R2, R5, R18).

Mirrors `worker/turn.py` (take, _compare, reread), `worker/hand.py` (reconcile, doubt) and the scripts finish, release
and reserve. A trip is one pipeline of three commands. When it breaks, any number of them have been executed, and those
that have not may still be executed later: they lie in the socket of a connection that the worker has given up.

`t` is pushed twice, byte for byte the same and without an id; `a` has an id. `s` stands for a stream that never ends:
what is done of it is pushed again at once, so that the worker is never idle.

May be in here: one queue, one worker that does not die, whose leases hold. May not: waits, leases, recovery.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tests.model.bags import is_within, put, swap, take
from tests.model.checker import DEAD_END, Model, Rules

RUNNERS = 2
UNSTARTED, RUNNING, DONE, RELEASED = "unstarted", "running", "done", "released"
NOT_ONE_PLACE, VANISHED = "a job is not in exactly one place", "gone without having run"
COUNTED_TWICE, TWICE = "counted twice", "ran twice"


class Entry(NamedTuple):
    """A job in hand. `in_doubt`: the reply of the trip that settled it was lost, and it has no id."""

    raw: str
    phase: str
    in_doubt: bool = False


class Trip(NamedTuple):
    """The commands of one pipeline, in order: finish these, release those, reserve so many."""

    done: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    want: int = 0


class State(NamedTuple):
    queue: tuple[str, ...]
    """Front first."""
    listed: tuple[str, ...] = ()
    """The worker's in-flight list."""
    hand: tuple[Entry, ...] = ()
    must_reread: bool = False
    mismatches: int = 0
    late: Trip | None = None
    """Commands on a connection that the worker has given up, not executed yet."""
    losses: int = 0
    lates: int = 0
    """How many more faults of each kind may happen."""
    ran: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    pushed: tuple[str, ...] = ()
    had_late: bool = False


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    yield from _runners(s)
    if s.late is not None:
        yield "late commands are executed", _execute(s, s.late, 3, rules)[0]._replace(late=None)
    if s.must_reread:
        yield "re-read", _reread(s, rules) if rules.reread else s._replace(must_reread=False)
        return
    for want in (0, 1, 2):
        yield from _turns(s, want, rules)
    unstarted = [e for e in s.hand if e.phase == UNSTARTED]
    if unstarted:
        back = [e._replace(phase=RELEASED) for e in unstarted]
        yield "not started in time", s._replace(hand=put(take(s.hand, *unstarted), *back))
    if not s.hand and not s.queue and s.listed and rules.idle_look:
        yield "idle, and the list is not empty: re-read", _reread(s, rules)


def _runners(s: State) -> Iterator[tuple[str, State]]:
    """Runners go on whatever happens to the connection."""
    for e in set(s.hand):
        if e.phase == UNSTARTED and sum(o.phase == RUNNING for o in s.hand) < RUNNERS:
            ran = s.ran if e.raw == "s" else put(s.ran, e.raw)
            yield f"start {e.raw}", s._replace(hand=swap(s.hand, e, e._replace(phase=RUNNING)), ran=ran)
        elif e.phase == RUNNING:
            yield f"end {e.raw}", s._replace(hand=swap(s.hand, e, e._replace(phase=DONE)))


def _turns(s: State, want: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """`Turn.take`: with an answer, or broken after some of its commands."""
    done = tuple(e.raw for e in s.hand if e.phase == DONE)
    released = tuple(e.raw for e in s.hand if e.phase == RELEASED)
    want = min(want, len(s.queue) + len(released))
    trip = Trip(done, released, want)
    if trip == Trip():
        return
    name = f"turn (done {', '.join(done) or '-'}; released {', '.join(released) or '-'}; want {want})"
    after, got = _execute(s, trip, 3, rules)
    hand = put(tuple(e for e in s.hand if e.phase in (UNSTARTED, RUNNING)), *(Entry(raw, UNSTARTED) for raw in got))
    yield name, _compare(after._replace(hand=hand), bool(done or released or got), rules)
    for executed in range(4):
        broken = _execute(s, trip, executed, rules)[0]._replace(hand=_doubt(s, rules), must_reread=True, mismatches=0)
        if s.losses:
            yield f"fault: {name} breaks after {executed} commands", broken._replace(losses=s.losses - 1)
        if s.lates and s.late is None and executed < 3:
            rest = Trip(done if executed < 1 else (), released if executed < 2 else (), want)
            late = broken._replace(lates=s.lates - 1, late=rest, had_late=True)
            yield f"fault: {name} breaks after {executed} commands, the others are late", late


def _execute(s: State, trip: Trip, commands: int, rules: Rules) -> tuple[State, tuple[str, ...]]:
    """What the server does: the first so many commands. The fence: only what is in the list is settled."""
    queue, listed, counted = list(s.queue), s.listed, s.counted
    for raw in trip.done if commands > 0 else ():
        if raw in listed or not rules.fence:
            listed = take(listed, raw)
            if raw == "s":
                queue.append(raw)
            else:
                counted = put(counted, raw)
    for raw in trip.released if commands > 1 else ():
        if raw in listed or not rules.fence:
            listed = take(listed, raw)
            queue.insert(0, raw)
    got = tuple(queue[: trip.want]) if commands > 2 else ()
    after = s._replace(queue=tuple(queue[len(got) :]), listed=put(listed, *got), counted=counted)
    return after, got


def _doubt(s: State, rules: Rules) -> tuple[Entry, ...]:
    """`Hand.doubt`: nobody knows whether what is done was settled; for twins without an id that matters."""
    return tuple(sorted(e._replace(in_doubt=rules.doubt and e.phase == DONE and e.raw == "t") for e in s.hand))


def _compare(s: State, is_touched: bool, rules: Rules) -> State:
    """`Turn._compare`: twice another length than ours, and the list is read again."""
    if not is_touched or not rules.compare:
        return s
    mismatches = s.mismatches + 1 if len(s.listed) != len(s.hand) else 0
    return s._replace(mismatches=mismatches % 2, must_reread=mismatches > 1)


def _reread(s: State, rules: Rules) -> State:
    """`Hand.reconcile`: the copy is put right after the list."""
    rank = {
        RELEASED: 1 if rules.released_before_done else 3,
        DONE: 2 if rules.unstarted_first else -1,
    }
    left, hand = Counter(s.listed), []
    for e in sorted(s.hand, key=lambda e: (rank.get(e.phase, 0), e)):
        if e.in_doubt:
            continue
        if left[e.raw] > 0:
            left[e.raw] -= 1 if rules.multiset else 0
            hand.append(e)
        elif e.phase == RUNNING:
            hand.append(e)
    if not rules.multiset:  # the mutant: what is in hand once is taken for known
        left = Counter(set(left) - {e.raw for e in hand})
    hand += [Entry(raw, UNSTARTED) for raw in left.elements()]
    return s._replace(hand=tuple(sorted(hand)), must_reread=False, mismatches=0)


def broken(s: State) -> str | None:
    everywhere = put(s.queue, *s.listed, *s.counted)
    if not is_within(s.counted, s.pushed):
        return COUNTED_TWICE
    if everywhere != s.pushed:
        return NOT_ONE_PLACE
    if not is_within(s.counted, s.ran):
        return VANISHED
    if s.ran.count("a") > 1 and not s.had_late:
        return TWICE
    return None


def is_settled(s: State) -> bool:
    return s.counted == tuple(raw for raw in s.pushed if raw != "s")


def model(more: int = 0) -> Model[State]:
    def world(queue: str, losses: int, lates: int) -> State:
        return State(tuple(queue), pushed=tuple(sorted(queue)), losses=losses, lates=lates)

    return Model(
        "trips",
        (world("tta", 1 + more, 0), world("tt", 1, 1 + more), world("sa", more, 1)),
        steps,
        broken,
        is_settled,
        {
            "fence": NOT_ONE_PLACE,
            "reread": VANISHED,
            "idle_look": DEAD_END,
            "compare": DEAD_END,
            "doubt": VANISHED,
        },
        {
            "multiset": "sets would do too, but run more twins twice",
            "unstarted_first": "what has a lost settle reply is in doubt and stands back anyway",
            "released_before_done": "the same; it even costs a twin's second run when the reply of a release was lost",
        },
    )
