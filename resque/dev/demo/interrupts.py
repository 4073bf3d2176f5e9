"""Interrupts: signals become flags, so that cleaning up is never interrupted half way.

May be in here: which signals end the demo, and the question whether one has come. May not: what is done about it.
"""

import signal
from types import FrameType
from typing import Self

from resque import clock
from resque.errors import ResqueError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STEP = 0.05


class Interrupted(ResqueError):
    """Somebody wants the demo to end. `code` is the exit code that a shell expects then."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.code = 128 + number


class Interrupts:
    """Counts INT, TERM and HUP inside a with-block (in the main thread)."""

    def __init__(self) -> None:
        self.count = 0
        self._last = 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.count:
            raise Interrupted(self._last)

    def pause(self, seconds: float) -> None:
        """Sleep, but not on after a signal: raises Interrupted."""
        end = clock.monotonic() + seconds
        self.check()
        while (left := end - clock.monotonic()) > 0:
            clock.sleep(min(left, _STEP))
            self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._last = number
