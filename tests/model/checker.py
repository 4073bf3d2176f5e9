"""Checker: walks through every state of a model, breadth first, and tells the shortest way to what must not be.

A model is a set of initial states, a function from a state to the steps that are possible in it, and three questions:

    broken      is an invariant violated here, and which?
    is_settled  has every job come to its end?
    mutants     which protections does the protocol have, and what goes wrong without each of them?

Two kinds of violation are looked for. An invariant may be broken in a state that can be reached. And a state may be a
**dead end**: whatever happens from there on, without any further fault, no settled state is reached. A step whose name
begins with "fault:" or "order:" (an operator's) may happen, and is never counted on to make progress. That there is
always a way does not prove that it is taken; it does when whatever stays possible happens at some time, which holds for
loops that come round again and again.

May be in here: walking, traces. May not: any protocol.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

State = TypeVar("State", bound=Hashable)

DEAD_END = "dead end"
NEVER_COUNTED_ON = ("fault:", "order:")
MOST_STATES = 2_000_000
Rules = Any
"""The protections by name, each True or False. A name that the model does not list is an AttributeError."""


@dataclass(frozen=True)
class Model(Generic[State]):
    """One small world.

    `mutants`: protections to remove ("one", or "one + another") -> the violation that follows.
    `spare`: protections that can be missed, for a reason: they save work or time, or another one stands behind them.
    """

    name: str
    initial: tuple[State, ...]
    steps: Callable[[State, Rules], Iterable[tuple[str, State]]]
    broken: Callable[[State], str | None]
    is_settled: Callable[[State], bool]
    mutants: Mapping[str, str]
    spare: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.name

    @property
    def protections(self) -> list[str]:
        return sorted({name for mutant in (*self.mutants, *self.spare) for name in names_of(mutant)})

    def rules(self, without: Iterable[str] = ()) -> Rules:
        """All protections but these."""
        removed = set(without)
        assert removed <= set(self.protections), f"{self.name} has no protection {removed - set(self.protections)}"
        return SimpleNamespace(**{name: name not in removed for name in self.protections})


@dataclass(frozen=True)
class Finding:
    """What a walk has found: how many states, and the first violation with the steps that lead to it."""

    states: int
    violation: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.violation is None:
            return f"{self.states} states, none of them wrong"
        steps = "".join(f"\n  {number:2}. {step}" for number, step in enumerate(self.trace, 1))
        return f"{self.violation}, after {len(self.trace)} steps ({self.states} states seen):{steps}"


def names_of(mutant: str) -> list[str]:
    return mutant.split(" + ")


def check(model: Model[State], without: Iterable[str] = ()) -> Finding:
    """Walk through the model with all of its protections, or without some of them."""
    rules = model.rules(without)
    came_from: dict[State, tuple[str, State] | None] = dict.fromkeys(model.initial)
    before: dict[State, list[State]] = {}
    todo = deque(model.initial)
    while todo:
        state = todo.popleft()
        violation = model.broken(state)
        if violation is not None:
            return Finding(len(came_from), violation, _trace(came_from, state))
        for label, after in model.steps(state, rules):
            if after not in came_from:
                came_from[after] = (label, state)
                todo.append(after)
            if not label.startswith(NEVER_COUNTED_ON):
                before.setdefault(after, []).append(state)
        assert len(came_from) < MOST_STATES, f"{model.name} does not end; the last: {_trace(came_from, state)}"
    hopeful = _all_before(before, [state for state in came_from if model.is_settled(state)])
    for state in came_from:  # in the order of the walk: the first has the shortest way
        if state not in hopeful:
            return Finding(len(came_from), DEAD_END, _trace(came_from, state))
    return Finding(len(came_from))


def _all_before(before: Mapping[State, Iterable[State]], settled: list[State]) -> set[State]:
    """Every state from which one of these can be reached without a fault."""
    found, todo = set(settled), list(settled)
    while todo:
        for state in before.get(todo.pop(), ()):
            if state not in found:
                found.add(state)
                todo.append(state)
    return found


def _trace(came_from: Mapping[State, tuple[str, State] | None], state: State) -> tuple[str, ...]:
    steps: list[str] = []
    while (last := came_from[state]) is not None:
        label, state = last
        steps.append(label)
    return tuple(reversed(steps))
