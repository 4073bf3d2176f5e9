"""Loop: the one shape of every periodic duty.

May be in here: when a duty is due, what happens when it fails. May not: any duty.

A duty has a name and `tick(now) -> seconds to sleep`; a test calls the tick and never sleeps. `Timetable` runs many
duties in one thread; one that raises is reported (event loop.failed), backs off with full jitter, and stops no other.
"""

import random
from typing import Protocol

from resque import clock, events

FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 5.0


class Loop(Protocol):
    """A periodic duty."""

    name: str

    def tick(self, now: float) -> float:
        """Do what is due at `now` (monotonic seconds); return in how many seconds to look again."""


def backoff(failures: int) -> float:
    """How long to wait after so many failures in a row: full jitter, 0.1 s doubling up to 5 s.

    Full jitter, because those who failed together must not come back together (AWS, "Exponential Backoff and Jitter").
    """
    return random.uniform(0, min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 16)))


class Timetable:
    """Runs duties when they are due."""

    def __init__(self, loops: list[Loop]) -> None:
        self._loops = loops
        self._due = {id(loop): 0.0 for loop in loops}
        self._failures = {id(loop): 0 for loop in loops}

    def run_due(self) -> float:
        """Run every duty that is due; return the seconds until the next one is."""
        for loop in self._loops:
            now = clock.monotonic()
            if self._due[id(loop)] <= now:
                self._due[id(loop)] = now + self._tick(loop, now)
        return max(0.0, min(self._due.values()) - clock.monotonic())

    def hasten(self, loop: Loop) -> None:
        """Make a duty due now."""
        self._due[id(loop)] = 0.0

    def _tick(self, loop: Loop, now: float) -> float:
        try:
            pause = loop.tick(now)
        except Exception as error:
            self._failures[id(loop)] += 1
            events.emit("loop.failed", loop=loop.name, error=error)
            return backoff(self._failures[id(loop)])
        self._failures[id(loop)] = 0
        return pause
