"""The engine of a worker process on the test's own loop: what it runs, gives back, waits for, and how it stops."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.config import Settings, Wire
from resque.errors import WireMismatch
from resque.store.scripts import Script
from tests.fault_proxy import FaultProxy, cut_after, drop_reply, drop_request
from tests.worker.rig import MEMBER, Shop, in_order, job, push, settled, until, working

MakeSettings = Callable[..., Settings]


def sha(name: str) -> bytes:
    return Script(name).sha("modern").encode()


@pytest.mark.parametrize("wire", ["native", "ruby"])
def test_jobs_run_in_order_and_are_counted_once(settings: MakeSettings, redis: Any, shop: Shop, wire: Wire) -> None:
    async def work() -> None:
        async with working(settings(wire=wire), shop) as rig:
            push(redis, "q", *(job("Note", n) for n in range(300)), keys=rig.keys)
            await until(lambda: settled(redis, rig, 300))

    asyncio.run(work())
    assert shop.ran == list(range(300))
    assert not redis.exists("resque:queue:q")


def test_failures_and_strangers_are_recorded_and_the_rest_goes_on(
    settings: MakeSettings, redis: Any, shop: Shop
) -> None:
    async def work() -> None:
        async with working(settings(), shop) as rig:
            push(redis, "q", job("Boom", 1), b"no json", job("Nobody"), job("Note", 2))
            await until(lambda: settled(redis, rig, 4))

    asyncio.run(work())
    assert shop.ran == [1, 2]
    assert redis.llen("resque:failed") == 3
    assert int(redis.get("resque:stat:failed")) == 3


def test_two_queues_strictly_in_order(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """Everything that waits in the first one goes before anything of the second."""
    push(redis, "low", *(job("Note", n) for n in range(10, 13)))
    push(redis, "high", *(job("Note", n) for n in range(3)))

    async def work() -> None:
        async with working(settings(queues="high,low"), shop):
            await until(lambda: len(shop.ran) == 6)

    asyncio.run(work())
    assert shop.ran == [0, 1, 2, 10, 11, 12]


def test_what_waits_behind_a_slow_job_goes_back_after_50_ms(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """In order, to the front, with nothing counted; others may take it. And it is not fetched again and again."""

    async def work() -> None:
        async with working(settings(), shop) as rig:
            push(redis, "q", *(job("Note", n) for n in range(2000)))
            await until(lambda: settled(redis, rig, 2000))  # short jobs: it fetches ahead now
            with events.listening("job.released") as released:
                push(redis, "q", job("Hold", 1), *(job("Note", n) for n in range(2000, 2100)))
                await until(lambda: shop.holding)
                began = asyncio.get_running_loop().time()
                await until(lambda: redis.llen("resque:queue:q") == 100)
                assert asyncio.get_running_loop().time() - began < 1.0
                assert in_order(redis, rig.inflight()) == [job("Hold", 1)]
                assert in_order(redis, "resque:queue:q") == [job("Note", n) for n in range(2000, 2100)]
                await asyncio.sleep(0.4)
                assert len(released) <= 2, "reserved and given back over and over while the slow job runs"
            shop.release()
            await until(lambda: settled(redis, rig, 2101))

    asyncio.run(work())
    assert shop.ran == [*range(2000), 1, *range(2000, 2100)]


def test_two_long_jobs_cost_no_trips(settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop) -> None:
    """While both runners are busy there is nothing to ask: a sign of life now and then, no more."""

    async def work() -> int:
        async with working(settings(url=proxy.url, concurrency=2), shop):
            push(redis, "q", job("Hold", 1), job("Hold", 2))
            await until(lambda: shop.holding == 2)
            await asyncio.sleep(0.2)
            before = proxy.requests
            await asyncio.sleep(0.5)
            after = proxy.requests
            shop.release()
        return after - before

    assert asyncio.run(work()) < 20


def test_a_job_that_is_declared_alone_has_no_company(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    push(redis, "q", *(job("Alone" if n % 7 == 3 else "Sleep", n, *([] if n % 7 == 3 else [0.002])) for n in range(70)))

    async def work() -> None:
        async with working(settings(concurrency=4, lease=60.0, poll=30.0), shop) as rig:
            await until(lambda: settled(redis, rig, 70), 5)  # no look and no renewal helps: each is started by the last

    asyncio.run(work())
    assert sorted(shop.ran) == list(range(70))
    assert shop.beside == [0] * 10


def test_a_job_one_crash_short_of_the_limit_has_no_company(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """It waits aside until the hand is empty, and nothing is reserved until it has ended."""
    push(redis, "q", job("Sleep", 1, 0.05), job("Hold", 2, crashes=2), job("Note", 3))

    async def work() -> None:
        async with working(settings(concurrency=3), shop) as rig:
            await until(lambda: sorted(shop.ran) == [1, 3] and shop.holding == 1)
            assert redis.lrange(rig.inflight(), 0, -1) == [job("Hold", 2, crashes=2)]
            push(redis, "q", job("Note", 4))
            await asyncio.sleep(0.1)
            assert redis.llen("resque:queue:q") == 1
            shop.release()
            await until(lambda: sorted(shop.ran) == [1, 2, 3, 4])

    asyncio.run(work())


def test_a_polled_job_that_runs_alone_does_not_wait_for_the_waits(
    settings: MakeSettings, redis: Any, shop: Shop
) -> None:
    """More queues than waits: a job of a polled one ends them, instead of waiting for their time to run out."""
    names = [f"q{n:02}" for n in range(20)]

    async def work() -> None:
        async with working(settings(queues=",".join(names)), shop) as rig:
            await until(lambda: len(rig.intake.outstanding) == 16)
            push(redis, "q19", job("Alone", 1))
            await until(lambda: shop.ran == [1], 3)

    asyncio.run(work())


def test_a_polled_job_ends_the_waits_before_others_are_caught(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """What they caught would wait behind it; so it stays for another worker."""
    names = [f"q{n:02}" for n in range(20)]

    async def work() -> None:
        async with working(settings(queues=",".join(names)), shop) as rig:
            await until(lambda: len(rig.intake.outstanding) == 16)
            push(redis, "q19", job("Hold", 1))
            await until(lambda: shop.holding)
            await until(lambda: not rig.intake.outstanding, 2)
            with events.listening("job.released") as released:
                push(redis, "q00", job("Note", 2))
                await asyncio.sleep(0.15)
            assert released == []
            assert redis.llen("resque:queue:q00") == 1
            shop.release()
            await until(lambda: shop.ran == [1, 2])

    asyncio.run(work())


def test_pushes_while_it_waits_are_caught(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    async def work() -> None:
        async with working(settings(poll=60.0), shop) as rig:
            for number in range(20):
                await until(lambda: rig.intake.outstanding == {"q"})
                push(redis, "q", job("Note", number))
                await until(lambda number=number: number in shop.ran, 2)
            await until(lambda: settled(redis, rig, 20))

    asyncio.run(work())


# in trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["queue", "leases", "paused", "oversize"])
def test_a_key_of_a_wrong_type_stops_no_other_queue(settings: MakeSettings, redis: Any, shop: Shop, wrong: str) -> None:
    """The sick queue comes first in order."""
    redis.hset(f"resque:{wrong}:sick", "x", "y")

    async def work() -> None:
        async with working(settings(queues="sick,q"), shop) as rig:
            push(redis, "q", *(job("Note", n) for n in range(50)))
            await until(lambda: settled(redis, rig, 50))
            await asyncio.sleep(0.1)
            with events.listening("store.lost") as lost:
                push(redis, "q", *(job("Note", n) for n in range(50, 60)))
                await until(lambda: settled(redis, rig, 60))
                await asyncio.sleep(0.3)
            assert lost == [], "one sick key is no reason to connect again and again"

    asyncio.run(work())
    assert sorted(shop.ran) == list(range(60))


@pytest.mark.parametrize("script", ["reserve", "finish", "fail", "release"])
@pytest.mark.parametrize("fault", [drop_reply(), drop_request(), cut_after(9)], ids=lambda fault: fault.kind)
def test_a_trip_breaks_and_nothing_is_lost_or_counted_twice(
    settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop, script: str, fault: Any
) -> None:
    """Byte-equal twins among them. The same worker goes on after it has re-read its list."""
    payloads = [job("Note", n // 2) for n in range(600)] + [job("Boom", n) for n in range(5)]

    async def work() -> None:
        async with working(settings(url=proxy.url), shop) as rig:
            struck = proxy.on(sha(script), fault, after=1 if script in ("reserve", "finish") else 0)
            push(redis, "q", *payloads[:300], job("Sleep", -1, 0.2), *payloads[300:])
            await until(lambda: settled(redis, rig, 606), 20)
            assert struck.hits == 1

    asyncio.run(work())
    assert sorted(set(shop.ran)) == [-1, *range(300)]
    assert len(shop.ran) >= 606
    assert redis.llen("resque:failed") == 5


def test_a_list_that_is_longer_than_known_at_the_start_is_taken_up(
    settings: MakeSettings, redis: Any, shop: Shop
) -> None:
    """Jobs that lie in flight under our own name from before: they are in hand, and run, in order."""
    for number in range(5):
        redis.lpush(f"resque:inflight:q:{MEMBER}", job("Note", number))

    async def work() -> None:
        async with working(settings(), shop) as rig:
            await until(lambda: settled(redis, rig, 5), 5)

    asyncio.run(work())
    assert shop.ran == list(range(5))


def test_a_stray_job_is_found_at_an_idle_look(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """In our list, and nobody has told us (a lost reply that looked like none)."""

    async def work() -> None:
        async with working(settings(lease=0.4), shop) as rig:
            await until(lambda: rig.intake.outstanding)
            redis.lpush(rig.inflight(), job("Note", 1))
            await until(lambda: shop.ran == [1], 3)
            await until(lambda: settled(redis, rig, 1))

    asyncio.run(work())


def test_a_stray_job_is_found_while_the_worker_is_never_idle(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """Twice the list is longer than it should be: it is read again, and the stray runs."""

    async def work() -> None:
        async with working(settings(lease=60.0, concurrency=2), shop) as rig:
            with events.listening("worker.rereading") as rereads:
                push(redis, "q", *(job("Sleep", n, 0.005) for n in range(200)))
                await until(lambda: len(shop.ran) > 10)
                redis.rpush(rig.inflight(), job("Note", "stray"))
                await until(lambda: "stray" in shop.ran, 5)
                assert len(shop.ran) < 190, "found only when the queue was empty"
            assert any(data["found"] == 1 for _, data in rereads)
            await until(lambda: settled(redis, rig, 201))

    asyncio.run(work())


def test_a_job_that_a_reread_finds_is_renewed_by_the_supervisor(
    settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop
) -> None:
    """An idle worker's leases are not renewed for it: it must not be taken for idle while what was found runs."""

    async def work() -> None:
        async with working(settings(url=proxy.url), shop) as rig:
            await until(lambda: rig.page.is_idle)
            redis.lpush(rig.inflight(), job("Hold", 1))
            proxy.reset_all()
            await until(lambda: shop.holding)
            await asyncio.sleep(0.1)
            assert not rig.page.is_idle
            shop.release()

    asyncio.run(work())


def test_redis_goes_away_and_comes_back(settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop) -> None:
    async def work() -> None:
        async with working(settings(url=proxy.url, concurrency=2), shop) as rig:
            push(redis, "q", job("Hold", 1), *(job("Note", n) for n in range(2, 50)))
            await until(lambda: shop.holding)
            with events.listening("store.back") as back:
                await asyncio.to_thread(proxy.stop)
                await asyncio.sleep(0.3)
                shop.release()
                proxy.start()
                await until(lambda: settled(redis, rig, 49), 20)
                assert len(back) == 1

    asyncio.run(work())
    assert sorted(set(shop.ran)) == list(range(1, 50))


def test_another_wire_direction_ends_it_at_once(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    redis.set("resque:wire", "ruby")

    async def work() -> None:
        async with working(settings(wire="native"), shop):
            await asyncio.sleep(0)

    with pytest.raises(WireMismatch):
        asyncio.run(work())
