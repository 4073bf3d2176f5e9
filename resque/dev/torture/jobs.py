"""Jobs of the torture: quick, short, long, and some that fail on purpose. Each writes down that it began and ended.

May be in here: the jobs, and which mix of them a producer enqueues. May not: counting (account.py), Redis.

The worker that imports this module is told in RESQUE_TORTURE_JOURNAL where to write. It is read once, when the module
is imported: a job's own process may have another environment.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from resque import Job, Retry, clock, current_job
from resque.config import environment
from resque.dev.torture import journal
from resque.dev.torture.journal import Journal
from resque.errors import ConfigError

QUEUES: Final = ("quick", "mixed")
JOURNAL: Final = "RESQUE_TORTURE_JOURNAL"
_FOLDER: Final = environment(JOURNAL)


class OnPurpose(Exception):
    """Why a TortureFails fails."""


class TortureQuick(Job):
    """Does nothing."""

    queue = "quick"

    def perform(self) -> None:
        with _noted():
            pass


class TortureShort(Job):
    """Takes some milliseconds."""

    queue = "mixed"

    def perform(self, seconds: float) -> None:
        with _noted():
            clock.sleep(seconds)


class TortureLong(Job):
    """Takes seconds: longer than a drain lasts, so that it is put back now and then."""

    queue = "mixed"

    def perform(self, seconds: float) -> None:
        with _noted():
            clock.sleep(seconds)


class TortureFails(Job):
    """Raises, always."""

    queue = "quick"
    retry = Retry.never

    def perform(self) -> None:
        with _noted():
            raise OnPurpose("this job fails on purpose")


def mixed(chance: random.Random) -> Any:
    """One call: of a thousand about 750 are quick, 230 take 5 to 50 ms, 15 fail, 5 take 1 to 2 s."""
    number = chance.randrange(1000)
    if number < 5:
        return TortureLong.call(chance.uniform(1.0, 2.0))
    if number < 20:
        return TortureFails.call()
    if number < 250:
        return TortureShort.call(chance.uniform(0.005, 0.05))
    return TortureQuick.call()


@contextmanager
def _noted() -> Iterator[None]:
    """Write down the beginning and the end. A job that is cut off leaves a beginning only."""
    job = current_job()
    assert job is not None
    assert job.id is not None
    book, worker = _journal(os.getpid()), job.worker.split(":")[1]
    book.ran(job.id, "began", worker)
    try:
        yield
    except OnPurpose:
        book.ran(job.id, "raised", worker)
        raise
    book.ran(job.id, "done", worker)


@cache
def _journal(pid: int) -> Journal:
    """One for the life of a process; a fork of it gets one of its own."""
    if _FOLDER is None:
        raise ConfigError(f"these jobs are for `resque torture`, which sets {JOURNAL}")
    return Journal(Path(_FOLDER) / journal.ran(pid))
