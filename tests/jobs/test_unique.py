"""Which calls count as the same, whatever they look like; and options that make no sense."""

import copy
import dataclasses
import datetime as dt
import doctest
import enum
import json
import math
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import ConfigError, Unserializable
from resque.jobs import unique
from resque.jobs.arguments import Signature
from resque.jobs.unique import DEFAULT_TTL, Fingerprint, Unique, digest

SENTINEL = object()


class Color(enum.Enum):
    RED = "red"


def order(order_id: int, note: str = "", *, express: bool = False, made: object = SENTINEL) -> None: ...


def loose(first: int, /, *more: int, **others: object) -> None: ...


def fingerprint(args: list[str | int] | None, perform: Callable[..., Any] = order) -> Fingerprint:
    return Fingerprint(Unique(args=args), Signature("Order", perform, method=False))


class TestFingerprint:
    def test_it_is_32_hexadecimal_digits(self) -> None:
        assert re.fullmatch("[0-9a-f]{32}", fingerprint(None).of([1], {}))

    def test_however_the_arguments_are_passed(self) -> None:
        """By position, by name, in any order, or left to their default."""
        calls: list[tuple[list[Any], dict[str, Any]]] = [
            ([1], {}),
            ([1], {"note": ""}),
            ([1, ""], {"express": False}),
            ([], {"order_id": 1}),
            ([], {"express": False, "note": "", "order_id": 1}),
        ]
        assert len({fingerprint(None).of(args, kwargs) for args, kwargs in calls}) == 1

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [([2], {}), (["1"], {}), ([1.0], {}), ([True], {}), ([None], {}), ([1, "x"], {}), ([1], {"express": True})],
    )
    def test_other_arguments_are_another_job(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        assert fingerprint(None).of(args, kwargs) != fingerprint(None).of([1], {})

    def test_only_chosen_arguments_count(self) -> None:
        chosen = fingerprint(["order_id", "express"])
        assert chosen.of([1, "a"], {}) == chosen.of([1], {"note": "b", "made": 5})
        assert chosen.of([1, "a"], {}) != chosen.of([2, "a"], {})
        assert chosen.of([1], {}) != chosen.of([1], {"express": True})

    def test_chosen_by_position_or_by_name_in_any_order(self) -> None:
        every: list[list[str | int]] = [["order_id", "note"], [0, 1], ["note", 0], [1, "order_id", "note"]]
        assert len({fingerprint(args).of([1, "a"], {}) for args in every}) == 1

    def test_no_argument_makes_one_job_of_the_class(self) -> None:
        assert fingerprint([]).of([1], {}) == fingerprint([]).of([2, "x"], {"express": True})

    def test_jobs_of_other_names_are_others(self) -> None:
        other = Fingerprint(Unique(), Signature("Invoice", order, method=False))
        assert other.of([1], {}) != fingerprint(None).of([1], {})

    def test_the_receiver_of_a_method_is_no_argument(self) -> None:
        class Order:
            def perform(self, order_id: int) -> None: ...

        method = Fingerprint(Unique(args=[0]), Signature("Order", Order.perform, method=True))
        assert method.of([7], {}) == digest("Order", {"order_id": 7})

    def test_values_count_in_their_json_form(self) -> None:
        some = uuid.UUID(int=5)
        day = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
        for value, form in ((some, str(some)), (day, day.isoformat()), (Color.RED, "red"), ((1, 2), [1, 2])):
            assert fingerprint(None).of([value], {}) == fingerprint(None).of([form], {})

    def test_an_argument_without_a_json_form(self) -> None:
        """It is named; one that does not count is left to whoever encodes the whole."""
        with pytest.raises(Unserializable, match="argument order_id: a set would come back as a list"):
            fingerprint(["order_id"]).of([{1}], {})
        assert fingerprint(["note"]).of([{1}], {}) == fingerprint(["note"]).of([2], {})

    def test_a_default_without_a_json_form_is_as_good_as_not_given(self) -> None:
        assert fingerprint(["made"]).of([1], {}) == fingerprint(["made"]).of([2], {})
        assert fingerprint(["made"]).of([1], {}) != fingerprint(["made"]).of([1], {"made": None})

    def test_what_args_and_kwargs_of_perform_take(self) -> None:
        every = fingerprint(None, loose)
        assert every.of([1, 2, 3], {"a": 1, "b": 2}) == every.of([1, 2, 3], {"b": 2, "a": 1})
        assert every.of([1, 2, 3], {}) != every.of([1, 3, 2], {})
        assert every.of([1], {"first": 2}) != every.of([1], {})
        assert every.of([1], {"first": 2}) != every.of([2], {"first": 1})

        third = fingerprint([2], loose)
        assert third.of([1, 2, 3], {}) == third.of([9, 9, 3], {"a": 1})
        assert third.of([1, 2, 3], {}) != third.of([1, 2, 4], {})
        assert third.of([1, 2], {}) == third.of([8], {})

        named = fingerprint(["shop"], loose)
        assert named.of([1], {"shop": 5, "x": 1}) == named.of([2], {"shop": 5})
        assert named.of([1], {"shop": 5}) != named.of([1], {"shop": 6})
        assert named.of([1], {}) == named.of([2], {"x": 1})

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (
                ["order"],
                "Order: Unique names the argument 'order', which perform does not take; did you mean 'order_id'?",
            ),
            (["exprss"], "did you mean 'express'?"),
            (["zzz"], "which perform does not take; it takes: order_id, note, express, made"),
            ([2], "Order: Unique names argument 2, but perform takes 2 by position, counted from 0; write its name"),
            (["note", 10**9], "perform takes 2 by position"),
        ],
    )
    def test_an_argument_that_perform_does_not_take(self, args: list[str | int], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            fingerprint(args)
        assert message in str(caught.value)

    def test_a_perform_that_takes_nothing(self) -> None:
        def nothing() -> None: ...

        assert fingerprint(None, nothing).of([], {}) == fingerprint([], nothing).of([], {})
        with pytest.raises(ConfigError, match="it takes none"):
            fingerprint(["a"], nothing)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdé\0\"", max_size=3), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def turned(value: Any) -> Any:
    """The same with the keys of every dict in another order."""
    if isinstance(value, dict):
        return {key: turned(each) for key, each in reversed(value.items())}
    return [turned(each) for each in value] if isinstance(value, list) else value


class TestDigest:
    @given(st.dictionaries(st.text("abc", min_size=1, max_size=3), json_values, max_size=4))
    def test_the_order_of_keys_makes_no_difference(self, values: dict[str, Any]) -> None:
        assert digest("Order", values) == digest("Order", turned(values))

    @given(json_values, json_values)
    def test_equal_exactly_if_the_json_is_equal(self, one: Any, other: Any) -> None:
        same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
        assert (digest("Order", {"a": one}) == digest("Order", {"a": other})) == same

    @given(json_values)
    def test_what_came_back_from_json_is_the_same(self, value: Any) -> None:
        assert digest("Order", {"a": value}) == digest("Order", {"a": json.loads(json.dumps(value))})

    def test_it_never_changes(self) -> None:
        """Locks outlive deploys: another digest for the same call would let a second one in."""
        assert digest("ProcessOrderJob", {"order_id": 123}) == "dac0ff2639b4f47e2f45b546e38df4e0"
        assert digest("A", {"b": {"z": [1.5, None], "a": "é"}, "a": True}) == "80a9019aea2439e823877f25d5c2bf80"

    def test_it_is_the_same_in_every_process(self) -> None:
        """Whatever the seed of hashes."""
        code = "from resque.jobs.unique import *; print(digest('A', {each: each for each in 'zyxwabc'}))"
        seen = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
            ).stdout.strip()
            for seed in ("1", "2")
        }
        assert seen == {digest("A", {each: each for each in "abcwxyz"})}


class TestOptions:
    def test_the_default(self) -> None:
        """All arguments, until done, skip, an hour."""
        option = Unique()
        assert (option.args, option.until, option.on_conflict, option.ttl) == (None, "done", "skip", DEFAULT_TTL)
        assert DEFAULT_TTL == 3600.0

    @pytest.mark.parametrize("until", ["10m", 600, 600.0, dt.timedelta(minutes=10)])
    def test_a_length_of_time_is_its_own_ttl(self, until: Any) -> None:
        option = Unique(until=until)
        assert (option.until, option.ttl) == ("ttl", 600.0)

    @pytest.mark.parametrize(
        ("option", "delay", "seconds"),
        [
            (Unique(), 0.0, 3600.0),
            (Unique(ttl="2h"), 100.0, 7300.0),
            (Unique(until="start", ttl=5), 86400.0, 86405.0),
            (Unique(until="10m"), 86400.0, 600.0),
        ],
    )
    def test_the_lock_of_a_delayed_job_outlives_its_delay(self, option: Unique, delay: float, seconds: float) -> None:
        assert option.lifetime(delay) == seconds
        assert option.lifetime() == option.ttl

    @pytest.mark.parametrize(
        "option",
        [
            Unique(),
            Unique(args=[]),
            Unique(args=["order_id", 1], until="start", on_conflict="replace", ttl=1234567.5),
            Unique(until=1234567.25, on_conflict="raise"),
            Unique(ttl="3653d"),
        ],
        ids=repr,
    )
    def test_the_repr_can_be_written(self, option: Unique) -> None:
        assert eval(repr(option)) == option
        assert hash(eval(repr(option))) == hash(option)
        assert copy.deepcopy(option) == option

    def test_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Unique().ttl = 5  # type: ignore[misc]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"args": "order_id"}, "Unique's args must be a list, not 'order_id'; write for example args=['order_id']"),
            ({"args": {"order_id"}}, "Unique's args must be a list"),
            ({"args": 0}, "Unique's args must be a list, not 0"),
            ({"args": [-1]}, "Unique's args: -1 is no argument; write its name ('order_id') or its position from 0"),
            ({"args": [True]}, "Unique's args: True is no argument"),
            ({"args": [1.0]}, "Unique's args: 1.0 is no argument"),
            ({"args": [None]}, "Unique's args: None is no argument"),
            ({"args": [""]}, "Unique's args: '' is no argument"),
            ({"args": ["order id"]}, "Unique's args: 'order id' is no argument"),
            ({"until": "stat"}, "Unique's until cannot be 'stat'; did you mean 'start'?"),
            ({"until": "DONE"}, "did you mean 'done'?"),
            ({"until": "for ever"}, "Unique's until cannot be 'for ever'; write 'start', 'done' or a length of time"),
            ({"until": "ttl"}, "Unique's until cannot be 'ttl'"),
            ({"until": "5 minutes"}, "Unique's until: '5 minutes' is no length of time; write seconds (30)"),
            ({"until": None}, "Unique's until: None is no length of time"),
            ({"until": True}, "Unique's until: True is no length of time"),
            ({"until": -5}, "Unique's until: -5 is no length of time"),
            ({"until": 0}, "Unique's until: 0 is too short; write 0.001 s or more"),
            ({"until": "11000d"}, "Unique's until: '11000d' is more than 10 years"),
            (
                {"until": "10m", "ttl": "1h"},
                "Unique takes until='10m' or a ttl, not both; write until='start' or 'done'",
            ),
            ({"ttl": 0}, "Unique's ttl: 0 is too short"),
            ({"ttl": math.nan}, "Unique's ttl: nan is no length of time"),
            ({"ttl": math.inf}, "Unique's ttl: inf is no length of time"),
            ({"ttl": "11000d"}, "Unique's ttl: '11000d' is more than 10 years"),
            ({"on_conflict": "rise"}, "Unique's on_conflict cannot be 'rise'; did you mean 'raise'?"),
            ({"on_conflict": None}, "Unique's on_conflict cannot be None; write 'skip', 'replace' or 'raise'"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_what_to_write(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Unique(**options)
        assert message in str(caught.value)

    def test_names_have_to_be_said(self) -> None:
        with pytest.raises(TypeError):
            Unique(["order_id"])  # type: ignore[call-arg]


def test_the_examples_are_true() -> None:
    assert doctest.testmod(unique) == doctest.TestResults(failed=0, attempted=3)
