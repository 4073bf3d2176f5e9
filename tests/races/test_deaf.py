"""A worker that lives, is connected, and hears nothing: others have been seen like that for hours."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from resque.config import Settings
from resque.store.keys import Keys
from resque.worker.intake import Intake
from tests.fault_proxy import FaultProxy
from tests.scheduler.lost import job
from tests.worker.rig import MEMBER, Shop, push, until, working

MakeSettings = Callable[..., Settings]


def test_others_a_worker_is_deaf_after_a_reconnect(
    settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop
) -> None:
    """Its connections are lost in every way, several times within seconds, while it waits for work.

    Failed there: Celery (celery/celery #8030, #8091): after a reconnect the process lives and takes nothing any more.
    Safe: there is one way back after any error: drop every connection, connect, re-read, serve.
    """

    def kill() -> None:
        redis.client_kill_filter(_type="normal", skipme=True)

    def kill_again_and_again() -> None:
        for _ in range(5):
            kill()
            time.sleep(0.02)

    def refuse_for_a_moment() -> None:
        proxy.stop()
        proxy.start()

    ways = [kill, proxy.reset_all, refuse_for_a_moment, kill_again_and_again]

    async def scene() -> None:
        async with working(settings(url=proxy.url, queues="a,b,q"), shop) as rig:
            for number in range(3 * len(ways)):
                await until(lambda: len(rig.intake.outstanding) == 3)
                await asyncio.to_thread(ways[number % len(ways)])
                push(redis, "abq"[number % 3], job(number, name="Note"))
                await until(lambda number=number: number in shop.ran, 10)
            await until(lambda: redis.get("resque:stat:processed") == b"12")

    asyncio.run(scene())
    assert shop.ran == list(range(12))


def test_others_a_wait_is_cancelled_while_it_greets(settings: MakeSettings, redis: Any, url: str) -> None:
    """The worker drops its connections at the moment at which one of them logs in.

    Failed there: we. asyncio.wait_for of Python 3.11, which redis-py uses in its greeting, swallows a cancellation that
    comes as it ends; the wait went on for ever, and the worker waited for its end as long: alive, connected, deaf.
    Safe: nobody is cancelled only once. Here it is cancelled at each step of the loop in turn.
    """
    redis.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all")
    theirs = settings(url=url.replace("redis://", "redis://guest:pw@"), lease=20.0)

    async def cancel_after(steps: int) -> bool:
        intake = Intake(theirs, Keys(), MEMBER, lambda: None)
        await intake.arm(["q"])
        for _ in range(steps):
            await asyncio.sleep(0)
        reset = asyncio.ensure_future(intake.reset())
        await asyncio.wait([reset], timeout=3)
        return reset.done()

    async def scene() -> list[int]:
        return [steps for steps in range(60) if not await cancel_after(steps)]

    try:
        assert asyncio.run(scene()) == []
    finally:
        redis.execute_command("ACL", "DELUSER", "guest")
