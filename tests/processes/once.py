"""Job, for tests of how jobs end: tried once, so that a failure is in `failed` at once.

May be in here: that base. May not: jobs.
"""

import resque


class Job(resque.Job):
    """As resque's, without retries."""

    retry = resque.Retry.never
