"""What an argument must be to come back from JSON as it was, and what is turned into that.

May be in here: the check of arguments before they are encoded, their conversion to plain JSON values, the errors that
name the place. May not: a job's signature (jobs/arguments.py), the payload around the arguments (codec.py).

Plain: str, int within ±2^63, finite float, bool, None, list, tuple, dict with string keys, up to 60 levels.
Turned into plain: aware datetime and time, date, UUID, Decimal, Enum (its value), dataclass, msgspec.Struct, pydantic.
Everything else is refused: msgspec alone would write NaN as null, {1: 2} as {"1": 2} and a set as a list, silently.
"""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from resque.errors import Unserializable

MAX_DEPTH = 60
"""Levels within one argument. Less than strict.MAX_DEPTH: the object around it and its args are levels, too."""

_LEAST, _MOST = -(2**63), 2**63 - 1
_STRUCT_KEEPS = (dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal, bytes, bytearray)


def is_plain(values: Iterable[Any], room: int = MAX_DEPTH) -> bool:
    """Whether all `values` are plain as they are, `room` levels deep at most. Surrogates are left to the encoder."""
    for value in values:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            continue
        if kind is int:
            good = _LEAST <= value <= _MOST
        elif kind is float:
            good = value - value == 0.0  # NaN and infinities give NaN
        elif kind is list or kind is tuple:
            good = room > 0 and is_plain(value, room - 1)
        elif kind is dict:
            good = room > 0 and _has_text_keys(value) and is_plain(value.values(), room - 1)
        else:
            return False
        if not good:
            return False
    return True


def plain(value: Any, path: str, room: int = MAX_DEPTH) -> Any:
    """`value` as a plain value. Raises Unserializable, which names the place that is wrong.

    >>> plain({"when": datetime.date(2026, 11, 24)}, "args[0]")
    {'when': '2026-11-24'}
    """
    if value is None or type(value) is bool:
        return value
    if isinstance(value, enum.Enum):  # before str and int: an enum may be one of these as well
        return plain(value.value, path, room)
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        return _integer(value, path)
    if isinstance(value, float):
        return _float(value, path)
    if isinstance(value, list | tuple):
        _require(room, path)
        return [plain(item, f"{path}[{index}]", room - 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        _require(room, path)
        return {_key(key, path): plain(item, f"{path}[{_short(key)}]", room - 1) for key, item in value.items()}
    return _known_object(value, path, room)


def _known_object(value: Any, path: str, room: int) -> Any:
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return _moment(value, path)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise Unserializable(f"{path}: {value} is no number; pass None or a string")
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        _require(room, path)
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name), f"{path}.{name}", room - 1) for name in names}
    if isinstance(value, msgspec.Struct):
        return plain(_struct(value, path), path, room)
    if callable(getattr(type(value), "model_dump", None)):
        return plain(_model(value, path), path, room)
    raise Unserializable(f"{path}: {_refusal(value)}")


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unserializable(
            f"{path}: a string with a lone surrogate cannot be written; decode it with errors='replace' first"
        ) from None
    return str.__str__(value)


def _integer(value: int, path: str) -> int:
    if not _LEAST <= value <= _MOST:
        raise Unserializable(f"{path}: an integer beyond ±2^63 would be rounded by other readers; pass str() of it")
    return int.__int__(value)


def _float(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise Unserializable(f"{path}: JSON has no NaN and no infinity; pass None or a string")
    return float.__float__(value)


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise Unserializable(f"{path}: the key {_short(key)} would come back as a string; use strings as keys")
    return _text(key, path)


def _moment(value: dt.datetime | dt.date | dt.time, path: str) -> str:
    if isinstance(value, dt.datetime | dt.time):
        offset = value.utcoffset()
        if offset is None:
            name = "datetime" if isinstance(value, dt.datetime) else "time"
            raise Unserializable(f"{path}: a {name} without a time zone would not come back the same; add tzinfo")
        if isinstance(value, dt.datetime) and offset % dt.timedelta(minutes=1):
            value = value.astimezone(dt.UTC)  # ISO offsets have no seconds; old local times do
    return value.isoformat()


def _struct(value: msgspec.Struct, path: str) -> Any:
    try:
        return msgspec.to_builtins(value, builtin_types=_STRUCT_KEEPS)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unserializable(f"{path}: {type(value).__name__} cannot be written: {error}") from error


def _model(value: Any, path: str) -> Any:
    try:
        return value.model_dump(mode="json")
    except Exception as error:  # a model's own serializers may raise anything
        raise Unserializable(f"{path}: {type(value).__name__}.model_dump failed: {error}") from error


def _refusal(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return "a set would come back as a list; pass sorted(…) of it"
    if isinstance(value, bytes | bytearray | memoryview):
        return "JSON has no bytes; pass base64.b64encode(…).decode(), or a reference to the data"
    if isinstance(value, dt.timedelta):
        return "JSON has no timedelta; pass its total_seconds()"
    return f"a {type(value).__qualname__} has no JSON form; pass an id, or a dict, dataclass or msgspec.Struct"


def _require(room: int, path: str) -> None:
    if room <= 0:
        raise Unserializable(f"{path[:200]}: nested deeper than {MAX_DEPTH} levels (or within itself)")


def _has_text_keys(value: dict[Any, Any]) -> bool:
    return all([type(key) is str for key in value])  # noqa: C419 - a list is twice as fast as a generator


def _short(key: Any) -> str:
    text = ascii(key)
    return text if len(text) <= 60 else text[:57] + "..."
