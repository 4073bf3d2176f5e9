"""Limits and strictness for bytes that anybody may have pushed.

May be in here: what is refused, and the careful reading of a payload that is not in our own encoder's form.
May not: the shape of our own fields (payload.py), the fast path (codec.py), jobs, Redis.

Refused: over 1 MiB, nested over 64 levels, bytes that are not UTF-8, NaN and infinities, integers of over 40 digits,
duplicate keys, lone surrogates, a job name outside `[A-Za-z_][A-Za-z0-9_.:]{0,199}`, args that are no list.
"""

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from resque.errors import Unreadable

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_DIGITS = 40

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]{0,199}")
# Possessive and without an obligatory end: a string that never ends costs one pass, not one pass for each quote in it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALL_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_INTEGER = b"0" * (MAX_DIGITS + 1)


def careful(raw: bytes, *, ruby: bool = False) -> dict[str, Any]:
    """The JSON object in `raw`, with a good "class" and with "args" as a list. Raises Unreadable, nothing else.

    `ruby`: take what Ruby's Resque takes as args: an object becomes its pairs, a string or number the one argument.

    >>> careful(b' {"args": null, "class": "Echo"} ')
    {'args': [], 'class': 'Echo'}
    """
    # A parser that catches only JSON errors dies on real inputs: deep nesting, bad UTF-8 and huge numbers raise others.
    try:
        return _object(raw, ruby)
    except Unreadable:
        raise
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: byte {error.start} ({error.reason})") from None
    except RecursionError:
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels") from None
    except MemoryError:
        raise Unreadable("reading it takes more memory than there is") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise Unreadable(f"not JSON: {error}"[:300]) from None


def is_name(text: str) -> bool:
    """Whether `text` may name a job on the wire."""
    # Nearly every name is an identifier, and asking for that first is twice as fast as the pattern.
    return (text.isidentifier() and text.isascii() and len(text) <= 200) or _NAME.fullmatch(text) is not None


def is_shallow(raw: bytes) -> bool:
    """Whether `raw`, if it is JSON, nests at most 64 levels. Looks at brackets only, without recursion."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return True
    brackets = _STRING.sub(b"", raw).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):  # each pass takes away the innermost level
        rest = brackets.replace(b"[]", b"")
        if not rest:
            return True
        if len(rest) == len(brackets):
            return False
        brackets = rest
    return False


def may_hold_long_integer(raw: bytes) -> bool:
    """Whether there are over 40 digits in a row somewhere in `raw` (it may be in a string or a fraction)."""
    return _LONG_INTEGER in raw.translate(_ALL_ZERO)


def _object(raw: bytes, ruby: bool) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"{len(raw)} bytes; the limit is {MAX_BYTES}")
    text = raw.decode()
    if not is_shallow(raw):
        raise Unreadable(f"nested deeper than {MAX_DEPTH} levels, or brackets that do not match")
    value = json.loads(
        text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_float
    )
    if not isinstance(value, dict):
        raise Unreadable(f"not a JSON object but {_kind(value)}")
    if "\\u" in text:  # the text is UTF-8, so only an escape can make a lone surrogate
        _refuse_surrogates(value)
    return _with_class_and_args(value, ruby)


def _with_class_and_args(value: dict[str, Any], ruby: bool) -> dict[str, Any]:
    name = value.get("class")
    if not isinstance(name, str):
        raise Unreadable(f"class is {_kind(name)}, not a job's name" if "class" in value else "no class")
    if not is_name(name):
        raise Unreadable(f"class is {name[:60]!a}; a job's name is a letter or _, then letters, digits and _.:")
    if value.get("args") is None:
        value["args"] = []
    elif ruby:
        value["args"] = _splatted(value["args"])
    elif not isinstance(value["args"], list):
        raise Unreadable(f"args is {_kind(value['args'])}, not a list")
    return value


def _splatted(args: Any) -> list[Any]:
    """What Ruby's `perform(*args)` makes of args that are no list: pairs of an object, anything else as it is."""
    if isinstance(args, dict):
        return [[key, value] for key, value in args.items()]
    return args if isinstance(args, list) else [args]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"duplicate key {twice[:60]!a}")
    return result


def _constant(text: str) -> NoReturn:
    raise Unreadable(f"{text} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS and len(digits.lstrip("-")) > MAX_DIGITS:
        raise Unreadable(f"an integer of over {MAX_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Unreadable("a number too large for a float")
    return number


def _refuse_surrogates(value: dict[str, Any]) -> None:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise Unreadable("a string with a lone surrogate") from None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
