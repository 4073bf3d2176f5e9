"""Encoding refuses what would not come back the same; decoding gives the same answer on both of its paths."""

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
import zoneinfo
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import PayloadTooLarge, Unreadable, Unserializable
from resque.payload.codec import decode, encode, read_any, read_own, tries_of, with_crashes, with_tries
from resque.payload.payload import Meta, Payload, Tries, split

META = Meta("0193f0aa-1234-7abc-8def-0123456789ab", "default", 1795485321.123)
LIMIT = 1024 * 1024

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:]{0,30}", fullmatch=True)
metas = st.builds(
    Meta,
    id=st.uuids().map(str),
    queue=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    enqueued_at=st.floats(0, 4e9).map(lambda at: round(at, 3)),
)
payload_keys = st.sampled_from(["class", "args", "kwargs", "meta", "sig", "tries", "queue", "id", "retry"])


def put(*args: Any, **kwargs: Any) -> bytes:
    return encode("Echo", args, kwargs, META, limit=LIMIT)


def exactly(value: Any) -> Any:
    """Equality that tells 1 from True and 1.0, and 0.0 from -0.0."""
    if isinstance(value, list):
        return [exactly(item) for item in value]
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    return (type(value), repr(value))


# -- the wire form


def test_a_plain_job_is_class_and_args_as_in_resque_then_meta() -> None:
    assert (
        put(1, "é", {"k": None})
        == (
            '{"class":"Echo","args":[1,"é",{"k":null}],"meta":{"id":"0193f0aa-1234-7abc-8def-0123456789ab",'
            '"queue":"default","enqueued_at":1795485321.123}}'
        ).encode()
    )


def test_kwargs_come_between_args_and_meta_and_only_when_used() -> None:
    assert b'"args":[1],"kwargs":{"express":true},"meta":{' in put(1, express=True)
    assert b"kwargs" not in put(1)


def test_args_are_written_even_when_empty() -> None:
    assert put().startswith(b'{"class":"Echo","args":[],"meta":')


@given(names, st.lists(json_values, max_size=4), st.dictionaries(st.text(max_size=8), json_values, max_size=3), metas)
def test_what_goes_in_comes_out(job: str, args: list[Any], kwargs: dict[str, Any], meta: Meta) -> None:
    back = decode(encode(job, args, kwargs, meta, limit=LIMIT))
    assert (back.job, back.meta, back.sig, back.tries) == (job, meta, None, None)
    assert exactly(back.args) == exactly(args)
    assert exactly(back.kwargs) == exactly(kwargs)


@given(names, st.lists(json_values, max_size=4), metas, st.integers(1, 10**9), st.none() | st.uuids().map(str))
def test_our_own_bytes_take_the_fast_path_and_it_agrees_with_the_careful_one(
    job: str, args: list[Any], meta: Meta, attempt: int, name: str | None
) -> None:
    raw = encode(job, args, {"k": args}, meta, limit=LIMIT)
    fast = read_own(raw)
    assert fast is not None
    assert fast == read_any(raw)
    tries = Tries(name, min(attempt, 999_999_999), 2)
    tried = with_tries(raw, tries)
    assert tried is not None
    again = read_own(tried)
    assert again is not None
    assert again.tries == tries == split(tried)[1]
    assert (again.job, exactly(again.args), again.meta) == (job, exactly(args), meta)


@given(st.dictionaries(payload_keys, json_values | names | st.just([1]), max_size=6), names)
def test_both_paths_agree_on_any_object_that_holds_our_field_names(fields: dict[str, Any], job: str) -> None:
    raw = msgspec.json.encode({**fields, "class": job})
    fast = read_own(raw)
    head, tries = split(raw)
    try:
        slow = read_any(head)
    except Unreadable:
        assert fast is None
        return
    if fast is not None:
        assert fast == msgspec.structs.replace(slow, tries=tries)
    assert decode(raw) == msgspec.structs.replace(slow, tries=tries)


@given(st.binary() | st.text().map(str.encode) | st.binary().map(lambda tail: b'{"class":"E","args":[' + tail + b"]}"))
def test_decode_raises_unreadable_or_returns(raw: bytes) -> None:
    try:
        assert isinstance(decode(raw), Payload)
    except Unreadable as error:
        reason = error.reason
    else:
        return
    assert reason


@given(st.data(), st.lists(json_values, max_size=3))
def test_a_damaged_payload_is_unreadable_or_well_formed(data: st.DataObject, args: list[Any]) -> None:
    raw = bytearray(encode("Echo", args, {}, META, limit=LIMIT))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = decode(bytes(raw))
    except Unreadable:
        return
    assert bytes(raw).decode()
    assert isinstance(back.args, list)


# -- what encode takes, and turns into JSON


class Colour(enum.Enum):
    RED = "red"
    BAD = float("nan")


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    """A str of somebody else's, as template engines have them."""


@dataclasses.dataclass
class Item:
    sku: str
    when: dt.datetime | None = None


class Point(msgspec.Struct):
    x: int
    at: dt.datetime | None = None
    f: float = 0.0
    odd: Any = None


class Model:
    """What pydantic's models look like from outside."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"mode": mode}


class BrokenModel:
    def model_dump(self, *, mode: str) -> dict[str, Any]:
        raise RuntimeError("no")


NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
A_UUID = uuid.UUID("0193f0aa-1234-7abc-8def-0123456789ab")


@pytest.mark.parametrize(
    ("value", "comes_out"),
    [
        ((1, (2,)), [1, [2]]),
        (NOON, "2026-11-24T12:00:00+00:00"),
        (dt.date(2026, 11, 24), "2026-11-24"),
        (dt.time(12, 30, tzinfo=dt.UTC), "12:30:00+00:00"),
        (A_UUID, str(A_UUID)),
        (decimal.Decimal("1.10"), "1.10"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Word("hello"), "hello"),
        (Item("a", NOON), {"sku": "a", "when": "2026-11-24T12:00:00+00:00"}),
        (Point(1, NOON), {"x": 1, "at": "2026-11-24T12:00:00+00:00", "f": 0.0, "odd": None}),
        (Model(), {"mode": "json"}),
        ([{"deep": [Item("b")]}], [{"deep": [{"sku": "b", "when": None}]}]),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (-0.0, -0.0),
        (1e308, 1e308),
    ],
)
def test_these_are_taken(value: Any, comes_out: Any) -> None:
    raw = put("before", value, key=value)
    back = decode(raw)
    assert read_own(raw) == back
    assert exactly(back.args) == exactly(["before", comes_out])
    assert exactly(back.kwargs) == exactly({"key": comes_out})


@pytest.mark.parametrize("value", [NOON, dt.date(2026, 1, 2), A_UUID, decimal.Decimal("1.10"), Level.HIGH, Item("a")])
def test_what_is_taken_comes_back_the_same_by_its_type(value: Any) -> None:
    back = decode(put(value)).args[0]
    assert msgspec.convert(back, type(value), strict=True) == value


def test_an_offset_with_seconds_comes_back_as_the_same_moment() -> None:
    old = dt.datetime(1900, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Amsterdam"))
    assert msgspec.convert(decode(put(old)).args[0], dt.datetime) == old


@pytest.mark.parametrize(
    ("value", "place", "hint"),
    [
        (float("nan"), "args[1]", "NaN"),
        (float("inf"), "args[1]", "infinity"),
        (float("-inf"), "args[1]", "infinity"),
        ([{"a": float("nan")}], "args[1][0]['a']", "NaN"),
        ({1: 2}, "args[1]", "the key 1 would come back as a string"),
        ({None: 2}, "args[1]", "the key None"),
        ({1, 2}, "args[1]", "sorted"),
        (frozenset([1]), "args[1]", "sorted"),
        ({"when": dt.datetime(2026, 1, 1)}, "args[1]['when']", "a datetime without a time zone"),  # noqa: DTZ001
        (dt.time(12), "args[1]", "a time without a time zone"),
        (Item("a", dt.datetime(2026, 1, 1)), "args[1].when", "add tzinfo"),  # noqa: DTZ001
        ("\ud800", "args[1]", "surrogate"),
        ({"\udcff": 1}, "args[1]", "surrogate"),
        ([["ok", "\udfff"]], "args[1][0][1]", "surrogate"),
        (2**63, "args[1]", "2^63"),
        (-(2**63) - 1, "args[1]", "2^63"),
        pytest.param(10**5000, "args[1]", "2^63", id="an integer too long to print"),
        ([2**64], "args[1][0]", "2^63"),
        (b"x", "args[1]", "base64"),
        (bytearray(b"x"), "args[1]", "base64"),
        (dt.timedelta(1), "args[1]", "total_seconds"),
        (decimal.Decimal("NaN"), "args[1]", "NaN"),
        (Colour.BAD, "args[1]", "NaN"),
        (object(), "args[1]", "a object has no JSON form"),
        (Item, "args[1]", "has no JSON form"),
        (print, "args[1]", "has no JSON form"),
        (1j, "args[1]", "a complex"),
        (Point(1, f=float("nan")), "args[1]['f']", "NaN"),
        (Point(1, odd=object()), "args[1]", "Point cannot be written"),
        (BrokenModel(), "args[1]", "model_dump failed: no"),
    ],
)
def test_these_are_refused_and_the_error_names_the_place(value: Any, place: str, hint: str) -> None:
    with pytest.raises(Unserializable) as caught:
        put("before", value)
    assert str(caught.value).startswith(place + ": ")
    assert hint in str(caught.value)


def test_an_error_in_a_keyword_argument_names_it() -> None:
    with pytest.raises(Unserializable, match=r"^kwargs\['when'\]\[0\]: a datetime without a time zone would not come"):
        put(when=[dt.datetime(2026, 1, 1)])  # noqa: DTZ001


def nested(levels: int, kind: type) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind is list else {"a": value}
    return value


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("convert", [False, True])
def test_sixty_levels_are_taken_and_can_be_read(kind: type, convert: bool) -> None:
    raw = put(nested(60, kind), *([NOON] if convert else []), k=nested(60, kind))
    assert decode(raw).args[0] == decode(raw).kwargs["k"] == nested(60, kind)


@pytest.mark.parametrize("kind", [list, dict])
def test_sixty_one_levels_are_refused(kind: type) -> None:
    with pytest.raises(Unserializable, match=r"^args\[0\].*nested deeper than 60"):
        put(nested(61, kind))
    with pytest.raises(Unserializable, match=r"^kwargs\['k'\].*nested deeper than 60"):
        put(k=nested(61, kind))


def test_a_list_within_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Unserializable, match="nested deeper than 60"):
        put(loop)


@pytest.mark.parametrize("job", ["", "a b", "../x", "Écho", "A" * 201, "1a", "Echo\n"])
def test_a_name_that_could_not_be_read_is_not_written(job: str) -> None:
    with pytest.raises(Unserializable, match="cannot name a job"):
        encode(job, [], {}, META, limit=LIMIT)


def test_the_limit_is_in_bytes_and_inclusive() -> None:
    size = len(put("é" * 10))
    assert len(encode("Echo", ["é" * 10], {}, META, limit=size)) == size
    with pytest.raises(PayloadTooLarge, match=rf"Echo takes {size} bytes; the limit is {size - 1}\. Store the data"):
        encode("Echo", ["é" * 10], {}, META, limit=size - 1)


def test_converted_arguments_are_under_the_limit_too() -> None:
    with pytest.raises(PayloadTooLarge):
        encode("Echo", [NOON] * 10, {}, META, limit=200)


def test_encoding_leaves_the_arguments_as_they_were() -> None:
    args = [{"when": NOON}, (1, 2)]
    put(*args)
    assert args == [{"when": NOON}, (1, 2)]


# -- ids


def test_the_id_is_metas_before_tries() -> None:
    raw = with_tries(put(), Tries("abc-1", 2, 1))
    assert raw is not None
    back = decode(raw)
    assert (back.id, back.attempt, back.crashes) == (META.id, 2, 1)


def test_a_payload_without_meta_has_the_id_of_its_trailer() -> None:
    back = decode(b'{"class":"E","args":[],"tries":{"id":"0a-1","attempt":3,"crashes":0}}')
    assert (back.id, back.attempt, back.crashes) == ("0a-1", 3, 0)


def test_a_bare_payload_has_no_id_and_is_at_its_first_attempt() -> None:
    back = decode(b'{"class":"E","args":[]}')
    assert (back.id, back.attempt, back.crashes) == (None, 1, 0)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (b'{"a":1}', [["a", 1]]),
        (b'"str"', ["str"]),
        (b"5", [5]),
        (b"null", []),
        (b'[1,"x"]', [1, "x"]),
    ],
)
def test_the_ruby_wire_takes_what_ruby_takes_as_args(args: bytes, expected: list[object]) -> None:
    """As golden 61 shows it: an object is splatted into pairs, a string is one argument; otherwise they are refused."""
    raw = b'{"class":"Boom","args":' + args + b"}"
    assert decode(raw, ruby=True).args == expected
    if args[:1] not in b"[n":
        with pytest.raises(Unreadable, match="not a list"):
            decode(raw)


def test_a_count_of_crashes_is_written_behind_what_was_there() -> None:
    raw = put(1)
    once = with_crashes(raw, 1)
    assert once == raw[:-1] + b',"tries":{"attempt":1,"crashes":1}}'
    assert with_crashes(once, 2) == raw[:-1] + b',"tries":{"attempt":1,"crashes":2}}'
    assert decode(with_crashes(once, 2)).args == [1]


def test_a_count_that_has_not_changed_changes_nothing() -> None:
    for raw, crashes in ((put(), 0), (with_crashes(put(), 2), 2), (b"no object", 0)):
        assert with_crashes(raw, crashes) == b""


def test_attempts_stay_when_crashes_are_counted() -> None:
    tried = with_tries(put(), Tries(None, 4, 1)) or b""
    assert tries_of(with_crashes(tried, 2)) == Tries(None, 4, 2)


def test_a_payload_without_an_id_gets_one_with_its_first_crash_and_keeps_it() -> None:
    once = with_crashes(b'{"class":"E","args":[]}', 1)
    name = decode(once).id
    assert name
    assert decode(with_crashes(once, 2)).id == name


@pytest.mark.parametrize("raw", [b"", b"no object", b"[1]", b"{", b"null"])
def test_over_what_is_no_object_nothing_can_be_counted(raw: bytes) -> None:
    assert with_crashes(raw, 1) == b""
