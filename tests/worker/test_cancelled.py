"""Jobs that were cancelled while a worker has them: not started yet, running, found again after trouble."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resque import clock
from resque.config import Settings
from resque.jobs.context import current
from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.outcome import Dropped, Stale
from resque.jobs.registry import Registry
from resque.jobs.retry import Retry, RetryIn
from resque.payload import codec
from resque.payload.payload import Meta
from resque.worker.executors.base import Caller, Opener
from resque.worker.executors.deadline import Deadline
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Ledger
from tests.worker.rig import Rig, Shop, settings_for, settled, until, working

GONE = Stale("cancelled")


def payload(id: str, job: str = "Note") -> bytes:
    return codec.encode(job, [id], {}, Meta(id, "q", 1.0), limit=1000)


@pytest.mark.parametrize("place", ["unstarted", "alone", "unclear"])
def test_one_that_has_not_started_ends_without_a_start(place: str) -> None:
    woken: list[int] = []
    hand = Hand("w", lambda: woken.append(1))
    hand.add("q", [payload("a"), payload("b")], None)
    entry = hand.unstarted[0]
    if place != "unstarted":
        hand.unstarted.popleft()
        getattr(hand, place).append(entry)
    hand.end_unstarted("a", GONE)
    assert (entry.ended, hand.unsettled) == (GONE, [entry])
    assert entry.payload is not None, "its lock must be known"
    assert list(hand.unstarted) == [hand.unstarted[0]]
    assert not hand.alone
    assert not hand.unclear
    assert woken


@pytest.mark.parametrize("id", ["running", "ended", "nobody"])
def test_no_other_one_is_touched(id: str) -> None:
    hand = Hand("w", lambda: None)
    hand.add("q", [payload("running"), payload("ended"), payload("waits")], None)
    running, ended = hand.unstarted.popleft(), hand.unstarted.popleft()
    ended.ended = GONE
    hand.ended.append(ended)
    hand.end_unstarted(id, GONE)
    assert running.ended is None
    assert hand.unsettled == []
    assert len(hand.unstarted) == 1


@pytest.mark.parametrize("how", ["raises", "asks for a retry"])
def test_one_that_was_cancelled_while_it_ran_is_not_tried_again(how: str) -> None:
    def perform(id: str) -> Any:
        entry: Any = current.get()
        entry.is_cancelled = True
        if how == "raises":
            raise ValueError(id)
        return RetryIn(5)

    registry, page = Registry(), Ledger(1, 1).page(0)
    registry.add(Definition(perform, name="Note", options=JobOptions(retry=Retry())))
    hand = Hand("w", lambda: None)
    entry = Entry(payload("a"), "q", hand, clock.boottime())
    definition = Opener(registry, page, hand).open(entry, 0)
    assert definition is not None
    Caller(page, Deadline(is_main=False)).call(entry, definition, 0)
    current.set(None)
    assert entry.outcome == Dropped("cancelled")


def test_one_that_is_found_again_is_dropped(redis: Any, url: str, shop: Shop) -> None:
    """A re-read after trouble: its mark counts as it does at a reserve."""

    async def work() -> None:
        rig = Rig(settings_for(url), shop)
        redis.lpush(rig.inflight(), payload("a"), payload("b"))
        redis.zadd(rig.keys.cancelled("q"), {"a": clock.now() + 60})
        await rig.turn.reread(["q"], "a test")
        assert [(entry.id, entry.ended) for entry in rig.hand.unsettled] == [("a", GONE)]
        assert [entry.id for entry in rig.hand.unstarted] == ["b"]
        await rig.turn.line.close()

    asyncio.run(work())


def test_a_worker_that_holds_it_aside_drops_it(settings: Callable[..., Settings], redis: Any, shop: Shop) -> None:
    """It must run alone and waits for the end of another one, for as long as that takes."""

    async def work() -> None:
        async with working(settings(concurrency=2), shop) as rig:
            redis.sadd("resque:queues", "q")
            redis.lpush("resque:queue:q", payload("slow", "Hold"))
            await until(lambda: shop.holding)
            redis.lpush("resque:queue:q", payload("aside", "Alone"))
            await until(lambda: rig.hand.alone)
            rig.hand.end_unstarted("aside", GONE)
            await until(lambda: redis.get("resque:stat:cancelled") == b"1")
            shop.release()
            await until(lambda: settled(redis, rig, 1))

    asyncio.run(work())
    assert shop.ran == ["slow"]
