"""--in and --at: when something is to run, from what a person writes.

May be in here: reading the two options, saying what to write instead. May not: what is done then; an import of redis.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from resque import clock
from resque.cli.exits import USAGE, Failed
from resque.errors import ConfigError
from resque.jobs.retry import LONGEST, span

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLE = "2026-12-01T06:00+01:00, or 2026-12-01T05:00Z"


def timed(command: F) -> F:
    """Give a command --in and --at, as parameters `delay` and `at`."""
    command = click.option("--at", metavar="TIME", help="At this time: 2026-12-01T06:00+01:00.")(command)
    return click.option("--in", "delay", metavar="LENGTH", help="So long from now: 30s, 5m, 1h30m.")(command)


def due(delay: str | None, at: str | None) -> datetime | None:
    """The moment that was asked for; None if none was. Raises Failed (2) that says what to write instead.

    >>> due(None, "2026-12-01T06:00+01:00").isoformat()
    '2026-12-01T05:00:00+00:00'
    """
    if delay is not None and at is not None:
        raise Failed("--in and --at exclude each other", hint="a length of time, or a time", code=USAGE)
    if delay is not None:
        try:
            return datetime.fromtimestamp(clock.now(), UTC) + timedelta(seconds=span("--in", delay))
        except ConfigError as error:
            raise Failed(str(error), hint="nothing was changed", code=USAGE) from None
    return None if at is None else _moment(at)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Failed(f"--at: {text!r} is no time", hint=f"write for example {_EXAMPLE}", code=USAGE) from None
    if found.utcoffset() is None:
        raise Failed(
            f"--at: {text!r} has no time zone",
            hint=f"say which 6 o'clock it is: write for example {_EXAMPLE}",
            code=USAGE,
        )
    try:
        found = found.astimezone(UTC)
    except OverflowError:
        raise Failed(f"--at: {text!r} is too far away", hint=_TOO_FAR, code=USAGE) from None
    if not 0 <= found.timestamp() <= clock.now() + LONGEST:
        raise Failed(f"--at: {text!r} is too far away", hint=_TOO_FAR, code=USAGE)
    return found


_TOO_FAR = "delays may have ten years; keep such a date in a database, and enqueue the job then"
