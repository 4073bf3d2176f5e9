"""The retry policy as a table, its delays as properties, and the verbs raised and returned."""

import asyncio
import contextlib
import copy
import dataclasses
import doctest
import math
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import ConfigError
from resque.jobs import retry
from resque.jobs.retry import (
    LONGEST,
    Again,
    Cancel,
    Dead,
    Discard,
    Drop,
    Fail,
    GiveUp,
    Next,
    Retry,
    RetryIn,
    Snooze,
    Verb,
    blamed,
    span,
    verb_of,
)

ERROR = ValueError("no such order")
YEARS = 3653 * 86400


class Throttled(Exception): ...


class VeryThrottled(Throttled): ...


class NeedsHuman(Exception): ...


def half() -> float:
    return 0.5


def unasked() -> float:
    raise AssertionError("no random number is needed here")


def delays_of(policy: Retry, number: Callable[[], float] = unasked) -> list[float]:
    """The delays of a job that always raises, until it is given up; so there are as many as retries."""
    delays: list[float] = []
    while isinstance(decision := policy.next(len(delays) + 1, ERROR, number), Again):
        assert decision.counts
        delays.append(decision.after)
    assert decision == GiveUp()
    assert len(delays) == policy.max
    return delays


class TestPolicy:
    @pytest.mark.parametrize("attempt", [1, 2, 5])
    def test_an_error_is_tried_again_while_retries_are_left(self, attempt: int) -> None:
        assert Retry(max=5, jitter="none").next(attempt, ERROR, unasked) == Again(30.0 * 2 ** (attempt - 1), True)

    @pytest.mark.parametrize("attempt", [6, 7, 10**30])
    def test_after_the_last_retry_it_gives_up(self, attempt: int) -> None:
        """max=5 means six runs."""
        assert Retry(max=5).next(attempt, ERROR, unasked) == GiveUp()

    def test_the_default(self) -> None:
        """At most 30 s, 1, 2, 4, 8 minutes, with full jitter."""
        assert Retry() == Retry(max=5, base="30s", cap="1h", jitter="full", on={})
        assert delays_of(Retry(), lambda: 1.0) == [30.0, 60.0, 120.0, 240.0, 480.0]
        assert delays_of(Retry(), lambda: 0.0) == [0.0] * 5

    def test_a_list_of_delays_is_taken_as_it_is_written(self) -> None:
        assert delays_of(Retry(delays=[10, "1m", timedelta(minutes=10), 0.5])) == [10.0, 60.0, 600.0, 0.5]

    def test_the_last_delay_repeats_up_to_a_greater_max(self) -> None:
        assert delays_of(Retry(max=4, delays=(1, 9))) == [1.0, 9.0, 9.0, 9.0]

    def test_the_cap_holds(self) -> None:
        assert delays_of(Retry(base=10, cap=25, jitter="none")) == [10.0, 20.0, 25.0, 25.0, 25.0]
        assert Retry(max=10**9, cap=99, jitter="none").next(10**9, ERROR, unasked) == Again(99.0, True)

    def test_a_base_above_the_usual_cap_is_its_own_cap(self) -> None:
        assert delays_of(Retry(max=2, base="2h", jitter="none")) == [7200.0, 7200.0]

    def test_never(self) -> None:
        assert Retry.never.next(1, ERROR, unasked) == GiveUp()
        assert Retry.never.next(1, RetryIn(5), unasked) == GiveUp()
        assert Retry.never.next(1, Snooze(5), unasked) == Again(5.0, counts=False)
        assert Retry.never != Retry()
        assert Retry().max == 5

    @pytest.mark.parametrize("attempt", [0, -1, -(10**30)])
    def test_an_attempt_that_nobody_can_have_had_counts_as_the_first(self, attempt: int) -> None:
        """It comes out of a payload."""
        assert Retry(base=10, jitter="none").next(attempt, ERROR, unasked) == Again(10.0, True)
        assert Retry(delays=[1, 2]).next(attempt, ERROR, unasked) == Again(1.0, True)

    @pytest.mark.parametrize("error", [OSError(), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()])
    def test_any_error_is_one(self, error: BaseException) -> None:
        assert isinstance(Retry().next(1, error, half), Again)


VERBS: list[tuple[Verb, int, Next]] = [
    (RetryIn("5m"), 1, Again(300.0, counts=True)),
    (RetryIn(0), 5, Again(0.0, counts=True)),
    (RetryIn("5m"), 6, GiveUp()),
    (Snooze("30s"), 1, Again(30.0, counts=False)),
    (Snooze("30s"), 6, Again(30.0, counts=False)),
    (Snooze("30s"), 10**9, Again(30.0, counts=False)),
    (Cancel("withdrawn"), 1, Drop("cancelled", "withdrawn")),
    (Cancel("withdrawn"), 9, Drop("cancelled", "withdrawn")),
    (Discard(), 1, Drop("discarded", None)),
    (Discard("empty"), 9, Drop("discarded", "empty")),
    (Fail(), 1, Dead(None)),
    (Fail("look at it"), 9, Dead("look at it")),
]


class TestVerbsDecide:
    @pytest.mark.parametrize(("verb", "attempt", "expected"), VERBS)
    def test_raised(self, verb: Verb, attempt: int, expected: Next) -> None:
        assert Retry(max=5).next(attempt, verb, unasked) == expected

    @pytest.mark.parametrize(("verb", "attempt", "expected"), VERBS)
    def test_given_for_an_exception(self, verb: Verb, attempt: int, expected: Next) -> None:
        assert Retry(max=5, on={ValueError: verb}).next(attempt, ERROR, unasked) == expected

    def test_what_the_job_says_comes_before_the_policy(self) -> None:
        policy = Retry(on={Exception: Discard, BaseException: Discard})
        assert policy.next(1, Snooze(5), unasked) == Again(5.0, counts=False)

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (Throttled(), Again(30.0, counts=False)),
            (VeryThrottled(), Drop("cancelled", "too much")),
            (NeedsHuman(), Dead(None)),
            (FileNotFoundError(), Again(1.0, counts=True)),
            (ERROR, Again(15.0, counts=True)),
        ],
    )
    def test_the_nearest_class_wins_whatever_the_order(self, error: Exception, expected: Next) -> None:
        on: dict[type[BaseException], Verb | type[Verb]] = {
            Throttled: Snooze("30s"),
            VeryThrottled: Cancel("too much"),
            OSError: RetryIn(1),
            NeedsHuman: Fail,
        }
        assert Retry(on=on).next(1, error, half) == expected
        assert Retry(on=dict(reversed(on.items()))).next(1, error, half) == expected

    def test_of_two_bases_the_first_in_the_mro_wins(self) -> None:
        class Both(NeedsHuman, Throttled): ...

        policy = Retry(on={Throttled: Discard, NeedsHuman: Fail})
        assert policy.next(1, Both(), unasked) == Dead(None)

    def test_a_group_with_one_exception_counts_as_that_one(self) -> None:
        """A TaskGroup raises such a group, and so does one within another."""
        policy = Retry(on={Throttled: Discard}, jitter="none")
        group = ExceptionGroup("unhandled errors in a TaskGroup", [Throttled()])
        assert policy.next(1, group, unasked) == Drop("discarded", None)
        assert policy.next(1, ExceptionGroup("", [group]), unasked) == Drop("discarded", None)
        assert policy.next(1, ExceptionGroup("", [Snooze(5)]), unasked) == Again(5.0, counts=False)
        assert policy.next(1, ExceptionGroup("", [Throttled(), ERROR]), unasked) == Again(30.0, counts=True)


policies = st.builds(
    Retry,
    max=st.integers(1, 10**6),
    base=st.floats(0.001, 10**6),
    cap=st.floats(10**6, LONGEST),
    jitter=st.sampled_from(["full", "equal", "none"]),
)
numbers = st.floats(0, 1, exclude_max=True)


class TestDelays:
    @given(policies, st.integers(-5, 10**7), numbers)
    def test_within_bounds(self, policy: Retry, attempt: int, number: float) -> None:
        decision = policy.next(attempt, ERROR, lambda: number)
        assert (decision == GiveUp()) == (attempt > policy.max)
        if isinstance(decision, Again):
            doublings = min(max(attempt, 1) - 1, 100)
            whole = min(policy.cap, math.ldexp(policy.base, doublings))
            least = {"full": 0.0, "equal": whole / 2, "none": whole}[policy.jitter]
            assert least <= decision.after <= whole <= LONGEST
            assert decision.counts

    @given(st.lists(st.floats(0, LONGEST), min_size=1, max_size=9), st.integers(1, 20), numbers)
    def test_listed_delays_are_the_upper_bounds(self, delays: list[float], attempt: int, number: float) -> None:
        decision = Retry(max=20, delays=delays, jitter="full").next(attempt, ERROR, lambda: number)
        assert isinstance(decision, Again)
        assert 0 <= decision.after <= delays[min(attempt, len(delays)) - 1]

    @pytest.mark.parametrize(("jitter", "least"), [("full", 0.0), ("equal", 40.0)])
    def test_jitter_fills_its_whole_range_evenly(self, jitter: Any, least: float) -> None:
        source = random.Random(4)
        policy = Retry(base=10, jitter=jitter)
        delays = [delays_of(policy, source.random)[3] for _ in range(4000)]
        tenth = (80.0 - least) / 10
        counts = [0] * 10
        for delay in delays:
            counts[int((delay - least) / tenth)] += 1
        assert min(delays) >= least
        assert max(delays) < 80.0
        assert min(counts) > 300  # 400 each, 5 standard deviations


class TestVerbs:
    @pytest.mark.parametrize("verb", [verb for verb, _, _ in VERBS], ids=repr)
    def test_says_the_same_wherever_it_goes(self, verb: Verb) -> None:
        """Raised, copied, written and read again."""
        with pytest.raises(type(verb)) as caught:
            raise verb
        assert caught.value is verb is verb_of(verb)
        same = copy.copy(verb)
        assert same is not verb
        assert same == verb == eval(repr(verb))
        assert hash(same) == hash(verb)
        assert str(verb)

    def test_equal_only_if_they_say_the_same(self) -> None:
        assert Snooze("1m") == Snooze(60)
        assert Snooze(60) not in (RetryIn(60), Snooze(61))
        assert Discard() not in (Discard("why"), Fail())

    def test_never_changes(self) -> None:
        for verb, name in ((RetryIn(5), "delay"), (Snooze(5), "delay"), (Cancel("why"), "reason")):
            with pytest.raises(AttributeError):
                setattr(verb, name, 9)

    def test_goes_through_context_managers(self) -> None:
        """They set __traceback__ of what they raise again, which something wholly frozen would not survive."""
        with pytest.raises(Snooze), contextlib.contextmanager(lambda: iter(x for x in "a"))():
            raise Snooze(5)

    @pytest.mark.parametrize("verb", [Discard, Fail])
    def test_the_class_alone_will_do(self, verb: type[Discard] | type[Fail]) -> None:
        with pytest.raises(verb) as caught:
            raise verb
        assert caught.value == verb()
        assert verb_of(verb) == verb()
        assert Retry(on={Throttled: verb}).on == {Throttled: verb()}

    @pytest.mark.parametrize("verb", [RetryIn, Snooze, Cancel])
    def test_a_class_that_needs_an_argument_fails_the_job_when_it_is_returned(self, verb: type[Verb]) -> None:
        returned = verb_of(verb)
        assert isinstance(returned, Fail)
        assert f"returned the class {verb.__name__}, without an argument; write {verb.__name__}('" in str(returned)

    @pytest.mark.parametrize("result", [None, 0, "Discard", object(), int, ValueError, ERROR, [Discard()], Retry()])
    def test_other_results_are_results(self, result: object) -> None:
        assert verb_of(result) is None

    @pytest.mark.parametrize(
        ("verb", "value", "message"),
        [
            (RetryIn, -1, "RetryIn's delay: -1 is no length of time; write seconds (30), or for example '30s'"),
            (RetryIn, math.nan, "RetryIn's delay: nan is no length of time"),
            (RetryIn, True, "RetryIn's delay: True is no length of time"),
            (RetryIn, "soon", "RetryIn's delay: 'soon' is no length of time"),
            (RetryIn, timedelta(seconds=-1), "is no length of time"),
            (RetryIn, YEARS + 1, "delay: 315619201 is more than 10 years; write something shorter, for example '30d'"),
            pytest.param(RetryIn, 10**5000, "RetryIn's delay: ", id="digits"),
            pytest.param(RetryIn, "9" * 5000 + "d", "RetryIn's delay: ", id="days"),
            (Snooze, 0, "Snooze's delay: 0 is too short; write 0.001 s or more, for example '30s'"),
            (Cancel, "", "Cancel needs a reason; write Cancel('why'), or Discard for none"),
            (Cancel, 5, "a reason must be text, not 5; write Cancel('why')"),
            (Discard, 5, "a reason must be text, not 5; write Discard('why')"),
            (Fail, ERROR, "a reason must be text, not ValueError('no such order'); write Fail('why')"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, verb: Callable[[Any], Verb], value: object, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            verb(value)
        assert message in str(caught.value)
        assert len(str(caught.value)) < 400


def test_blamed_is_the_error_or_what_a_verb_without_a_reason_was_raised_from() -> None:
    assert blamed(ERROR) is ERROR
    assert blamed(ExceptionGroup("", [ERROR])) is ERROR
    for verb in (RetryIn(5), Fail()):
        verb.__context__ = ERROR  # raised while it was being handled
        assert blamed(verb) is ERROR
        verb.__suppress_context__ = True  # raised from None
        assert blamed(verb) is verb
        verb.__cause__ = ERROR
        assert blamed(verb) is ERROR
    reasoned = Fail("a bad card")
    reasoned.__cause__ = ERROR
    assert blamed(reasoned) is reasoned
    assert str(reasoned) == "a bad card"


class TestValidation:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max": 0}, "Retry's max must be 1 or more, not 0; write Retry.never for no retries"),
            ({"max": "5"}, "Retry's max must be a whole number, not '5'; write for example max=5"),
            ({"max": True}, "must be a whole number, not True"),
            ({"max": 5.0}, "must be a whole number, not 5.0"),
            ({"max": 2, "delays": [1, 2, 3]}, "Retry has 3 delays for 2 retries; leave out max, or some delays"),
            ({"delays": []}, "Retry's delays must be a list, not []; write for example [10, '1m', '10m']"),
            ({"delays": "10s"}, "Retry's delays must be a list, not '10s'"),
            ({"delays": {1, 2}}, "Retry's delays must be a list"),
            ({"delays": [1, -2]}, "Retry's delay 2: -2 is no length of time"),
            ({"delays": [math.nan]}, "Retry's delay 1: nan is no length of time"),
            ({"delays": ["11000d"]}, "Retry's delay 1: '11000d' is more than 10 years"),
            ({"delays": [1], "base": 5}, "Retry takes delays, or base and cap, not both"),
            ({"base": 0}, "Retry's base: 0 is too short; write 0.001 s or more"),
            ({"cap": "x"}, "Retry's cap: 'x' is no length of time"),
            ({"cap": 10}, "Retry's cap of 10 s is below its base of 30 s; write a cap above the base"),
            ({"jitter": True}, "Retry's jitter cannot be True; write 'full', 'equal' or 'none'"),
            ({"on": [Throttled]}, "Retry's on must be a dict, not ["),
            ({"on": {"Throttled": Discard}}, "Retry's on: 'Throttled' is no class of errors; write for example"),
            ({"on": {Snooze: Discard}}, "is no class of errors"),
            ({"on": {Throttled: Snooze}}, "Retry's on: Snooze needs an argument; write Snooze('5m')"),
            ({"on": {Throttled: Cancel}}, "Retry's on: Cancel needs an argument; write Cancel('why')"),
            ({"on": {Throttled: "30s"}}, "Retry's on: Throttled: '30s' is no verb; write Snooze('30s'), RetryIn('5m')"),
            ({"on": {Throttled: Retry()}}, "is no verb"),
            pytest.param({"jitter": "x" * 10**6}, "Retry's jitter cannot be 'xxx", id="text"),
            pytest.param({"jitter": 10**5000}, "Retry's jitter cannot be this int", id="digits"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_what_to_write(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Retry(**options)
        assert message in str(caught.value)
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize(
        "policy",
        [
            Retry(),
            Retry.never,
            Retry(max=8),
            Retry(delays=[10, 60, 600.5]),
            Retry(max=9, delays=[10], jitter="equal"),
            Retry(base=1234567.25, cap="3653d", jitter="none"),
            Retry(on={Throttled: Snooze("30s"), NeedsHuman: Fail, OSError: Cancel("it's gone")}),
        ],
        ids=repr,
    )
    def test_the_repr_can_be_written(self, policy: Retry) -> None:
        assert eval(repr(policy)) == policy
        assert hash(eval(repr(policy))) == hash(policy)
        assert copy.deepcopy(policy) == policy

    def test_frozen(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Retry().max = 9  # type: ignore[misc]
        with pytest.raises(TypeError):
            Retry(on={Throttled: Fail}).on[Throttled] = Discard()  # type: ignore[index]

    def test_what_was_given_may_change_afterwards(self) -> None:
        delays = [1, 2]
        on: dict[type[Exception], type[Verb]] = {Throttled: Fail}
        policy = Retry(delays=delays, on=on)
        delays.append(3)
        on[NeedsHuman] = Fail
        assert policy.delays == (1.0, 2.0)
        assert policy.on == {Throttled: Fail()}


def test_span_names_what_is_wrong() -> None:
    assert span("delay", "1h30m") == 5400.0
    assert span("delay", 0) == 0.0
    assert span("delay", "3653d") == LONGEST
    with pytest.raises(ConfigError, match=r"^timeout: 0 is too short; write 1 s or more"):
        span("timeout", 0, least=1)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.floats(), st.timedeltas(), st.lists(st.integers())))
def test_whatever_is_written_gives_seconds_or_says_what_to_write(value: object) -> None:
    with contextlib.suppress(ConfigError):
        assert 0 <= span("delay", value) <= LONGEST


def test_the_examples_are_true() -> None:
    assert doctest.testmod(retry) == doctest.TestResults(failed=0, attempted=8)
