"""Reach: holds conversations with Redis for handles, blocking or awaited.

May be in here: sending what a conversation asks, and giving it the answers. May not: what is asked (whereabouts.py).
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from resque.config import Settings
from resque.store import namespace
from resque.store.aio import AsyncStore
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.sync import SyncStore

T = TypeVar("T")
Talk = Callable[[Keys], Generator[Sequence[Operation[Any]], list[Any], T]]


class Reach:
    """What a handle needs of its client. Connections of its own, from the first question on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = SyncStore(settings)
        self._astore = AsyncStore(settings)
        self._keys: Keys | None = None

    def ask(self, talk: Talk[T]) -> T:
        """Hold a conversation to its end. Raises StoreError."""
        if self._keys is None:
            wire = self._store.run(namespace.claim(self._settings.prefix, self._settings.wire))
            self._keys = Keys(self._settings.prefix, wire)
        conversation = talk(self._keys)
        answers: list[Any] | None = None
        while True:
            try:
                asked = next(conversation) if answers is None else conversation.send(answers)
            except StopIteration as end:
                result: T = end.value
                return result
            answers = list(self._store.run_all(asked))

    async def aask(self, talk: Talk[T]) -> T:
        """`ask`, awaited."""
        if self._keys is None:
            wire = await self._astore.run(namespace.claim(self._settings.prefix, self._settings.wire))
            self._keys = Keys(self._settings.prefix, wire)
        conversation = talk(self._keys)
        answers: list[Any] | None = None
        while True:
            try:
                asked = next(conversation) if answers is None else conversation.send(answers)
            except StopIteration as end:
                result: T = end.value
                return result
            answers = list(await self._astore.run_all(asked))

    def close(self) -> None:
        """Close the blocking connections."""
        self._store.close()

    async def aclose(self) -> None:
        """Close those of the running event loop."""
        await self._astore.aclose()
