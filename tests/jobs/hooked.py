"""A plain and an async job that have every hook.

May be in here: jobs that write down what is called. May not: expectations.
"""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from resque.jobs.job import Job
from resque.jobs.retry import Retry

Told = list[Any]
Broken = dict[str, BaseException]


class Recording:
    """What both do: write down what is called, and raise what the test wants."""

    told: Told
    broken: Broken

    def _note(self, name: str, *what: Any) -> None:
        self.told.append((name, *what))
        if name in self.broken:
            raise self.broken[name]


def plain(told: Told, broken: Broken) -> type[Job]:
    """A job with every hook."""

    class Plain(Recording, Job):
        queue = "mail"
        retry = Retry(delays=[10])

        def before_enqueue(self, number: int, *, loud: bool = False) -> None:
            self._note("before_enqueue", number, loud)

        def after_enqueue(self, handle: Any) -> None:
            self._note("after_enqueue", handle.id)

        @contextmanager
        def around_perform(self, number: int, *, loud: bool = False) -> Iterator[None]:
            self._note("around_perform", number, loud)
            try:
                yield
            finally:
                self._note("around ends")

        def before_perform(self, number: int, *, loud: bool = False) -> None:
            self._note("before_perform", number, loud)

        def perform(self, number: int, *, loud: bool = False) -> str:
            self._note("perform", number, loud)
            return "done"

        def after_perform(self, number: int, *, loud: bool = False) -> None:
            self._note("after_perform", number, loud)

        def on_failure(self, error: BaseException) -> None:
            self._note("on_failure", error)

        def on_retry(self, error: BaseException, delay: float) -> None:
            self._note("on_retry", error, delay)

        def on_dead(self, error: BaseException) -> None:
            self._note("on_dead", error)

    Plain.told, Plain.broken = told, broken
    return Plain


def awaited(told: Told, broken: Broken) -> type[Job]:
    """The same as an async job, with async hooks."""

    class Awaited(Recording, Job):
        queue = "mail"
        retry = Retry(delays=[10])

        @asynccontextmanager
        async def around_perform(self, number: int, *, loud: bool = False) -> Any:
            await asyncio.sleep(0)
            self._note("around_perform", number, loud)
            try:
                yield
            finally:
                await asyncio.sleep(0)
                self._note("around ends")

        async def before_perform(self, number: int, *, loud: bool = False) -> None:
            await asyncio.sleep(0)
            self._note("before_perform", number, loud)

        async def perform(self, number: int, *, loud: bool = False) -> str:
            await asyncio.sleep(0)
            self._note("perform", number, loud)
            return "done"

        async def after_perform(self, number: int, *, loud: bool = False) -> None:
            await asyncio.sleep(0)
            self._note("after_perform", number, loud)

        async def on_failure(self, error: BaseException) -> None:
            await asyncio.sleep(0)
            self._note("on_failure", error)

        async def on_retry(self, error: BaseException, delay: float) -> None:
            await asyncio.sleep(0)
            self._note("on_retry", error, delay)

        async def on_dead(self, error: BaseException) -> None:
            await asyncio.sleep(0)
            self._note("on_dead", error)

    Awaited.told, Awaited.broken = told, broken
    return Awaited
