"""Counters and per-minute metrics.

May be in here: field names of the metrics hash, buckets, reading. May not: counting (the settling scripts do it, so
that what is counted and what is settled cannot differ).

A field is `<class>|done`, `<class>|failed`, `<class>|retried`, `<class>|expired`, `<class>|cancelled`,
`<class>|discarded`, `<class>|dedup`, `<class>|w<n>` (wait) or `<class>|r<n>` (run), where bucket n holds the times from
2^(n-1) up to 2^n microseconds: 0 is below 1 µs, 20 about a second, 32 more than 35 minutes.
"""

from resque.store.keys import Keys
from resque.store.operation import Operation, mapping, number

UNKNOWN = "?"


def bucket(seconds: float) -> int:
    """The bucket of a length of time."""
    return int(seconds * 1_000_000).bit_length() if seconds > 0 else 0


def done_fields(job: str, waited: int, ran: int) -> tuple[str, str, str]:
    """What goes up by one for a job that is done; `waited` is -1 where it is not known."""
    return (f"{job}|done", f"{job}|w{waited}" if waited >= 0 else "", f"{job}|r{ran}")


def failed_fields(job: str, ran: int) -> tuple[str, str]:
    """What goes up by one for a failed job. Names come from registered jobs only: hostile ones would fill the hash."""
    return (f"{job or UNKNOWN}|failed", f"{job}|r{ran}" if job else "")


def retried_field(job: str) -> str:
    """What goes up by one for an attempt that is followed by another."""
    return f"{job or UNKNOWN}|retried"


def dropped_field(job: str, reason: str) -> str:
    """What goes up by one for a job that is dropped; `reason` is expired, cancelled or discarded."""
    return f"{job or UNKNOWN}|{reason}"


def dedup_field(job: str) -> str:
    """What goes up by one for an enqueue that found its lock taken."""
    return f"{job or UNKNOWN}|dedup"


def upper(bucket_number: int) -> float:
    """The longest time, in seconds, that a bucket holds."""
    return float(2**bucket_number) / 1_000_000


def total(keys: Keys, name: str, id: str = "") -> Operation[int]:
    """A counter, by the names in keys.stat."""
    return Operation("GET", (keys.stat(name, id),), (), number)


def minute(keys: Keys, queue: str, number_of_minute: int) -> Operation[dict[str, bytes]]:
    """All fields of one queue and one minute (minutes since 1970)."""
    return Operation("HGETALL", (keys.metrics(queue, number_of_minute),), (), mapping)
