"""The fields of the metrics hash. That they are counted: tests/transitions."""

from resque.store import stats


def test_the_fields_of_a_retry_and_of_a_job_that_was_not_needed() -> None:
    """A class that nobody registered is not named: hostile names would fill the hash."""
    assert [stats.retried_field(job) for job in ("A", "")] == ["A|retried", "?|retried"]
    assert [stats.dedup_field(job) for job in ("A", "")] == ["A|dedup", "?|dedup"]


def test_the_fields_of_a_dropped_job() -> None:
    reasons = ("expired", "cancelled", "discarded")
    assert [stats.dropped_field("A", reason) for reason in reasons] == ["A|expired", "A|cancelled", "A|discarded"]
    assert stats.dropped_field("", "expired") == "?|expired"
