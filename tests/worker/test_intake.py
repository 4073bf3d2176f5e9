"""Waiting for work: a catch is in the in-flight list before it is known, waits end when asked, trouble is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from resque.config import Settings
from resque.errors import Unreachable
from resque.store.keys import Keys
from resque.worker import intake as room
from resque.worker.intake import MOST_WAITS, Catch, Intake
from tests.fault_proxy import FaultProxy, delay, drop_reply
from tests.worker.rig import MEMBER, Shop, job, push, settings_for, until, working

MakeSettings = Callable[..., Settings]
KEYS = Keys()


class News:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def waiting(settings: Settings, *queues: str) -> AsyncIterator[Intake]:
    """An intake that waits on these queues, really: the server says so."""
    intake = Intake(settings, KEYS, MEMBER, News())
    try:
        await intake.arm(queues)
        yield intake
    finally:
        await intake.reset()


def blocked(redis: Any) -> int:
    """How many clients wait in the server."""
    count: int = redis.info("clients")["blocked_clients"]
    return count


@pytest.fixture
def weak_url(redis: Any, url: str) -> Iterator[str]:
    """A user with every right but CLIENT UNBLOCK."""
    redis.execute_command("ACL", "SETUSER", "weak", "on", ">pw", "~*", "&*", "+@all", "-client|unblock")
    yield url.replace("redis://", "redis://weak:pw@")
    redis.execute_command("ACL", "DELUSER", "weak")


def test_a_catch_is_in_the_list_before_it_is_known(settings: MakeSettings, redis: Any, proxy: FaultProxy) -> None:
    """Its reply is held up: the job lies in flight, under a lease, and nobody has heard of it."""

    async def wait() -> None:
        async with waiting(settings(url=proxy.url), "q") as intake:
            await until(lambda: blocked(redis) == 1)
            proxy.mode = delay(0.3)
            push(redis, "q", job("Note", 1))
            assert redis.lrange(f"resque:inflight:q:{MEMBER}", 0, -1) == [job("Note", 1)]
            assert redis.zscore("resque:leases:q", MEMBER) > redis.time()[0] * 1000
            assert intake.caught == []
            assert intake.outstanding == {"q"}
            await until(lambda: not intake.outstanding)
            assert intake.caught == [Catch("q", job("Note", 1), paused=False, cancelled=False)]

    asyncio.run(wait())


def test_one_push_wakes_one_worker(settings: MakeSettings, redis: Any) -> None:
    async def wait() -> None:
        async with waiting(settings(), "q") as one, waiting(settings(), "q") as other:
            await until(lambda: blocked(redis) == 2)
            push(redis, "q", job("Note", 1))
            await until(lambda: one.caught or other.caught)
            await asyncio.sleep(0.02)
            assert len(one.caught) + len(other.caught) == 1

    asyncio.run(wait())


def test_news_are_told(settings: MakeSettings, redis: Any) -> None:
    async def wait() -> None:
        async with waiting(settings(), "q") as intake:
            push(redis, "q", job("Note", 1))
            await until(lambda: intake._news.count)  # type: ignore[attr-defined]
            assert intake._news.count == 1  # type: ignore[attr-defined]
            assert len(intake.caught) == 1

    asyncio.run(wait())


def test_at_most_sixteen_wait(settings: MakeSettings, redis: Any) -> None:
    """Also where the order is another at each look."""
    names = [f"q{n:02}" for n in range(30)]

    async def wait() -> None:
        async with waiting(settings(), *names) as intake:
            assert intake.outstanding == set(names[:MOST_WAITS])
            await intake.arm(names[::-1])
            assert len(intake.outstanding) == MOST_WAITS
            await until(lambda: blocked(redis) == MOST_WAITS)

    asyncio.run(wait())


def test_disarming_ends_the_waits_and_drained_reads_their_replies(settings: MakeSettings, redis: Any) -> None:
    async def wait() -> None:
        async with waiting(settings(), "a", "b", "c") as intake:
            await until(lambda: blocked(redis) == 3)
            await intake.drained()
            assert intake.outstanding == set()
            assert blocked(redis) == 0
            assert intake.error is None
            push(redis, "a", job("Note", 1))
            await asyncio.sleep(0.02)
            assert redis.llen("resque:queue:a") == 1, "nobody waits for it any more"
            await intake.arm(["a"])
            await until(lambda: intake.caught)

    asyncio.run(wait())


def test_what_is_caught_while_the_waits_end_is_kept(settings: MakeSettings, redis: Any) -> None:
    """Pushes and the end race: each job waits, or is in flight and known."""

    async def wait(number: int) -> None:
        async with waiting(settings(), "a", "b", "c") as intake:
            await asyncio.sleep(0.0004 * number)
            for name in ("a", "b", "c"):
                push(redis, name, job("Note", number))
            await intake.drained()
            caught = {catch.queue for catch in intake.caught}
            for name in ("a", "b", "c"):
                assert redis.llen(f"resque:inflight:{name}:{MEMBER}") == (name in caught)
                assert redis.llen(f"resque:queue:{name}") == (name not in caught)
        redis.delete(*(key for name in "abc" for key in (f"resque:queue:{name}", f"resque:inflight:{name}:{MEMBER}")))

    for number in range(25):
        asyncio.run(wait(number))


def test_a_wait_that_brings_nothing_begins_anew(
    settings: MakeSettings, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a new lease; its owner hears nothing of it."""
    monkeypatch.setattr(room, "LONGEST_WAIT", 0.1)

    async def wait() -> None:
        async with waiting(settings(), "q") as intake:
            await until(lambda: redis.zscore("resque:leases:q", MEMBER))
            first = redis.zscore("resque:leases:q", MEMBER)
            await until(lambda: redis.zscore("resque:leases:q", MEMBER) > first + 150, 5)
            assert intake.outstanding == {"q"}
            assert intake.caught == []

    asyncio.run(wait())


@pytest.mark.parametrize("pause", ["resque:paused:q", "resque:pause-all-workers"])
def test_a_catch_of_a_paused_queue_says_so(settings: MakeSettings, redis: Any, pause: str) -> None:
    async def wait() -> None:
        async with waiting(settings(), "q") as intake:
            await until(lambda: blocked(redis) == 1)
            redis.set(pause, "true")
            push(redis, "q", job("Note", 1))
            await until(lambda: intake.caught)
            assert intake.caught[0].paused

    asyncio.run(wait())


def test_a_broken_wait_is_told(settings: MakeSettings, redis: Any, proxy: FaultProxy) -> None:
    """The job of the lost reply lies in flight; whoever is told reads the list again."""

    async def wait() -> None:
        fault = proxy.on(b"BLMOVE", drop_reply())
        async with waiting(settings(url=proxy.url), "q") as intake:
            push(redis, "q", job("Note", 1))
            await until(lambda: intake.error)
            assert isinstance(intake.error, Unreachable)
            assert fault.hits == 1
            assert intake.caught == []
            assert redis.llen(f"resque:inflight:q:{MEMBER}") == 1
            await intake.reset()
            assert intake.error is None
            assert intake.outstanding == set()

    asyncio.run(wait())


@pytest.mark.parametrize("wrong", ["queue", "leases"])
def test_a_wrong_type_is_left_alone_for_a_while(settings: MakeSettings, redis: Any, wrong: str) -> None:
    """It is no reason to drop the other waits; the queue is polled meanwhile."""

    async def wait() -> None:
        redis.hset(f"resque:{wrong}:sick", "x", "y")
        async with waiting(settings(poll=0.02), "sick", "q") as intake:
            await until(lambda: intake.outstanding == {"q"} or not intake.outstanding or blocked(redis) == 2)
            if wrong == "leases":
                push(redis, "sick", job("Note", 1))
            await until(lambda: intake.outstanding == {"q"})
            assert intake.error is None
            await intake.arm(["sick", "q"])
            assert intake.outstanding == {"q"}

    asyncio.run(wait())


def test_a_full_server_is_polled(redis: Any, start_server: Callable[..., Any]) -> None:
    """It refuses BLMOVE; that is no trouble either."""
    server = start_server(config=["maxmemory 1mb", "maxmemory-policy noeviction"])

    async def wait() -> None:
        async with waiting(settings_for(server.url), "q") as intake:
            await until(lambda: not intake.outstanding)
            assert intake.error is None
            await intake.arm(["q"])
            assert intake.outstanding == set()

    asyncio.run(wait())


# in a worker --------------------------------------------------------------------------------------------------------


def test_without_the_right_to_unblock_every_catch_is_kept(
    weak_url: str, redis: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other waits stay pending; what they bring runs, or goes back; the worker ends when they have."""
    monkeypatch.setattr(room, "LONGEST_WAIT", 0.5)

    async def work() -> None:
        async with working(settings_for(weak_url, queues="a,b,c"), shop) as rig:
            await until(lambda: blocked(redis) == 3)
            push(redis, "a", job("Hold", 1))
            await until(lambda: shop.holding)
            push(redis, "b", job("Note", 2))
            push(redis, "c", job("Note", 3))
            await asyncio.sleep(0.15)
            assert shop.ran == []
            shop.release()
            await until(lambda: sorted(shop.ran) == [1, 2, 3])
            await until(lambda: int(redis.get("resque:stat:processed")) == 3)
            assert rig.intake._may_unblock is False
        assert rig.clean

    asyncio.run(work())
    assert redis.keys("resque:inflight:*") == []


@pytest.mark.parametrize("pause", ["resque:paused:q", "resque:pause-all-workers"])
def test_a_paused_queue_gives_its_catch_back_and_is_not_armed_until_resumed(
    settings: MakeSettings, redis: Any, shop: Shop, pause: str
) -> None:
    async def work() -> None:
        async with working(settings(queues="q,r"), shop) as rig:
            await until(lambda: blocked(redis) == 2)
            redis.set(pause, "true")
            push(redis, "q", job("Note", 1), job("Note", 2))
            await until(lambda: redis.llen("resque:queue:q") == 2 and not redis.exists(rig.inflight()))
            for _ in range(30):
                await asyncio.sleep(0.01)
                assert "q" not in rig.intake.outstanding
            assert shop.ran == []
            assert redis.lrange("resque:queue:q", 0, -1)[::-1] == [job("Note", 1), job("Note", 2)]
            redis.delete(pause)
            await until(lambda: shop.ran == [1, 2], 3)
            await until(lambda: "q" in rig.intake.outstanding, 3)

    asyncio.run(work())


def test_a_switch_that_is_off_pauses_nothing(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """Resque's own may exist and read "false"."""
    redis.set("resque:pause-all-workers", "false")

    async def work() -> None:
        async with working(settings(), shop):
            await until(lambda: blocked(redis) == 1)
            push(redis, "q", job("Note", 1))
            await until(lambda: shop.ran == [1], 3)

    asyncio.run(work())


def test_the_other_waits_end_before_a_job_runs(settings: MakeSettings, redis: Any, shop: Shop) -> None:
    """So that they catch nothing that would wait behind it: another worker may have it."""

    async def work() -> None:
        async with working(settings(queues="a,b,c"), shop) as rig:
            await until(lambda: blocked(redis) == 3)
            push(redis, "b", job("Hold", 1))
            await until(lambda: shop.holding)
            await until(lambda: blocked(redis) == 0, 2)
            push(redis, "a", job("Note", 2))
            await asyncio.sleep(0.1)
            assert redis.llen("resque:queue:a") == 1
            shop.release()
            await until(lambda: shop.ran == [1, 2])
            assert rig.intake.error is None

    asyncio.run(work())
