"""A turn whose answers are lost or strange: the list is read again, nothing is lost, nothing counts twice."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.config import Settings
from resque.errors import Unreachable
from resque.payload import codec
from resque.store.scripts import Script
from tests.fault_proxy import FaultProxy, drop_reply, drop_request
from tests.worker.bench import sha, turning
from tests.worker.rig import in_order, job, push

MakeSettings = Callable[..., Settings]


def run(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


def test_another_length_once_is_nothing_twice_is_doubt(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(9)))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 1)
            redis.lpush(bench.rig.inflight(), job("Note", "stray"))
            await bench.turn.take(["q"], 1)
            assert not bench.turn.doubts
            await bench.turn.take(["q"], 1)
            assert bench.turn.doubts
            with events.listening("worker.rereading") as heard:
                await bench.turn.reread(["q"], "test")
            assert not bench.turn.doubts
            assert [(data["found"], data["lost"]) for _, data in heard] == [(1, 0)]
            assert job("Note", "stray") in [entry.raw for entry in bench.hand.unstarted]
            assert len(bench.hand) == 4

    run(scene)


def test_a_mismatch_that_mends_itself_is_forgotten(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(9)))
        async with turning(settings()) as bench:
            for stray in (True, False, True, False):
                if stray:
                    redis.lpush(bench.rig.inflight(), b"stray")
                else:
                    redis.lrem(bench.rig.inflight(), 1, b"stray")
                await bench.turn.take(["q"], 1)
            assert not bench.turn.doubts

    run(scene)


def test_jobs_that_left_our_list_are_not_started(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", job("Note", 1), job("Note", 2))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 2)
            redis.delete(bench.rig.inflight())
            with events.listening("job.lease_lost") as heard:
                await bench.turn.reread(["q"], "test")
            assert [data["count"] for _, data in heard] == [2]
            assert len(bench.hand.unstarted) == len(bench.hand) == 0

    run(scene)


@pytest.mark.parametrize("fault", [drop_reply(), drop_request()], ids=lambda fault: fault.kind)
def test_a_lost_reply_of_a_settle_counts_once(
    settings: MakeSettings, redis: Any, proxy: FaultProxy, fault: Any
) -> None:
    """With an id of its own it is settled again, not run again."""
    raw = codec.encode("Note", [1], {}, codec.Meta("0193", "q", 1.5), limit=1000)

    async def scene() -> None:
        push(redis, "q", raw)
        async with turning(settings(url=proxy.url)) as bench:
            await bench.turn.take(["q"], 1)
            bench.end()
            proxy.on(sha("finish"), fault)
            redis.script_load(Script("finish").text("modern"))
            with pytest.raises(Unreachable):
                await bench.turn.take(["q"], 1)
            await bench.turn.reread(["q"], "lost")
            assert len(bench.hand.unstarted) == 0
            await bench.turn.take([], 0)
            assert len(bench.hand) == 0
            assert not redis.exists(bench.rig.inflight())
            assert int(redis.get("resque:stat:processed")) == 1

    run(scene)


def test_a_twin_that_came_with_a_lost_reply_runs(settings: MakeSettings, redis: Any, proxy: FaultProxy) -> None:
    """One trip settles the first copy and reserves the second, and its reply is lost: what is listed is the second."""

    async def scene() -> None:
        push(redis, "q", job("Note", 1), job("Note", 1))
        async with turning(settings(url=proxy.url)) as bench:
            await bench.turn.take(["q"], 1)
            bench.end()
            for name in ("finish", "reserve"):
                redis.script_load(Script(name).text("modern"))
            fault = proxy.on(sha("finish"), drop_reply())
            with pytest.raises(Unreachable):
                await bench.turn.take(["q"], 1)
            assert fault.hits == 1
            assert in_order(redis, bench.rig.inflight()) == [job("Note", 1)]
            await bench.turn.reread(["q"], "lost")
            assert [entry.raw for entry in bench.hand.unstarted] == [job("Note", 1)]
            bench.end()
            await bench.turn.take([], 0)
            assert int(redis.get("resque:stat:processed")) == 2

    run(scene)


def test_a_reread_of_what_is_empty_makes_no_queue_known(settings: MakeSettings, redis: Any) -> None:
    """An operator may have removed it."""

    async def scene() -> None:
        async with turning(settings()) as bench:
            await bench.turn.reread(["q", "r"], "connected")
            await bench.turn.take([], 0)
            assert not redis.exists("resque:queues")

    run(scene)


def test_the_name_of_a_queue_is_written_with_its_first_job(
    settings: MakeSettings, redis: Any, proxy: FaultProxy
) -> None:
    """For whoever recovers it: a raw push does not. Also if the trip that says so breaks."""

    async def scene() -> None:
        redis.lpush("resque:queue:q", job("Note", 1))
        async with turning(settings(url=proxy.url)) as bench:
            await bench.turn.take(["q"], 1)
            proxy.on(b"SADD", drop_request())
            with pytest.raises(Unreachable):
                await bench.turn.take(["q"], 1)
            await bench.turn.take(["q"], 1)
            assert redis.smembers("resque:queues") == {b"q"}
            redis.delete("resque:queues")
            await bench.turn.take(["q"], 1)
            assert not redis.exists("resque:queues"), "once"

    run(scene)
