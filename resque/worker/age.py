"""Age: when a worker process has done enough and is replaced by a fresh one.

May be in here: counting jobs, looking at our memory. May not: leaving (worker.py), Redis.

It mends what leaks in code that nobody can mend. Both limits are jittered downwards, so that the processes of a machine
do not leave together.
"""

import random

import psutil

from resque import clock
from resque.config import Settings

_JITTER = 0.1
_LOOK = 1.0


class Age:
    """Of this process."""

    def __init__(self, settings: Settings) -> None:
        self.jobs = 0
        """How many have ended here."""
        share = random.uniform(1 - _JITTER, 1)
        self._most_jobs = max(1, round(settings.max_jobs * share)) if settings.max_jobs else None
        self._most_memory = round(settings.max_rss * share) if settings.max_rss else None
        self._process = psutil.Process()
        self._looked = clock.monotonic()

    def left(self, in_hand: int) -> int:
        """How many jobs more may be reserved, with so many in hand."""
        return 2**31 if self._most_jobs is None else max(0, self._most_jobs - self.jobs - in_hand)

    def outlived(self, begun: int = 0) -> str:
        """Why this process should leave; "" = not yet. `begun`: jobs that run, or have ended and are not counted."""
        if self._most_jobs is not None and self.jobs + begun >= self._most_jobs:
            return f"{self.jobs + begun} jobs"
        now = clock.monotonic()
        if self._most_memory is None or now - self._looked < _LOOK or not self.jobs:
            return ""
        self._looked = now
        memory = self._process.memory_info().rss
        return f"{memory // 1024**2} MB of memory" if memory > self._most_memory else ""
