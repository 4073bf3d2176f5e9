"""The place where the app puts its client."""

from collections.abc import Sequence
from typing import TypeVar

import pytest

from resque.errors import ConfigError
from resque.jobs.definition import Call
from resque.jobs.door import Door, Handle, Slot

R = TypeVar("R")


class Closed:
    """A door through which nothing goes."""

    def enqueue(self, call: Call[R], /) -> Handle[R]:
        raise ConnectionError

    async def aenqueue(self, call: Call[R], /) -> Handle[R]:
        raise ConnectionError

    def enqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        raise ConnectionError

    async def aenqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        raise ConnectionError


def test_without_an_app_opening_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"resque\.configure"):
        Slot().open()


def test_what_was_put_in_is_opened_and_given_back() -> None:
    slot, one, two = Slot(), Closed(), Closed()
    door: Door = one
    assert slot.fill(door) is None
    assert slot.open() is one
    assert slot.fill(two) is one
    assert slot.open() is two


def test_an_emptied_slot_is_closed_again() -> None:
    slot, one = Slot(), Closed()
    slot.fill(one)
    assert slot.fill(None) is one
    with pytest.raises(ConfigError):
        slot.open()
