"""Door: how a job gets out of this room. The app puts its client here; nothing here imports one.

May be in here: what a client must be able to do, what it gives back, the place that holds it. May not: a client.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from resque.errors import ConfigError
from resque.jobs.definition import Call

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Handle(Protocol[R_co]):
    """What enqueueing gives back. `R_co` is the type of perform's result."""

    @property
    def id(self) -> str:
        """The id of the job."""

    @property
    def queue(self) -> str:
        """The queue it was put in."""

    @property
    def job(self) -> str:
        """The wire name of the job."""


class Door(Protocol):
    """What a client does for a job. Each call has been checked against perform's signature; nothing is sent before.

    Each raises JobError (mend the call) or EnqueueError (decide whether to repeat).
    """

    def enqueue(self, call: Call[R], /) -> Handle[R]:
        """Store one job; stored when it returns."""

    async def aenqueue(self, call: Call[R], /) -> Handle[R]:
        """The same, awaited."""

    def enqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        """Store many jobs, in order, in few trips."""

    async def aenqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        """The same, awaited."""


class Slot:
    """Holds the door through which jobs are enqueued. One serves a process: `door.default`."""

    def __init__(self) -> None:
        self._door: Door | None = None

    def fill(self, door: Door | None) -> Door | None:
        """Put a door in, or take it out (None). Returns the one before, so that a test can put it back."""
        before, self._door = self._door, door
        return before

    def open(self) -> Door:
        """The door. Raises ConfigError when no app has put one in."""
        if self._door is None:
            raise ConfigError("no app is configured; call resque.configure('redis://...') before enqueueing")
        return self._door


default = Slot()
"""The one that `enqueue` of every job goes through."""
