"""Intake: waiting for work on many queues without losing a job.

1. While a runner is free and nothing was found, one connection a queue (up to 16) blocks in BLMOVE; what arrives is in
   the in-flight list before we hear of it. One push wakes one worker.
2. When the first catch arrives, the other waits are ended with CLIENT UNBLOCK before a job is handed to a runner, where
   the rights allow; else they stay pending and what they catch is kept.
3. A queue whose wait has an unread reply is `outstanding`: its in-flight list must not be re-read, or the job in that
   reply would start twice.

May be in here: the waits. May not: deciding what happens to a catch (worker.py), reserving (turn.py).
`BLPOP`, then register is forbidden everywhere: it loses the job between the two.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from resque import clock
from resque.config import Settings
from resque.errors import Refused, StoreError, Unavailable
from resque.store import namespace, reserve
from resque.store.aio import AsyncLine
from resque.store.keys import Keys
from resque.store.operation import Operation, sure

MOST_WAITS = 16
LONGEST_WAIT = 10.0
_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Catch:
    """A job that a wait has brought. `paused`: its queue is, the job must go back. `cancelled`: somebody has cancelled
    jobs of this queue."""

    queue: str
    payload: bytes
    paused: bool
    cancelled: bool


class _Wait:
    """One queue's connection."""

    def __init__(self, settings: Settings, longest: float) -> None:
        self.line = AsyncLine(settings, socket_timeout=longest + _GRACE)
        self.client_id: int | None = None


class Intake:
    """The waits of one worker process."""

    def __init__(self, settings: Settings, keys: Keys, member: str, news: Callable[[], None]) -> None:
        self._settings = settings
        self._keys = keys
        self._member = member
        self._news = news
        self._waits: dict[str, _Wait] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ender: AsyncLine | None = None
        self._answers: asyncio.Task[None] | None = None
        self._may_unblock = True
        self._is_armed = False
        self._longest = min(LONGEST_WAIT, settings.lease / 2)
        self._clock_offset: float | None = None
        self._refused: dict[str, float] = {}
        self.caught: list[Catch] = []
        self.error: StoreError | None = None
        """Why a wait broke, for the loop to see."""

    def use(self, keys: Keys) -> None:
        """The namespace's keys, once its wire direction is known."""
        self._keys = keys

    @property
    def outstanding(self) -> set[str]:
        """Queues whose reply is not read yet."""
        return set(self._tasks)

    async def arm(self, queues: Sequence[str]) -> None:
        """Wait on these queues (those that are not waited on yet)."""
        if self._clock_offset is None:
            await self._learn_clock()
        self._is_armed = True
        now = clock.monotonic()
        for queue in queues[:MOST_WAITS]:
            if len(self._tasks) >= MOST_WAITS:  # in a shuffled order others are first each time
                return
            if queue not in self._tasks and self._refused.get(queue, 0.0) <= now:
                task = asyncio.get_running_loop().create_task(self._wait(queue))
                self._tasks[queue] = task
                task.add_done_callback(partial(self._done, queue))

    async def disarm(self) -> None:
        """End the waits without waiting for their replies. Where the rights do not allow it they end by themselves."""
        self._is_armed = False
        ids = [w.client_id for q, w in self._waits.items() if q in self._tasks and w.client_id is not None]
        if not ids or not self._may_unblock:
            return
        ender = self._ender = self._ender or AsyncLine(self._settings)
        if self._answers is not None:
            await asyncio.wait([self._answers])
        asked: list[Operation[Any]] = [reserve.unblock(client_id) for client_id in ids]
        await ender.send(asked)
        self._answers = asyncio.get_running_loop().create_task(self._read_answers(ender, asked))

    async def _read_answers(self, ender: AsyncLine, asked: Sequence[Operation[Any]]) -> None:
        """Beside the work: a runner need not wait for them."""
        try:
            for operation in asked:
                if isinstance(await ender.receive(operation), Refused):
                    self._may_unblock = False
        except StoreError as error:
            self.error = error

    async def drained(self) -> None:
        """End the waits and read every reply."""
        while self._tasks:
            await self.disarm()
            if self._tasks:  # their replies may all have come meanwhile
                await asyncio.wait(self._tasks.values(), timeout=0.05 if self._may_unblock else self._longest + _GRACE)

    async def reset(self) -> None:
        """Drop all connections. Catches whose reply is lost lie in the in-flight list: a re-read finds them."""
        self._is_armed = False
        tasks = {*self._tasks.values(), *([self._answers] if self._answers else [])}
        while tasks:  # again and again: wait_for of Python 3.11, in redis-py's greeting, swallows a cancellation
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=0.1)
        for wait in self._waits.values():
            await wait.line.close()
        if self._ender is not None:
            await self._ender.close()
        self._waits, self._tasks, self._ender, self._answers, self.error = {}, {}, None, None, None
        self._clock_offset = None

    async def _learn_clock(self) -> None:
        """How far the server's clock is from our monotonic one: lease ends are in the server's time."""
        line = AsyncLine(self._settings)
        try:
            (answer,) = sure(await line.trip([namespace.time()]))
        finally:
            await line.close()
        self._clock_offset = answer - clock.monotonic()

    async def _wait(self, queue: str) -> None:
        """Wait on one queue, again and again, until it brings a job, breaks, or is no longer wanted."""
        wait = self._waits.get(queue)
        if wait is None:
            wait = self._waits[queue] = _Wait(self._settings, self._longest)
        try:
            if wait.client_id is None:
                (answer,) = await wait.line.trip([reserve.client_id()])
                wait.client_id = answer if isinstance(answer, int) else None
            while self._is_armed and await self._listen(queue, wait.line):
                continue
        except StoreError as error:
            self.error = error

    async def _listen(self, queue: str, line: AsyncLine) -> bool:
        """One wait. True when it ended with nothing, so that the next may begin."""
        assert self._clock_offset is not None
        lease_end = clock.monotonic() + self._clock_offset + self._settings.lease
        asked = [
            *reserve.wait(self._keys, queue, self._member, round(lease_end * 1000), self._longest),
            namespace.time(),  # its clock may have jumped meanwhile
        ]
        await line.send(asked)
        leased, raw, paused, cancelled, time = [await line.receive(op) for op in asked]
        if isinstance(time, float):
            self._clock_offset = time - clock.monotonic()
        trouble = raw if isinstance(raw, StoreError) else leased
        if isinstance(trouble, Refused | Unavailable):  # a full server, a wrong type: this queue is polled for a while
            self._refused[queue] = clock.monotonic() + LONGEST_WAIT
        elif isinstance(trouble, StoreError):
            self.error = trouble
        if isinstance(raw, bytes):
            self.caught.append(Catch(queue, raw, _is_so(paused), _is_so(cancelled)))
        return raw is None and trouble is None and self.error is None and not paused

    def _done(self, queue: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(queue, None)
        self._news()


def _is_so(answer: object) -> bool:
    return bool(answer) and not isinstance(answer, StoreError)
