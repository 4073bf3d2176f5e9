"""Console: the operator's connection to one namespace.

May be in here: which keys are read, how many questions go in one trip, claiming before anything is changed.
May not: any question about a queue, a worker or a failure.

Who only looks leaves no trace: a namespace gets its marker from the first process that puts something into it.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from resque.config import Settings, Wire
from resque.errors import StoreError, WireMismatch
from resque.store import namespace
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.sync import SyncStore

T = TypeVar("T")
QUESTIONS_A_TRIP = 500


class Console:
    """Asks Redis on behalf of a person.

    >>> with Console(Settings.load()) as console:
    ...     queues.every(console)
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store = SyncStore(settings)
        self._keys: Keys | None = None
        self._is_claimed = False
        self.is_guess = False
        """The namespace is in use but unmarked, and no wire was asked for: "oldest" and "newest" may be swapped."""

    @property
    def keys(self) -> Keys:
        """The namespace's keys, for reading. Asks once. Raises WireMismatch for a marker that means nothing."""
        if self._keys is None:
            self._keys = Keys(self.settings.prefix, self._wire())
        return self._keys

    def claim(self) -> Keys:
        """The namespace's keys, for changing something: marks a new one. Raises WireMismatch where wires disagree."""
        if not self._is_claimed:
            wire = self.run(namespace.claim(self.settings.prefix, self.settings.wire))
            self._keys, self._is_claimed = Keys(self.settings.prefix, wire), True
        return self.keys

    def run(self, operation: Operation[T]) -> T:
        """One question. Raises StoreError."""
        return self._store.run(operation)

    def ask(self, operations: Sequence[Operation[T]]) -> list[T | StoreError]:
        """Many questions, some hundred a trip; each answer is a value or the StoreError that it met.

        Raises Unreachable when the connection broke. One key of a wrong type spoils no other answer.
        """
        answers: list[Any] = []
        for start in range(0, len(operations), QUESTIONS_A_TRIP):
            answers += self._store.run_all(operations[start : start + QUESTIONS_A_TRIP])
        return answers

    def close(self) -> None:
        """Close the connection; the next question opens a new one."""
        self._store.close()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wire(self) -> Wire:
        marked, used = self.ask(namespace.look(self.settings.prefix))
        for answer in (marked, used):
            if isinstance(answer, StoreError):
                raise answer
        if marked is None:
            self.is_guess = bool(used) and self.settings.wire is None
            return self.settings.wire or "native"
        if marked not in ("native", "ruby"):
            raise WireMismatch(
                f"the marker '{Keys(self.settings.prefix).marker()}' reads {marked!r}; it must be native or ruby. "
                "Somebody has changed it: put back what the workers use"
            )
        return "ruby" if marked == "ruby" else "native"


def known(answer: T | StoreError) -> T | None:
    """An answer of `ask`, or None where Redis refused it."""
    return None if isinstance(answer, StoreError) else answer
