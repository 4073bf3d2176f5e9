"""Operation: one atomic trip to Redis, described as a value.

May be in here: what is sent and how the answer is read. May not: sending (sync.py, aio.py), key names (keys.py).
`parse` must take what RESP2 and RESP3 give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from resque.errors import StoreError
from resque.store.scripts import Script

T = TypeVar("T")
Arg = bytes | str | int | float


def as_is(reply: Any) -> Any:
    """The reply without a change."""
    return reply


def nothing(reply: Any) -> None:
    """For writes whose reply says nothing."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A command or a script with its keys and arguments; `parse` turns the reply into `T`."""

    command: str | Script
    keys: tuple[str, ...] = ()
    args: tuple[Arg, ...] = ()
    parse: Callable[[Any], T] = field(default=as_is)


def sure(answers: Sequence[Any]) -> Sequence[Any]:
    """The answers of a trip, when none may be missing. Raises the first StoreError among them."""
    for answer in answers:
        if isinstance(answer, StoreError):
            raise answer
    return answers


def text(value: Any) -> str:
    """A reply that is a name. Names that are not UTF-8 are shown with replacement characters."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(reply: Any) -> list[str]:
    """A list or (RESP3) set of names, sorted."""
    return sorted(text(item) for item in reply)


def scores(reply: Any) -> list[tuple[str, float]]:
    """ZRANGE … WITHSCORES: flat in RESP2, pairs in RESP3."""
    items = list(reply)
    if items and isinstance(items[0], list):
        return [(text(member), float(score)) for member, score in items]
    return [(text(items[i]), float(items[i + 1])) for i in range(0, len(items), 2)]


def mapping(reply: Any) -> dict[str, bytes]:
    """HGETALL: a flat list in RESP2, a map in RESP3."""
    if isinstance(reply, dict):
        return {text(key): value for key, value in reply.items()}
    items = list(reply)
    return {text(items[i]): items[i + 1] for i in range(0, len(items), 2)}


def number(reply: Any) -> int:
    """An integer, also where Redis keeps it as a string; 0 for none."""
    return int(reply or 0)
