"""A worker without processes: its parts on the test's own event loop, its runners on threads, a real server.

May be in here: building the parts, jobs that note what they did, waiting. May not: asserts about what is tested.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from resque.config import Settings
from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.registry import Registry
from resque.jobs.retry import Retry
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.worker.executors.threads import Threads
from resque.worker.hand import Hand
from resque.worker.ledger import Ledger
from resque.worker.queues import Queues
from resque.worker.turn import Turn
from resque.worker.view import View
from resque.worker.wake import Wake
from resque.worker.worker import Parts, Worker

MEMBER = "vm~0a1b2c3d:77"


def settings_for(url: str, **more: Any) -> Settings:
    """Fast ones: a lease of 2 s, a look every 20 ms."""
    return Settings(**{"redis_url": url, "queues": "q", "lease": 2.0, "poll": 0.02, "drain": 5.0} | more)


def job(name: str, *args: object, crashes: int = 0) -> bytes:
    """A payload as anybody may push it."""
    text = ",".join(str(arg) if isinstance(arg, int | float) else f'"{arg}"' for arg in args)
    tries = f',"tries":{{"attempt":1,"crashes":{crashes}}}' if crashes else ""
    return f'{{"class":"{name}","args":[{text}]{tries}}}'.encode()


def push(redis: Any, queue: str, *payloads: bytes, keys: Keys | None = None) -> None:
    """Enqueue at the back, in this order."""
    keys = keys or Keys()
    redis.set(keys.marker(), keys.wire)
    redis.sadd(keys.queues(), queue)
    redis.execute_command(keys.direction.push_back, keys.queue(queue), *payloads)


def in_order(redis: Any, key: str, keys: Keys | None = None) -> list[bytes]:
    """A list of jobs in reserve order."""
    found: list[bytes] = redis.lrange(key, 0, -1)
    return found if (keys or Keys()).wire == "ruby" else found[::-1]


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true answer of `condition`; other tasks of the loop go on meanwhile."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.002)
    return found


class Shop:
    """Jobs, and what they did.

    Note(x)     is done at once              Hold(x)   runs until `release()`
    Sleep(x, s) takes so long                Boom(x)   raises ValueError
    Alone(x)    must run alone; notes how many others ran beside it
    """

    def __init__(self) -> None:
        self.ran: list[Any] = []
        self.beside: list[int] = []
        self._running: Counter[str] = Counter()
        self._open = threading.Event()
        self.registry = Registry()
        for name in ("Note", "Hold", "Sleep", "Boom", "Alone"):
            function = getattr(self, f"_{name.lower()}")
            options = JobOptions(alone=name == "Alone", retry=Retry.never)
            self.registry.add(Definition(_own(function, name), name=name, options=options))

    def release(self) -> None:
        """Let every Hold end."""
        self._open.set()

    @property
    def holding(self) -> int:
        """How many Hold and Sleep jobs run now."""
        return self._running["jobs"]

    def _note(self, number: Any) -> None:
        self.ran.append(number)

    def _hold(self, number: Any) -> None:
        self._running["jobs"] += 1
        self._open.wait(30)
        self._running["jobs"] -= 1
        self.ran.append(number)

    def _sleep(self, number: Any, seconds: float) -> None:
        self._running["jobs"] += 1
        time.sleep(seconds)
        self._running["jobs"] -= 1
        self.ran.append(number)

    def _boom(self, number: Any) -> None:
        self.ran.append(number)
        raise ValueError(f"no {number}")

    def _alone(self, number: Any) -> None:
        time.sleep(0.01)
        self.beside.append(self._running["jobs"])
        self.ran.append(number)


def _own(function: Callable[..., None], name: str) -> Callable[..., None]:
    """A function of its own for each job, so that their sources differ."""

    def perform(*args: Any) -> None:
        function(*args)

    perform.__qualname__ = name
    return perform


class Rig:
    """The parts of one worker process, and what its supervisor was told."""

    def __init__(self, settings: Settings, shop: Shop, member: str = MEMBER) -> None:
        self.settings = settings
        self.shop = shop
        self.keys = Keys(settings.prefix, settings.wire or "native")
        self.who = Identity(member, f"{member}:{settings.queues}")
        self.wake = Wake(asyncio.get_running_loop())
        self.hand = Hand(self.who.id, self.wake.set_from_thread, settings.concurrency)
        self.page = Ledger(1, settings.concurrency).page(0)
        self.announced: list[str] = []
        self.view = View(settings, self.who, self.hand, supervisor=4711, version="0.0")
        self.queues = Queues(settings, self._announce)
        self.threads = Threads(settings.concurrency, self.hand, shop.registry, self.page)
        self.left: list[str] = []
        parts = Parts(self.hand, self.wake, self.page, self.queues, self.view, self.threads)
        self.worker = Worker(settings, parts, self.left.append)
        self.clean: bool | None = None

    @property
    def intake(self) -> Any:
        """The worker's waits."""
        return self.worker._intake

    @property
    def turn(self) -> Turn:
        """The worker's trips."""
        return self.worker._turn

    def inflight(self, queue: str = "q") -> str:
        return self.keys.inflight(queue, self.who.member)

    def _announce(self, queues: Sequence[str]) -> bool:
        self.announced += queues
        return True


def settled(redis: Any, rig: Rig, count: int) -> bool:
    """Whether so many are counted and nothing is left in flight."""
    return int(redis.get("resque:stat:processed") or 0) == count and not redis.exists(rig.inflight())


@asynccontextmanager
async def working(settings: Settings, shop: Shop, *, member: str = MEMBER, stop: bool = True) -> AsyncIterator[Rig]:
    """A worker at work, from its first connection on; drained at the end (unless the test has stopped it itself)."""
    rig = Rig(settings, shop, member)
    thread = threading.Thread(target=rig.threads.run, daemon=True)
    thread.start()
    ready = asyncio.Event()
    life = asyncio.ensure_future(rig.worker.run(ready.set))
    try:
        begun = asyncio.ensure_future(ready.wait())
        await asyncio.wait([life, begun], return_when=asyncio.FIRST_COMPLETED, timeout=10)
        begun.cancel()
        if life.done():
            life.result()
        yield rig
        if stop:
            rig.worker.stop("drain")
        rig.clean = await asyncio.wait_for(life, 30)
        await rig.worker.leave()
    finally:
        shop.release()
        if not life.done():
            life.cancel()
            await asyncio.wait([life])
        await rig.worker._reset()
        rig.threads.stop()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
