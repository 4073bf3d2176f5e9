"""Bags: multisets as sorted tuples, so that two orders of the same events lead to one state.

May be in here: putting in, taking out. May not: what the items mean.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

Item = TypeVar("Item", bound=Any)


def put(bag: tuple[Item, ...], *items: Item) -> tuple[Item, ...]:
    """The bag with these items more.

    >>> put(("a", "c"), "b")
    ('a', 'b', 'c')
    """
    return tuple(sorted((*bag, *items)))


def take(bag: tuple[Item, ...], *items: Item) -> tuple[Item, ...]:
    """The bag with one of each of these items less; what is not in it is not missed."""
    left = list(bag)
    for item in items:
        if item in left:
            left.remove(item)
    return tuple(left)


def swap(bag: tuple[Item, ...], old: Item, new: Item) -> tuple[Item, ...]:
    """The bag with `new` in the place of `old`."""
    return put(take(bag, old), new)


def is_within(bag: Iterable[Item], other: Iterable[Item]) -> bool:
    """Whether every item of `bag` is in `other`, as often."""
    return Counter(bag) <= Counter(other)
