"""The two drivers behind one face, so that one suite holds both to one behaviour.

May be in here: the faces. May not: what a driver should do (test_drivers.py, test_driver_faults.py).
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from resque.config import Settings
from resque.store.aio import AsyncStore
from resque.store.operation import Operation
from resque.store.sync import SyncStore


class SyncDriver:
    """SyncStore, called as it is."""

    def __init__(self, settings: Settings) -> None:
        self.store = SyncStore(settings)

    def run(self, operation: Operation[Any]) -> Any:
        return self.store.run(operation)

    def run_all(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        return self.store.run_all(operations)

    def idle(self) -> list[Any]:
        """redis-py's connections that wait for the next call."""
        return [line._connection for line in self.store._idle]

    def after_fork(self) -> None:
        """What a program has to do in a forked child: nothing."""

    def in_threads(self, count: int, work: Callable[["SyncDriver"], None]) -> None:
        """`work` in so many threads that share the store."""
        in_threads(count, lambda: work(self))

    def close(self) -> None:
        self.store.close()


class AioDriver:
    """AsyncStore; each call runs the event loop until it is done. Between the calls the loop sees nothing."""

    def __init__(self, settings: Settings, store: AsyncStore | None = None) -> None:
        self.store = store or AsyncStore(settings)
        self._runner = asyncio.Runner()

    def run(self, operation: Operation[Any]) -> Any:
        return self._runner.run(self.store.run(operation))

    def run_all(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        return self._runner.run(self.store.run_all(operations))

    def idle(self) -> list[Any]:
        """redis-py's connections that wait for the next call."""
        return [line._connection for lines in self.store._idle.values() for line in lines]

    def after_fork(self) -> None:
        """What a program has to do in a forked child: run a loop of its own. The store is the parent's."""
        self._runner = asyncio.Runner()

    def in_threads(self, count: int, work: Callable[["AioDriver"], None]) -> None:
        """`work` in so many threads, each with a loop of its own, that share the store."""

        def own_loop() -> None:
            driver = AioDriver(self.store.settings, self.store)
            try:
                work(driver)
            finally:
                driver.close()

        in_threads(count, own_loop)

    def close(self) -> None:
        self._runner.run(self.store.aclose())
        self._runner.close()


Driver = SyncDriver | AioDriver
DRIVERS: dict[str, type[SyncDriver] | type[AioDriver]] = {"sync": SyncDriver, "aio": AioDriver}


def in_threads(count: int, work: Callable[[], None]) -> None:
    """`work` in so many threads; raises what the first of them raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads)
