"""One trip: settle what has ended, reserve what is next; what its answers mean, and the re-read in doubt."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.config import Settings
from resque.errors import Refused
from resque.jobs.outcome import Interrupted, Raised
from resque.store.keys import Keys
from resque.store.scripts import Script
from tests.fault_proxy import FaultProxy
from tests.worker.bench import turning
from tests.worker.rig import in_order, job, push, until

MakeSettings = Callable[..., Settings]


def run(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


def test_it_reserves_up_to_want_in_order(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(5)))
        async with turning(settings()) as bench:
            assert await bench.turn.take(["q"], 3) == 3
            assert [entry.raw for entry in bench.hand.unstarted] == [job("Note", n) for n in range(3)]
            assert in_order(redis, bench.rig.inflight()) == [job("Note", n) for n in range(3)]
            assert in_order(redis, "resque:queue:q") == [job("Note", 3), job("Note", 4)]
            assert redis.zscore("resque:leases:q", bench.rig.who.member)

    run(scene)


def test_settling_and_reserving_are_one_trip(settings: MakeSettings, redis: Any, proxy: FaultProxy) -> None:
    """Done, failed, released and the next jobs: one request."""

    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(20)))
        async with turning(settings(url=proxy.url)) as bench:
            await bench.turn.take(["q"], 6)
            bench.end(2)
            bench.end(1, Raised(ValueError("x")))
            bench.end(1, Interrupted("late"))
            redis.script_load(Script("finish").text("modern"))
            for name in ("finish", "fail", "release", "reserve"):
                redis.script_load(Script(name).text("modern"))
            before = proxy.requests
            assert await bench.turn.take(["q"], 2) == 2
            assert proxy.requests == before + 1
            assert len(bench.hand) == 4
            assert redis.llen(bench.rig.inflight()) == 4
            assert int(redis.get("resque:stat:processed")) == 3
            assert redis.llen("resque:failed") == 1

    run(scene)


def test_nothing_to_do_sends_nothing(settings: MakeSettings, proxy: FaultProxy) -> None:
    async def scene() -> None:
        async with turning(settings(url=proxy.url)) as bench:
            bench.rig.view.register(bench.rig.keys)
            assert await bench.turn.take([], 0) == 0
            assert proxy.commands == 0

    run(scene)


def test_more_queues_than_one_call_takes(settings: MakeSettings, redis: Any) -> None:
    """64 a call; the rest is asked only while nothing was found."""
    names = [f"q{n:03}" for n in range(150)]

    async def scene() -> None:
        push(redis, "q149", job("Note", 1))
        async with turning(settings()) as bench:
            assert await bench.turn.take(names, 1) == 1
            assert bench.hand.count("q149") == 1
            push(redis, "q000", job("Note", 2))
            push(redis, "q149", job("Note", 3))
            assert await bench.turn.take(names, 5) == 1
            assert redis.llen("resque:queue:q149") == 1

    run(scene)


def test_a_paused_queue_rests(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", job("Note", 1))
        redis.set("resque:paused:q", "1")
        async with turning(settings(poll=0.05)) as bench:
            assert await bench.turn.take(["q", "r"], 1) == 0
            assert bench.turn.is_resting("q")
            assert not bench.turn.is_resting("r")
            await asyncio.sleep(0.06)
            assert not bench.turn.is_resting("q")
            redis.delete("resque:paused:q")
            assert await bench.turn.take(["q"], 1) == 1

    run(scene)


def test_a_queue_of_a_wrong_type_is_told_and_rests(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        redis.set("resque:queue:sick", "x")
        push(redis, "q", job("Note", 1))
        async with turning(settings()) as bench:
            with events.listening("queue.trouble") as heard:
                assert await bench.turn.take(["sick", "q"], 2) == 1
            assert [(data["queue"], "WRONGTYPE" in data["error"]) for _, data in heard] == [("sick", True)]
            assert bench.turn.is_resting("sick")

    run(scene)


def test_finished_and_failed_jobs_are_told(settings: MakeSettings, redis: Any) -> None:
    error = ValueError("x")

    async def scene() -> None:
        push(redis, "q", job("Note", 1), job("Note", 2))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 2)
            bench.end(1, seconds=0.25)
            bench.end(1, Raised(error))
            with events.listening() as heard:
                await bench.turn.take([], 0)
            told = {name: data for name, data in heard if name.startswith("job.")}
            assert told["job.finished"]["seconds"] == 0.25
            assert told["job.finished"]["job"] == "Note"
            assert told["job.failed"]["error"] is error

    run(scene)


def test_a_job_that_somebody_else_has_taken_is_not_counted(settings: MakeSettings, redis: Any) -> None:
    """The lease was lost: the fence. It leaves the hand all the same."""

    async def scene() -> None:
        push(redis, "q", job("Note", 1), job("Note", 2))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 2)
            redis.lrem(bench.rig.inflight(), 1, job("Note", 1))
            bench.end(2)
            with events.listening("job.lease_lost") as heard:
                await bench.turn.take([], 0)
            assert [data["count"] for _, data in heard] == [1]
            assert int(redis.get("resque:stat:processed")) == 1
            assert len(bench.hand) == 0

    run(scene)


def test_a_failed_list_of_a_wrong_type_keeps_the_job(settings: MakeSettings, redis: Any) -> None:
    """It cannot be moved: it stays in flight and in hand, the others are settled, and it is an error."""

    async def scene() -> None:
        redis.set("resque:failed", "x")
        push(redis, "q", job("Note", 1), job("Note", 2))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 2)
            bench.end(1, Raised(ValueError()))
            bench.end(1)
            with pytest.raises(Refused):
                await bench.turn.take([], 0)
            assert [entry.raw for entry in bench.hand.all()] == [job("Note", 1)]
            assert redis.lrange(bench.rig.inflight(), 0, -1) == [job("Note", 1)]
            assert [entry.raw for entry in bench.hand.unsettled] == [job("Note", 1)]
            redis.delete("resque:failed")
            await bench.turn.take([], 0)
            assert redis.llen("resque:failed") == 1
            assert len(bench.hand) == 0

    run(scene)


# how many -----------------------------------------------------------------------------------------------------------


def test_short_jobs_are_fetched_ahead_slow_ones_are_not(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(100)))
        async with turning(settings()) as bench:
            assert bench.turn.want() == 1
            await bench.turn.take(["q"], 1)
            bench.end(1, seconds=0.0001)
            await bench.turn.take([], 0)
            assert bench.turn.want() > 50
            await bench.turn.take(["q"], 1)
            bench.end(1, seconds=5.0)
            await bench.turn.take([], 0)
            assert bench.turn.want() == 1

    run(scene)


def test_nothing_is_wanted_beside_a_suspect(settings: MakeSettings, redis: Any) -> None:
    async def scene() -> None:
        push(redis, "q", job("Note", 1), job("Note", 2, crashes=2), job("Note", 3))
        async with turning(settings(concurrency=4)) as bench:
            await bench.turn.take(["q"], 2)
            assert bench.turn.want() == 0
            assert [entry.raw for entry in bench.hand.alone] == [job("Note", 2, crashes=2)]
            assert [entry.raw for entry in bench.hand.unstarted] == [job("Note", 1)]

    run(scene)


def test_what_runs_is_released_at_the_end(settings: MakeSettings, redis: Any) -> None:
    """Its runner goes on, for nobody; in order, without a crash."""

    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(4)))
        async with turning(settings()) as bench:
            await bench.turn.take(["q"], 3)
            bench.end()
            for _ in range(2):
                bench.hand.unstarted.popleft()
            await bench.turn.release_running(Interrupted("the worker stops"))
            await until(lambda: not redis.exists(bench.rig.inflight()))
            assert in_order(redis, "resque:queue:q") == [job("Note", n) for n in range(1, 4)]
            assert int(redis.get("resque:stat:processed")) == 1

    run(scene)


def test_in_the_ruby_direction_the_same(settings: MakeSettings, redis: Any) -> None:
    keys = Keys("resque", "ruby")

    async def scene() -> None:
        push(redis, "q", *(job("Note", n) for n in range(4)), keys=keys)
        async with turning(settings(wire="ruby")) as bench:
            await bench.turn.take(["q"], 3)
            assert [entry.raw for entry in bench.hand.unstarted] == [job("Note", n) for n in range(3)]
            bench.end()
            bench.end(2, Interrupted("late"))
            await bench.turn.take([], 0)
            assert redis.lrange("resque:queue:q", 0, -1) == [job("Note", n) for n in range(1, 4)]

    run(scene)
