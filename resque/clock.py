"""The only room that knows the time.

May be in here: reading a clock. May not: anything else. Everybody else asks `now()` or `monotonic()`, so that a test
can replace time in one place (`use(clock)`) instead of sleeping.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

_now: Callable[[], float] = time.time

monotonic: Callable[[], float] = time.monotonic
"""Seconds that never jump, for waiting."""

boottime: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Like `monotonic`, but it counts the time that the machine was suspended (where the platform can tell)."""

sleep: Callable[[float], None] = time.sleep
"""Wait for so many seconds (a float)."""


def now() -> float:
    """The wall clock: seconds since 1970, UTC."""
    return _now()


@contextmanager
def use(clock: Callable[[], float]) -> Iterator[None]:
    """Let `now()` answer from `clock` inside a with-block. For tests.

    >>> with use(lambda: 1_700_000_000.0):
    ...     now()
    1700000000.0
    """
    global _now
    before, _now = _now, clock
    try:
        yield
    finally:
        _now = before
