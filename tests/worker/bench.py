"""A turn by itself: no worker around it, no runners; the test says what runs and how it ends.

May be in here: building it. May not: asserts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from resque.config import Settings
from resque.jobs.outcome import Returned
from resque.payload import codec
from resque.store.scripts import Script
from resque.worker.hand import Entry
from resque.worker.turn import Turn
from tests.worker.rig import Rig, Shop


def sha(name: str) -> bytes:
    return Script(name).sha("modern").encode()


class Bench:
    """A turn without a worker around it and without runners: the test says what runs and ends."""

    def __init__(self, settings: Settings) -> None:
        self.rig = Rig(settings, Shop())
        self.turn: Turn = self.rig.turn
        self.hand = self.rig.hand
        self.hand.current.clear()
        self.turn.use(self.rig.keys)

    def end(self, count: int = 1, how: Any = None, *, seconds: float = 0.001) -> list[Entry]:
        """The oldest unstarted jobs run and end."""
        entries = [self.hand.unstarted.popleft() for _ in range(count)]
        for entry in entries:
            entry.payload, entry.job, entry.seconds = codec.decode(entry.raw), "Note", seconds
            entry.ended = how or Returned()
            self.hand.ended.append(entry)
        return entries


@asynccontextmanager
async def turning(settings: Settings) -> AsyncIterator[Bench]:
    bench = Bench(settings)
    try:
        yield bench
    finally:
        await bench.rig.worker._reset()
