"""Writes: each transition writes the new place before it clears the old one (R9, R29).

Mirrors the order inside `lua/fail.lua`, `release.lua`, `reserve.lua` and `requeue.lua`. Two things go wrong there: the
new place refuses the write (a key of another type, no memory), or the script is stopped between its two writes.

The second leaves two copies, of which both may run and count: nothing is lost, which is the better half of the choice.

May be in here: single writes. May not: who calls a script, and when.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import Model, Rules

NOWHERE, TWO_COPIES = "nowhere in Redis", "two copies without a script that was stopped"
TRANSITIONS = (
    # name, old place, new place
    ("reserve", "queue", "listed"),
    ("release", "listed", "queue"),
    ("fail", "listed", "failed"),
    ("requeue", "failed", "queue"),
)


class State(NamedTuple):
    places: tuple[str, ...] = ("queue",)
    """Where the job is; more than one when a script was stopped."""
    under_way: tuple[str, str, str] | None = None
    is_half: bool = False
    refuses: str = ""
    """The place that takes no writes now."""
    was_stopped: bool = False
    stops: int = 1
    refusals: int = 1


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.under_way is None:
        yield from _begin(s)
        if "listed" in s.places:  # finish has one write only: the removal
            yield "finish", s._replace(places=_without(s.places, "listed") or ("done",))
        return
    name, old, new = s.under_way
    if not s.is_half:
        after, is_refused = _first(s, old, new, rules)
        yield f"{name}: first write{' is refused' if is_refused else ''}", after
    else:
        yield f"{name}: second write", _second(s, old, new, rules)._replace(under_way=None, is_half=False)
        if s.stops:
            stopped = s._replace(under_way=None, is_half=False, was_stopped=True, stops=s.stops - 1)
            yield f"fault: {name} is stopped", stopped


def _begin(s: State) -> Iterator[tuple[str, State]]:
    for transition in TRANSITIONS:
        if transition[1] in s.places:
            yield transition[0], s._replace(under_way=transition)
    if s.refusals:
        for place in ("queue", "listed", "failed"):
            yield f"fault: {place} refuses writes", s._replace(refuses=place, refusals=s.refusals - 1)
    if s.refuses:
        yield f"{s.refuses} takes writes again", s._replace(refuses="")


def _first(s: State, old: str, new: str, rules: Rules) -> tuple[State, bool]:
    if not rules.new_before_old:
        return s._replace(places=_without(s.places, old), is_half=True), False
    if s.refuses != new:
        return s._replace(places=_with(s.places, new), is_half=True), False
    if rules.refused_stays:
        return s._replace(under_way=None), True
    return s._replace(is_half=True), True


def _second(s: State, old: str, new: str, rules: Rules) -> State:
    if rules.new_before_old:
        return s._replace(places=_without(s.places, old))
    return s if s.refuses == new else s._replace(places=_with(s.places, new))


def _with(places: tuple[str, ...], place: str) -> tuple[str, ...]:
    return tuple(sorted({*places, place}))


def _without(places: tuple[str, ...], place: str) -> tuple[str, ...]:
    return tuple(each for each in places if each != place)


def broken(s: State) -> str | None:
    if not s.places and s.under_way is None:
        return NOWHERE
    return TWO_COPIES if len(s.places) > 1 and not (s.was_stopped or s.is_half) else None


def is_settled(s: State) -> bool:
    return s.places in (("done",), ("failed",)) and s.under_way is None


def model(more: int = 0) -> Model[State]:
    return Model(
        "writes",
        (State(stops=1 + more, refusals=1 + more),),
        steps,
        broken,
        is_settled,
        {"new_before_old": NOWHERE, "refused_stays": NOWHERE},
    )
