"""Queues: the queues that this worker process looks at, now.

May be in here: the subscription, the names known in Redis, which names the supervisor has been told. May not: jobs.

A queue is announced to the supervisor before anything is reserved from it: the supervisor renews its lease also while
this process is silent, and knows where to look when it dies.
"""

from collections.abc import Callable, Sequence

from resque import clock
from resque.config import Settings
from resque.store import queues
from resque.store.aio import AsyncLine
from resque.store.keys import Keys
from resque.store.operation import sure
from resque.worker.subscription import Subscription

Announce = Callable[[Sequence[str]], bool]


class Queues:
    """Names in order."""

    def __init__(self, settings: Settings, announce: Announce) -> None:
        self._subscription = Subscription(settings.queues)
        self._settings = settings
        self._announce = announce
        self._known: list[str] = []
        self._asked = float("-inf")
        self._count = len(self._subscription.named)
        self.used: set[str] = set()
        """Every queue that this process may have reserved from."""

    def __len__(self) -> int:
        return self._count

    def order(self) -> list[str]:
        """The queues to look at, first things first; only those that the supervisor knows of."""
        names = self._subscription.order(self._known)
        self._count = len(names)
        new = [name for name in names if name not in self.used]
        if new and self._announce(new):
            self.used.update(new)
        return [name for name in names if name in self.used]

    def poll(self) -> float:
        """Seconds between two looks at what cannot be waited on: a second more for each thousand queues."""
        return self._settings.poll + self._count // 1000

    async def refresh(self, line: AsyncLine, keys: Keys) -> None:
        """Ask for the known queues, if patterns need them and the last answer is old."""
        now = clock.monotonic()
        if self._subscription.is_fixed or now - self._asked < self.poll():
            return
        (answer,) = sure(await line.trip([queues.names(keys)]))
        self._known, self._asked = answer, now
