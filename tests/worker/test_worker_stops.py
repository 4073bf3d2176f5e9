"""How a worker stops: what runs may end, for a while; the rest goes back; nothing is lost with waits armed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.config import Settings, Wire
from tests.fault_proxy import FaultProxy
from tests.worker.rig import MEMBER, Rig, Shop, in_order, job, push, settled, until, working

MakeSettings = Callable[..., Settings]


@pytest.mark.parametrize("wire", ["native", "ruby"])
def test_drain_with_waits_armed_loses_nothing(settings: MakeSettings, redis: Any, shop: Shop, wire: Wire) -> None:
    """Pushes and the end race; whatever was pushed has run or waits, nothing is in flight, no lease is left alive."""

    async def work(number: int) -> list[str]:
        names = [f"q{n}" for n in range(6)]
        async with working(settings(queues=",".join(names), wire=wire), shop, stop=False) as rig:
            await until(lambda: len(rig.intake.outstanding) == 6)
            for name in names[:3]:
                push(redis, name, job("Note", f"{number}-{name}"), keys=rig.keys)
            await asyncio.sleep(0.0005 * number)
            rig.worker.stop("drain")
            for name in names[3:]:
                push(redis, name, job("Note", f"{number}-{name}"), keys=rig.keys)
        assert rig.clean
        assert redis.keys("resque:inflight:*") == []
        return names

    for number in range(12):
        names = asyncio.run(work(number))
        left = [raw for name in names for raw in redis.lrange(f"resque:queue:{name}", 0, -1)]
        ran = [job("Note", each) for each in shop.ran if each.startswith(f"{number}-")]
        assert sorted(left + ran) == sorted(job("Note", f"{number}-{name}") for name in names)
        redis.delete(*(f"resque:queue:{name}" for name in names))


def test_drain_lets_running_jobs_end_and_releases_the_rest(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    async def work() -> Rig:
        async with working(settings(), shop, stop=False) as rig:
            push(redis, "q", *(job("Note", n) for n in range(2000)))
            await until(lambda: settled(redis, rig, 2000))
            push(redis, "q", job("Hold", 1), *(job("Note", n) for n in range(2000, 2010)))
            await until(lambda: shop.holding)
            rig.worker.stop("drain")
            await until(lambda: redis.llen("resque:queue:q") == 10)
            await asyncio.sleep(0.1)
            assert redis.llen(rig.inflight()) == 1
            shop.release()
        return rig

    rig = asyncio.run(work())
    assert rig.clean
    assert shop.ran[-1] == 1
    assert in_order(redis, "resque:queue:q") == [job("Note", n) for n in range(2000, 2010)]
    assert int(redis.get("resque:stat:processed")) == 2001


@pytest.mark.parametrize("how", ["drain is over", "asked twice"])
def test_what_runs_too_long_is_released_without_a_crash(
    settings: MakeSettings, redis: Any, shop: Shop, how: str
) -> None:
    async def work() -> tuple[Rig, float]:
        loop = asyncio.get_running_loop()
        drain = 0.2 if how == "drain is over" else 60.0
        async with working(settings(drain=drain), shop, stop=False) as rig:
            push(redis, "q", job("Hold", 1), job("Note", 2))
            await until(lambda: shop.holding)
            began = loop.time()
            rig.worker.stop("drain")
            if how == "asked twice":
                await asyncio.sleep(0.05)
                rig.worker.stop("drain")
        return rig, loop.time() - began

    rig, seconds = asyncio.run(work())
    assert rig.clean is False
    assert seconds < 3
    assert in_order(redis, "resque:queue:q") == [job("Hold", 1), job("Note", 2)]
    assert redis.keys("resque:inflight:*") == []
    assert int(redis.get("resque:stat:processed") or 0) == 0


def test_finish_waits_however_long(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    async def work() -> Rig:
        async with working(settings(drain=0.05), shop, stop=False) as rig:
            push(redis, "q", job("Hold", 1), job("Note", 2))
            await until(lambda: shop.holding)
            rig.worker.stop("finish")
            await asyncio.sleep(0.4)
            assert shop.ran == []
            shop.release()
        return rig

    assert asyncio.run(work()).clean
    assert shop.ran == [1]
    assert in_order(redis, "resque:queue:q") == [job("Note", 2)]


def test_finish_waits_for_the_job_also_while_redis_is_away(
    settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop
) -> None:
    """QUIT lets it end, and what it has done is settled when Redis is back."""

    async def work() -> Rig:
        async with working(settings(url=proxy.url, concurrency=2), shop, stop=False) as rig:
            push(redis, "q", job("Hold", 1), job("Sleep", 2, 0.3))
            await until(lambda: shop.holding == 2)
            await asyncio.to_thread(proxy.stop)
            rig.worker.stop("finish")
            with events.listening("store.lost") as lost:
                await until(lambda: len(lost) > 4)  # it has something to settle: the other job
            assert shop.ran == [2]
            proxy.start()
            await until(lambda: int(redis.get("resque:stat:processed") or 0) == 1)
            shop.release()
        return rig

    rig = asyncio.run(work())
    assert rig.clean
    assert settled(redis, rig, 2)


def test_it_says_good_bye(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """Registered while it works; afterwards no trace but a lease that has ended."""

    async def work() -> None:
        async with working(settings(), shop) as rig:
            assert redis.smembers("resque:workers") == {rig.who.id.encode()}
            push(redis, "q", job("Note", 1))
            await until(lambda: settled(redis, rig, 1))

    asyncio.run(work())
    assert redis.smembers("resque:workers") == set()
    assert redis.keys("resque:worker:*") == []
    seconds, _ = redis.time()
    assert redis.zscore("resque:leases:q", MEMBER) <= (seconds + 1) * 1000
