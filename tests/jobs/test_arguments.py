"""Counting and naming arguments. How they are converted is tested in test_conversion.py."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import BadArguments, ConfigError, JobError
from resque.jobs.arguments import Conversion, Signature

Function = Callable[..., Any]


def signature(function: Function) -> Signature:
    return Signature("Shop", function, method=False)


def none() -> None: ...
def one(a): ...  # type: ignore[no-untyped-def]
def defaults(a, b=1, c=2): ...  # type: ignore[no-untyped-def]
def only_names(a, *, b, c=1): ...  # type: ignore[no-untyped-def]
def many(a, *more): ...  # type: ignore[no-untyped-def]
def others(a, b=1, **rest): ...  # type: ignore[no-untyped-def]
def places(a, b=1, /, c=2): ...  # type: ignore[no-untyped-def]
def places_others(a, /, **rest): ...  # type: ignore[no-untyped-def]
def everything(a, b=1, /, c=2, *more, d, e=3, **rest): ...  # type: ignore[no-untyped-def]


ALL = [none, one, defaults, only_names, many, others, places, places_others, everything]
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "rest", "more", "self", "args", "kwargs", "job"])


@pytest.mark.parametrize("function", ALL, ids=lambda function: function.__name__)
@given(args=st.lists(st.none(), max_size=6), kwargs=st.dictionaries(NAMES, st.none(), max_size=4))
def test_a_call_is_accepted_exactly_when_python_would_accept_it(
    function: Function, args: list[None], kwargs: dict[str, None]
) -> None:
    """The sets that are compared agree with Python, and so does the range for calls without keywords."""
    known = signature(function)
    try:
        function(*args, **kwargs)
        fits = True
    except TypeError:
        fits = False
    if not kwargs:
        assert (known.fewest <= len(args) <= known.most) == fits
    if fits:
        known.check(args, kwargs)
    else:
        with pytest.raises(BadArguments):
            known.check(args, kwargs)


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "reason"),
    [
        (one, (), {}, "missing a required argument: 'a'"),
        (none, (1,), {}, "too many positional arguments"),
        (one, (1,), {"a": 2}, "multiple values for argument 'a'"),
        (defaults, (1,), {"x": 2}, "unexpected keyword argument 'x'"),
        (only_names, (1,), {}, "argument: 'b'"),
    ],
)
def test_the_error_names_the_job_what_is_wrong_and_the_signature(
    function: Function, args: tuple[int, ...], kwargs: dict[str, int], reason: str
) -> None:
    with pytest.raises(BadArguments) as caught:
        signature(function).check(args, kwargs)
    text = str(caught.value)
    assert text.startswith("Shop: ")
    assert reason in text
    assert text.endswith(
        f"perform takes {inspect.signature(function).replace(return_annotation=inspect.Signature.empty)}"
    )
    assert isinstance(caught.value, JobError)
    assert isinstance(caught.value, TypeError)


def test_the_signature_in_an_error_shows_textual_annotations_without_quotation_marks() -> None:
    def perform(order_id: "int", *, express: bool = False) -> str: ...  # type: ignore[empty-body]

    with pytest.raises(BadArguments) as caught:
        signature(perform).check((), {})
    assert str(caught.value).endswith("perform takes (order_id: int, *, express: bool = False)")


def test_a_long_name_in_a_foreign_payload_does_not_make_a_long_error() -> None:
    with pytest.raises(BadArguments) as caught:
        signature(none).check((), {"x" * 100_000: 1})
    assert len(str(caught.value)) < 1_200


def test_a_receiver_is_no_argument_and_its_name_is_refused() -> None:
    """Also where **rest would take it: perform could not be called with it."""

    def perform(self: Any, a: int = 0, **rest: Any) -> None: ...

    method = Signature("Shop", perform, method=True)
    method.check((1,), {"b": 2})
    assert method.most == 1
    with pytest.raises(BadArguments, match="unexpected keyword argument 'self'"):
        method.check((), {"self": 1})


def test_a_receiver_by_position_leaves_its_name_to_others() -> None:
    def perform(self: Any, /, **rest: Any) -> None: ...

    Signature("Shop", perform, method=True).check((), {"self": 1})


def test_a_receiver_may_be_taken_by_star_args() -> None:
    def perform(*args: Any) -> None: ...

    Signature("Shop", perform, method=True).check((1, 2, 3), {})


@pytest.mark.parametrize("function", [lambda: None, lambda *, a: None, lambda **rest: None])
def test_a_method_without_a_receiver_is_refused(function: Function) -> None:
    with pytest.raises(ConfigError, match="self as its first parameter"):
        Signature("Shop", function, method=True)


def test_a_function_that_does_not_tell_what_it_takes_is_refused() -> None:
    with pytest.raises(ConfigError, match="Shop: what it takes cannot be told"):
        signature(dict)


def test_nothing_annotated_needs_no_conversion() -> None:
    for function in (none, one, defaults, others, places):
        assert Conversion(signature(function), {}).untyped
