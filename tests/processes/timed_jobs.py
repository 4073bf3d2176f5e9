"""Jobs that the tests of time run. Those that cron runs by itself are in ticking_jobs.py.

May be in here: jobs. May not: asserts.
"""

import time

from resque import Job, Retry, current_job
from tests.processes.jobs import Count as Count  # counts its executions by number
from tests.processes.jobs import client


class Punctual(Job):
    """Notes how late it is."""

    queue = "q0"

    def perform(self, due: float) -> None:
        client().rpush("late", time.time() - due)


class Shaky(Job):
    """Raises at its first attempts; notes each of them."""

    queue = "work"
    retry = Retry(delays=[0.2, 0.2])

    def perform(self, failures: int) -> None:
        job = current_job()
        assert job is not None
        client().rpush("attempts", job.attempt)
        if job.attempt <= failures:
            raise ValueError(f"attempt {job.attempt}")


class Patched(Shaky):
    """The same, with more time between two attempts."""

    retry = Retry(delays=[1.5])
