"""What can be seen of one job, from its bytes.

May be in here: reading a payload for a person, whatever the bytes are. May not: where the bytes come from, escaping for
a terminal or a page (whoever shows it does that).
"""

from dataclasses import dataclass
from typing import Any

from resque.errors import Unreadable
from resque.payload import codec


@dataclass(frozen=True, slots=True)
class JobView:
    """A payload. Where it cannot be read, `job` is None, `unreadable` says why, and the bytes are still there."""

    raw: bytes
    id: str | None
    job: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued_at: float | None
    """Seconds since 1970; None for a payload that somebody else has pushed."""
    attempt: int
    crashes: int
    unreadable: str = ""


def view(raw: bytes) -> JobView:
    """A payload for people. Never raises.

    >>> view(b'{"class":"Echo","args":[1]}').job
    'Echo'
    """
    tries = codec.tries_of(raw)
    try:
        payload = codec.decode(raw)
    except Unreadable as error:
        return JobView(raw, tries.id, None, [], {}, None, tries.attempt, tries.crashes, error.reason)
    at = payload.meta.enqueued_at if payload.meta is not None else None
    return JobView(raw, payload.id, payload.job, payload.args, payload.kwargs, at, tries.attempt, tries.crashes)
