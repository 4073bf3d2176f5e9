"""Jobs that run by themselves, every second. An application of its own: only processes that are told to import it.

May be in here: jobs with @cron. May not: asserts. Tests do not import it, or their process would have its entries.
"""

from resque import Job, cron, current_job
from tests.processes.jobs import client


@cron(every="1s")
@cron("*/2 * * * * *", args=("even",), name="even")
class Tick(Job):
    """Notes its id."""

    queue = "work"

    def perform(self, what: str = "") -> None:
        job = current_job()
        assert job is not None
        client().rpush("ran", job.id)
