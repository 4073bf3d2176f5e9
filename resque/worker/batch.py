"""Batch: how many jobs to reserve. Pure arithmetic.

May be in here: numbers in, a number out. May not: clocks, Redis, jobs.

Short jobs are reserved in batches, as many as the last ones say fit into about 10 ms; slow ones one at a time, each
when a runner is free for it, so that no job waits behind a slow one while another worker idles.
The next batch is fetched when half of what is ahead has started, so that runners have work during the trip.
"""

AHEAD = 0.010
LARGEST = 500
"""The most that one trip reserves."""
MOST_AHEAD = 1000
"""The most that waits in a worker's hand."""
_MEMORY = 0.7


class Batch:
    """Learns from run times."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._mean: float | None = None

    @property
    def depth(self) -> int:
        """How many jobs fit into 10 ms, all runners together."""
        if self._mean is None:
            return 1
        return max(1, min(MOST_AHEAD, int(AHEAD * self._slots / max(self._mean, 1e-9))))

    def learn(self, jobs: int, seconds: float) -> None:
        """Take in the run times of the last `jobs` jobs, `seconds` in all. Several jobs weigh more than one."""
        if jobs < 1:
            return
        mean, keep = seconds / jobs, _MEMORY ** min(jobs, 8)
        self._mean = mean if self._mean is None else keep * self._mean + (1 - keep) * mean

    def want(self, unstarted: int, running: int) -> int:
        """How many to reserve now, with so many in hand that have not started and so many that run."""
        free = max(0, self._slots - running)
        depth = self.depth
        if depth <= self._slots:  # slow jobs: one for each free runner, none ahead
            return max(0, free - unstarted)
        if unstarted > depth // 2:
            return 0
        return min(LARGEST, depth - unstarted)
