"""Worker: the engine of one worker process: turn, run, decide, settle, again.

1. A turn settles what has ended and reserves what is next, in one trip (turn.py).
2. While nothing is found and a runner is free, it waits without losing a job (intake.py).
3. What has not started 50 ms after its reserve goes back to the queue: no job waits behind a slow one.
4. What must run alone waits until the hand is empty, and nothing is reserved meanwhile.
5. After any error it drops its connections and reads its in-flight lists again instead of guessing.
6. When asked to stop it reserves nothing more, lets running jobs end for a while, and releases what is left.

May be in here: the order of these steps. May not: how each is done; user code; signals (process.py).
The truth is in Redis; `hand` is only a copy. All of this runs on one thread with an asyncio loop; the runners are on
others.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from resque import clock, events
from resque.config import Settings
from resque.errors import StoreError, Unreachable
from resque.jobs.outcome import Interrupted
from resque.loop import backoff
from resque.store import inflight, namespace
from resque.store.keys import Keys
from resque.store.operation import sure
from resque.worker.executors.base import Executor
from resque.worker.hand import Entry, Hand
from resque.worker.intake import MOST_WAITS, Intake
from resque.worker.ledger import Page
from resque.worker.queues import Queues
from resque.worker.signals import Wish
from resque.worker.turn import SLOW, Turn
from resque.worker.view import View
from resque.worker.wake import Wake

TICK = 0.005
ALONE_HELD_AT_MOST = 5.0
_NOT_STARTED = Interrupted("not started in time")
_STOPPING = Interrupted("the worker stops")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker works with."""

    hand: Hand
    wake: Wake
    page: Page
    queues: Queues
    view: View
    executor: Executor


class Worker:
    """One worker process, but for its runners."""

    def __init__(self, settings: Settings, parts: Parts, leaving: Callable[[str], None]) -> None:
        self._settings = settings
        self._leaving = leaving
        self._identity = identity = parts.view.identity
        self._hand = parts.hand
        self._wake = parts.wake
        self._page = parts.page
        self._queues = parts.queues
        self._view = parts.view
        self._executor = parts.executor
        self._keys = Keys(settings.prefix)
        self._intake = Intake(settings, self._keys, identity.member, parts.wake.set)
        self._turn = Turn(settings, self._keys, identity, parts.hand, parts.view)
        self._wish: Wish | None = None
        self._is_asked = False
        """Whether the wish came from outside: only then is a second one more urgent."""
        self._deadline: float | None = None
        self._checked = 0.0
        self._looked = clock.boottime()

    def stop(self, wish: Wish) -> None:
        """Stop: "drain" lets running jobs end for `settings.drain` seconds, "finish" however long. Twice: now."""
        now = clock.monotonic()
        if self._is_asked:
            self._deadline = now
        elif wish == "drain":
            self._deadline = now + self._settings.drain
        self._is_asked = True
        self._end_life(wish)

    def recycle(self, why: str) -> None:
        """Leave when everything in hand has ended; a fresh process takes our place meanwhile. Once."""
        if self._wish is None:
            self._leaving(why)
            self._end_life("finish")

    def _end_life(self, wish: Wish) -> None:
        self._page.is_stopping = True
        self._wish = self._wish or wish
        self._wake.set()

    def quiet(self, is_quiet: bool) -> None:
        """Reserve nothing more (what is in hand goes on), or go on as before."""
        self._hand.is_quiet = is_quiet
        self._page.is_idle = False
        self._view.hasten()
        self._wake.set()

    async def run(self, ready: Callable[[], None]) -> bool:
        """Work until stopped. True when all runners have ended their jobs, False when some were released as they ran.

        Raises WireMismatch at the start; Redis in trouble is waited out.
        """
        failures, lost_at = 0, 0.0
        while True:
            try:
                await self._connect()
                if failures:
                    events.emit("store.back", seconds=clock.monotonic() - lost_at)
                ready()
                failures = 0
                await self._serve()
                return await self._drain()
            except StoreError as error:
                await self._reset()
                lost_at = lost_at if failures else clock.monotonic()
                failures += 1
                if self._wish and failures > 2 and self._is_over():
                    return False  # nobody to tell; the leases end and everything is recovered
                wait = backoff(failures)
                events.emit("store.lost", error=error, wait=wait)
                await self._wake.sleep(wait)

    async def leave(self) -> None:
        """Say good-bye: leases end now, the registry forgets us."""
        try:
            now_ms = round(clock.now() * 1000)
            ends = [inflight.end_lease(self._keys, q, self._identity.member, now_ms) for q in self._queues.used]
            await self._turn.line.trip([*ends, *self._view.unregister(self._keys)])
        except StoreError:
            return  # the leases end by themselves, pruning does the rest
        finally:
            await self._reset()

    # the life --------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        (wire,) = sure(await self._turn.line.trip([namespace.claim(self._settings.prefix, self._settings.wire)]))
        self._keys = Keys(self._settings.prefix, wire)
        self._hand.is_ruby = wire == "ruby"
        self._turn.use(self._keys)
        self._intake.use(self._keys)
        await self._turn.tell(self._view.register(self._keys))
        await self._reread("connected")

    async def _serve(self) -> None:
        hand, intake = self._hand, self._intake
        while self._wish is None:
            self._notice_trouble()
            self._executor.tick()
            await self._take_catches()
            await self._look_for_strays()
            if self._turn.doubts and not intake.outstanding:
                await self._reread("the list is not as long as it should be")
            self._give_back(SLOW, _NOT_STARTED)
            await self._start_alone()
            if hand.unclear:
                await self._turn.clear()
            if self._hand.is_quiet and intake.outstanding:
                await intake.disarm()
            want = self._turn.want()
            asked = await self._ask(want) if want else []
            took = 0
            if hand.ended or hand.unsettled or asked or self._view.due_in() <= 0:
                took = await self._turn.take(asked, want)
            if took and intake.outstanding:
                await intake.disarm()
            if why := self._turn.outlived():
                self.recycle(why)
            if want and not took and self._settings.burst:
                if not len(hand):
                    self.recycle("burst")
            elif want and not took:
                await self._wait_for_work()
            if not want and self._turn.want():
                continue  # what ran alone is settled now: reserve again before any sleep
            await self._wake.sleep(self._pause())

    async def _drain(self) -> bool:
        """True when everything in hand has ended."""
        events.emit("worker.draining", id=self._identity.id)
        await self._intake.drained()
        while True:
            self._executor.tick()
            self._release_catches()
            self._give_back(0.0, _STOPPING)
            self._give_back_alone()
            if self._deadline is not None and clock.monotonic() >= self._deadline:
                break
            if self._hand.collect():
                await self._turn.take([], 0)
            elif not len(self._hand):
                return True
            else:
                await self._wake.sleep(0.05)
        await self._executor.interrupt(_STOPPING)
        await self._turn.release_running(_STOPPING)
        return not len(self._hand)

    async def _reset(self) -> None:
        await self._intake.reset()
        await self._turn.line.close()

    def _is_over(self) -> bool:
        """Whether nothing is waited for any more: without a deadline, the end of what runs."""
        return not self._hand.running if self._deadline is None else clock.monotonic() > self._deadline

    # steps -----------------------------------------------------------------------------------------------------

    def _notice_trouble(self) -> None:
        """A wait broke, or this process (or machine) stood still for so long that its leases may be lost."""
        if self._intake.error is not None:
            raise self._intake.error
        before, self._looked = self._looked, clock.boottime()
        if self._looked - before > self._settings.lease * 0.75 and self._page.is_idle:
            raise Unreachable(f"this process stood still for {self._looked - before:.1f} s")

    async def _take_catches(self) -> None:
        if not self._intake.caught:
            return
        self._page.is_idle = False  # before a runner may silence us
        if self._intake.outstanding:
            await self._intake.disarm()
        caught, self._intake.caught = self._intake.caught, []
        for catch in caught:
            is_paused = catch.paused and await self._turn.is_paused(catch.queue)
            if self._hand.is_quiet or is_paused or not self._turn.has_room:
                self._release(catch.queue, catch.payload)
            elif catch.cancelled:
                await self._turn.admit(catch.queue, [catch.payload])
            else:
                self._turn.add(catch.queue, [catch.payload])

    def _release_catches(self) -> None:
        caught, self._intake.caught = self._intake.caught, []
        for catch in caught:
            self._release(catch.queue, catch.payload)

    def _release(self, queue: str, payload: bytes) -> None:
        """Put back what was caught, as a job that was in hand and never started."""
        self._hand.add_ended(queue, payload, _STOPPING)

    def _give_back(self, after: float, why: Interrupted) -> None:
        entries = self._hand.take_back(clock.boottime() - after)
        if entries:
            self._end(entries, why)

    def _give_back_alone(self) -> None:
        entries = [*self._hand.alone, *self._hand.unclear]
        self._hand.alone.clear()
        self._hand.unclear.clear()
        self._end(entries, _STOPPING)

    def _end(self, entries: list[Entry], why: Interrupted) -> None:
        for entry in entries:
            entry.ended = why
        self._hand.unsettled += entries

    async def _start_alone(self) -> None:
        self._hand.collect()
        entry = self._hand.next_alone()
        if entry is None:
            return
        if self._intake.outstanding:  # what they catch would be company
            await self._intake.disarm()
            return
        if clock.boottime() - entry.reserved_at > ALONE_HELD_AT_MOST:
            await self._reread("a job has waited long for its turn alone")
        if self._hand.next_alone() is not None:
            self._hand.start_alone()

    async def _ask(self, want: int) -> list[str]:
        """The queues to reserve from: in order, but for those that a wait has an ear on."""
        await self._queues.refresh(self._turn.line, self._keys)
        asked = [q for q in self._queues.order() if q not in self._intake.outstanding]
        self._page.is_idle = self._page.is_idle and not asked
        return asked

    async def _wait_for_work(self) -> None:
        queues = [q for q in self._queues.order() if not self._turn.is_resting(q)]
        await self._intake.arm(queues)
        if not len(self._hand):
            await self._turn.tell(self._view.idle(self._keys))
            self._page.is_idle = not self._intake.caught and self._intake.outstanding.issuperset(queues)

    async def _look_for_strays(self) -> None:
        """Is there a job in a list of which we hold nothing? A half-open wait may have brought it, also to the busy."""
        now = clock.monotonic()
        if now - self._checked < self._settings.lease / 4 or not self._queues.used:
            return
        self._checked = now
        used = sorted(q for q in self._queues.used if not self._hand.count(q))
        if not used:
            return
        (count,) = sure(await self._turn.line.trip([inflight.holds_any(self._keys, used, self._identity.member)]))
        if count and not self._intake.caught:
            await self._intake.drained()
            self._turn.doubts = True

    async def _reread(self, why: str) -> None:
        """Read the in-flight lists: what ended and is still listed is settled again, what is unknown is started."""
        assert not self._intake.outstanding
        self._page.is_idle = False  # before anything that is found runs
        caught, self._intake.caught = self._intake.caught, []
        for catch in caught:  # their replies are read: they are in hand, not unknown
            if catch.cancelled:
                await self._turn.admit(catch.queue, [catch.payload])
            else:
                self._turn.add(catch.queue, [catch.payload])
        await self._turn.reread(sorted(self._queues.used), why)

    def _pause(self) -> float:
        """How long to sleep when nobody wakes us."""
        hand = self._hand
        if hand.unstarted or hand.ended or hand.unsettled or hand.unclear or hand.next_alone() is not None:
            return TICK
        pause = min(self._view.due_in(), self._settings.lease / 4, self._executor.tick())
        if len(self._intake.outstanding) < min(MOST_WAITS + 1, len(self._queues)) and self._turn.want():
            pause = min(pause, self._queues.poll() * random.uniform(1.0, 2.0))
        return max(pause, 0.001)
