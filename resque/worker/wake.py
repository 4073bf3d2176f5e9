"""Wake: the one thing the loop of a worker process sleeps on.

May be in here: a flag that ends a sleep early, from the loop itself or from another thread. May not: what it means.
Cheaper than `asyncio.wait_for(event.wait(), …)`, which makes a task for every look.
"""

import asyncio


class Wake:
    """Set by whoever has news; the sleeper looks what it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_set = False
        self._sleeper: asyncio.Future[None] | None = None

    def set(self) -> None:
        """End the sleep (or the next one). On the loop's thread."""
        self._is_set = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def set_from_thread(self) -> None:
        """The same from any thread. Does nothing once the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self.set)
        except RuntimeError:  # the loop has ended: nobody sleeps any more
            return

    async def sleep(self, seconds: float) -> None:
        """Sleep until it is set, or so long."""
        if not self._is_set:
            self._sleeper = self._loop.create_future()
            timer = self._loop.call_later(seconds, self._expire)
            try:
                await self._sleeper
            finally:
                timer.cancel()
                self._sleeper = None
        self._is_set = False

    def _expire(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
