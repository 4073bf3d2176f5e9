"""Arguments in their JSON form become what perform's annotations say. The other half of test_arguments.py."""

import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, NotRequired, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import BadArguments
from resque.jobs.arguments import Conversion, Signature

if TYPE_CHECKING:
    from nowhere import Nothing  # type: ignore[import-not-found]

Function = Callable[..., Any]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    id: int
    when: dt.datetime | None = None


class Line(msgspec.Struct):
    sku: str
    price: decimal.Decimal


class Address(TypedDict):
    city: str
    code: NotRequired[int]


class Model:
    """Has pydantic's interface: built from plain data by model_validate, which raises a ValueError."""

    def __init__(self, value: int) -> None:
        self.value = value

    @classmethod
    def model_validate(cls, data: Any) -> "Model":
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict) or not isinstance(data.get("value"), int):
            raise ValueError("value: a number is needed")
        return cls(data["value"])

    def __repr__(self) -> str:
        return f"Model({self.value})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


class Plain:
    """An arbitrary class."""


@dataclasses.dataclass
class Picky:
    """Refuses values by itself."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size must not be negative")


@dataclasses.dataclass
class Folder:
    path: Path


UserId = NewType("UserId", int)


def signature(function: Function) -> Signature:
    return Signature("Shop", function, method=False)


def converted(function: Function, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    positional, named = Conversion(signature(function), {}).convert(args, kwargs)
    return list(positional), dict(named)


def annotated(annotation: Any) -> Function:
    def perform(value: Any) -> None: ...

    perform.__annotations__["value"] = annotation
    return perform


MOMENT = dt.datetime(2026, 11, 24, 1, 55, tzinfo=dt.UTC)
ID = uuid.UUID("0192f0c1-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 1, 1),
        (float, 1, 1.0),
        (float, 1.5, 1.5),
        (str, "a", "a"),
        (bool, True, True),
        (None, None, None),
        (int | None, None, None),
        (list, [1], [1]),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, Any], {"a": [1]}, {"a": [1]}),
        (list[int], [1, 2], [1, 2]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (dt.datetime, "2026-11-24T01:55:00Z", MOMENT),
        (dt.date, "2026-11-24", dt.date(2026, 11, 24)),
        (dt.time, "01:55:00", dt.time(1, 55)),
        (dt.datetime | None, "2026-11-24T01:55:00Z", MOMENT),
        (uuid.UUID, str(ID), ID),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "b", "b"),
        (UserId, 5, 5),
        (Annotated[int, msgspec.Meta(ge=1)], 5, 5),
        (Order, {"id": 1, "when": "2026-11-24T01:55:00Z"}, Order(1, MOMENT)),
        (list[Order], [{"id": 1}], [Order(1)]),
        (Line, {"sku": "x", "price": "1.5"}, Line("x", decimal.Decimal("1.5"))),
        (Address, {"city": "Bern", "code": 3000}, {"city": "Bern", "code": 3000}),
        (Model, {"value": 3}, Model(3)),
        (Model | None, {"value": 3}, Model(3)),
        (list[Model], [{"value": 3}], [Model(3)]),
        (Picky, {"size": 3}, Picky(3)),
    ],
    ids=str,
)
def test_an_argument_in_its_json_form_becomes_the_annotated_type(annotation: Any, value: Any, expected: Any) -> None:
    """By position and by name; and what has the type already stays what it is."""
    for args, kwargs in (((value,), {}), ((), {"value": value}), ((expected,), {}), ((), {"value": expected})):
        positional, named = converted(annotated(annotation), *args, **kwargs)
        result = [*positional, *named.values()]
        assert result == [expected]
        assert type(result[0]) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (float, True),
        (bool, 1),
        (str, 1),
        (str, None),
        (None, 1),
        (int | None, "x"),
        (int | str, True),
        (dict[str, Any], []),
        (list[Any], {}),
        (list[int], ["x"]),
        (dt.datetime, "yesterday"),
        (dt.date, 20261124),
        (uuid.UUID, "no"),
        (decimal.Decimal, "x"),
        (Colour, "green"),
        (Literal["a"], "b"),
        (Annotated[int, msgspec.Meta(ge=1)], 0),
        (Order, {}),
        (Order, [1]),
        (Line, {"sku": 1, "price": "1"}),
        (Address, {"city": 1}),
        (Model, {"value": "x"}),
        (Model, 3),
        (list[Model], [3]),
        (Picky, {"size": -1}),
        (Folder, {"path": "/tmp"}),
    ],
    ids=str,
)
def test_what_does_not_fit_the_annotation_is_refused_by_the_argument_s_name(annotation: Any, value: Any) -> None:
    for args, kwargs in (((value,), {}), ((), {"value": value})):
        with pytest.raises(BadArguments, match=r"^Shop: argument value does not fit its annotation: \S"):
            converted(annotated(annotation), *args, **kwargs)


@pytest.mark.parametrize(
    "annotation",
    [
        Any,
        object,
        Plain,
        Path,
        complex,
        list[Plain],
        Plain | None,
        int | Plain,
        Callable[[], int],
        "Nothing",
        "a b",
        "1 +",
        5,
    ],
    ids=str,
)
@pytest.mark.parametrize("value", [1, "a", None, [1], {"a": 1}])
def test_what_json_cannot_give_and_what_cannot_be_resolved_counts_as_any(annotation: Any, value: Any) -> None:
    assert converted(annotated(annotation), value) == ([value], {})


def test_an_unresolvable_annotation_spoils_only_itself() -> None:
    def perform(a: "Nothing", b: "dt.date", *, c: "uuid.UUID") -> "Nothing": ...

    result = converted(perform, 1, "2026-11-24", c=str(ID))
    assert result == ([1, dt.date(2026, 11, 24)], {"c": ID})


def test_annotations_may_use_the_names_that_are_given() -> None:
    def perform(a: "Inner") -> None: ...  # type: ignore[name-defined] # noqa: F821

    conversion = Conversion(signature(perform), {"Inner": Order})
    assert conversion.convert([{"id": 1}], {}) == ((Order(1),), {})


def test_an_annotation_may_name_what_is_defined_further_down() -> None:
    """Nothing is resolved when the signature is read."""
    known = signature(further_down)
    assert Conversion(known, {}).convert([{"x": 1}], {}) == ((Later(1),), {})


def further_down(a: "Later") -> None: ...


@dataclasses.dataclass
class Later:
    x: int


def test_the_wrong_one_of_several_is_named_with_the_place_inside_it() -> None:
    def perform(a: int, b: Order, *more: int, c: str = "") -> None: ...

    for args, kwargs, text in [
        ((1, {"id": "x"}), {}, "argument b does not fit its annotation: Expected int, got str at .id"),
        ((1, {"id": 1}, 2, "x"), {}, "argument number 4 does not fit its annotation: Expected int, got str"),
        ((1, {"id": 1}), {"c": 1}, "argument c does not fit its annotation: Expected str, got int"),
    ]:
        with pytest.raises(BadArguments) as caught:
            converted(perform, *args, **kwargs)
        assert str(caught.value) == f"Shop: {text}"


def test_every_kind_of_parameter_is_converted() -> None:
    def perform(
        a: dt.date, /, b: float = 0, *more: Colour, c: dt.date | None = None, **rest: decimal.Decimal
    ) -> None: ...

    day = dt.date(2026, 11, 24)
    assert converted(perform, "2026-11-24") == ([day], {})
    assert converted(perform, "2026-11-24", b=1) == ([day], {"b": 1.0})
    assert converted(perform, "2026-11-24", 1, "red", "red", c="2026-11-24", x="1", a="2") == (
        [day, 1.0, Colour.RED, Colour.RED],
        {"c": day, "x": decimal.Decimal(1), "a": decimal.Decimal(2)},
    )


def test_the_count_is_checked_before_anything_is_converted() -> None:
    def perform(a: int, b: int = 0) -> None: ...

    for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"self": 1})]:
        with pytest.raises(BadArguments, match="perform takes"):
            converted(perform, *args, **kwargs)


def test_an_exception_that_is_no_refusal_passes_through() -> None:
    """A bug in the constructor of somebody's type is not the caller's mistake."""

    @dataclasses.dataclass
    class Buggy:
        x: int

        def __post_init__(self) -> None:
            raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        converted(annotated(Buggy), {"x": 1})


def test_shapes_are_the_types_that_need_no_conversion() -> None:
    def perform(a: int, b: str | None = None, c: float = 0, d: dict[str, Any] | None = None) -> None: ...

    shapes = Conversion(signature(perform), {}).shapes
    kind = type(None)
    assert {(int,), (int, str), (int, kind), (int, str, float), (int, kind, float, dict)} <= shapes
    for missing in [(), (bool,), (str,), (int, int), (int, str, int), (int, str, float, list), (int,) * 5]:
        assert missing not in shapes


def test_a_type_that_must_be_looked_at_is_in_no_shape() -> None:
    def perform(a: int, b: dt.date | None = None, c: int = 0) -> None: ...

    assert Conversion(signature(perform), {}).shapes == {(int,)}
    for annotation in (dict[str, int], list[int], dict[int, Any], set, dt.date | int, Literal[1], Annotated[int, 1]):
        assert Conversion(signature(annotated(annotation)), {}).shapes == set()


def test_shapes_stay_few_however_many_arguments_are_open() -> None:
    def perform(a: int, b: Any, c: Any, d: Any, e: Any, f: Any) -> None: ...

    assert len(Conversion(signature(perform), {}).shapes) <= 512
    assert converted(perform, 1, [], {}, None, "x", 2.5) == ([1, [], {}, None, "x", 2.5], {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
KINDS = [
    int,
    str,
    bool,
    float,
    None,
    list,
    dict,
    Any,
    int | None,
    str | int,
    float | str,
    dict[str, Any],
    list[Any] | None,
]


@given(kinds=st.lists(st.sampled_from(KINDS), max_size=3), values=st.lists(JSON, max_size=3))
def test_the_fast_path_never_accepts_or_changes_what_the_slow_one_would_not(
    kinds: list[Any], values: list[Any]
) -> None:
    """Whatever types are in `shapes` would come out of the conversion as they went in."""

    def perform(*args: Any) -> None: ...

    perform.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"p{i}", inspect.Parameter.POSITIONAL_ONLY, annotation=kind) for i, kind in enumerate(kinds)]
    )
    conversion = Conversion(signature(perform), {})
    if tuple(map(type, values)) in conversion.shapes:
        result, _ = conversion.convert(values, {})
        assert list(result) == values
        assert [type(value) for value in result] == [type(value) for value in values]


def test_what_counts_as_any_is_untyped() -> None:
    for annotation in (Any, object, Plain, "Nothing"):
        assert Conversion(signature(annotated(annotation)), {}).untyped
    assert not Conversion(signature(annotated(int)), {}).untyped
