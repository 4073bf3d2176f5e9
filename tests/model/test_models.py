"""Each model holds with all of its rules, and breaks without any one of them that is not spare.

RESQUE_TORTURE=1 allows one fault more in each model, which takes a minute.
"""

import os
from typing import Any

import pytest

from tests.model import (
    adoption,
    enqueueing,
    failover,
    leases,
    leaving,
    poison,
    slots,
    switches,
    trips,
    waits,
    writes,
)
from tests.model.checker import Finding, Model, check, names_of

MORE = 1 if os.environ.get("RESQUE_TORTURE") == "1" else 0
MODULES = (trips, waits, leases, adoption, leaving, slots, poison, writes, failover, enqueueing, switches)
MODELS: list[Model[Any]] = [module.model(MORE) for module in MODULES]
MUTANTS = [(model, mutant) for model in MODELS for mutant in model.mutants]
SPARE = [(model, mutant) for model in MODELS for mutant in model.spare]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_nothing_goes_wrong(model: Model[Any]) -> None:
    finding = check(model)
    assert finding.violation is None, f"{model.name}: {finding}"
    assert finding.states > 20, "so small a world proves nothing"


@pytest.mark.parametrize(("model", "mutant"), MUTANTS, ids=str)
def test_each_rule_is_needed(model: Model[Any], mutant: str) -> None:
    finding = check(model, names_of(mutant))
    assert finding.violation == model.mutants[mutant], f"{model.name} without {mutant}: {finding}"


@pytest.mark.parametrize(("model", "mutant"), SPARE, ids=str)
def test_a_spare_rule_can_be_missed(model: Model[Any], mutant: str) -> None:
    """Should this fail, the rule has become needed: it belongs to the mutants then."""
    finding = check(model, names_of(mutant))
    assert finding.violation is None, f"{model.name} without {mutant}: {finding}"


def test_a_finding_tells_the_way() -> None:
    finding = check(slots.model(), ["nonce"])
    assert isinstance(finding, Finding)
    assert str(finding).startswith("a living worker is robbed, after 5 steps")
    assert " 1. fault: 0 dies" in str(finding)


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no protection"):
        check(slots.model(), ["nonse"])
    with pytest.raises(AttributeError):
        _ = slots.model().rules().nonse


class TestChecker:
    """A world of numbers: 0 counts up to 3, where it ends; from 2 a fault leads to 7, from where nothing leads on."""

    @staticmethod
    def world(worst: int = 9) -> Model[int]:
        ways = {0: [("one", 1)], 1: [("two", 2)], 2: [("three", 3), ("fault: trap", 7)]}
        return Model(
            "numbers",
            (0,),
            lambda number, _: ways.get(number, []),
            lambda number: "too much" if number >= worst else None,
            lambda number: number == 3,
            {},
        )

    def test_a_dead_end_is_found(self) -> None:
        assert check(self.world()) == Finding(5, "dead end", ("one", "two", "fault: trap"))

    def test_a_violation_is_found_by_the_shortest_way(self) -> None:
        assert check(self.world(worst=2)) == Finding(3, "too much", ("one", "two"))

    def test_a_fault_is_never_counted_on(self) -> None:
        """The only way from 0 to the end is a fault."""
        model = Model("luck", (0,), lambda n, _: [("fault: luck", 1)] if n == 0 else [], lambda _: None, bool, {})
        assert check(model).violation == "dead end"
