"""Races with the server: it is replaced by one that has not heard of everything, or it refuses something."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.config import Settings
from resque.dev.server import Server
from resque.store.keys import Keys
from resque.worker import intake, turn
from tests.conftest import client
from tests.fault_proxy import FaultProxy
from tests.processes.harness import wait_for
from tests.worker.rig import Rig, Shop, job, push, until, working

MakeSettings = Callable[..., Settings]
JOBS = 20

NEEDED = [
    *("blmove", "evalsha", "exists", "expire", "get", "hincrby", "hset", "llen", "lpos", "lpush", "lrange", "lrem"),
    *("ltrim", "pexpire", "rpush", "sadd", "set", "time", "zadd"),
]
"""What a worker's commands and scripts use."""


class Pair:
    """A server and its replica, behind one address."""

    def __init__(self, one: Server, other: Server) -> None:
        self.one, self.other = client(one), client(other)
        self._other_port = other.port
        self.proxy = FaultProxy("127.0.0.1", one.port)
        self.one.config_set("repl-diskless-sync-delay", 0)
        self.other.replicaof("127.0.0.1", one.port)
        wait_for(lambda: self.other.info("replication")["master_link_status"] == "up", 60, "the replica follows")

    def is_in_step(self) -> bool:
        """The replica has everything that was written until now."""
        return bool(self.one.wait(1, 200))

    def part(self) -> None:
        """From now on the replica hears nothing, and is a primary of its own; the old one still answers."""
        self.other.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """The address leads to the new primary, every connection is broken."""
        self.proxy.upstream = ("127.0.0.1", self._other_port)
        self.proxy.reset_all()

    def close(self) -> None:
        self.proxy.stop()
        self.one.close()
        self.other.close()


@pytest.fixture
def pair(start_server: Callable[..., Server]) -> Iterator[Pair]:
    pair = Pair(start_server(), start_server())
    pair.proxy.start()
    yield pair
    pair.close()


def has_settled(redis: Any, rig: Rig, count: int) -> bool:
    """Everything that was pushed is counted here, and nothing is left."""
    counted = int(redis.get("resque:stat:processed") or 0)
    return counted == count and not redis.exists(rig.inflight(), "resque:queue:q") and not len(rig.hand)


def test_r13_a_failover_loses_the_reserve(pair: Pair, settings: MakeSettings, shop: Shop) -> None:
    """The old primary has given jobs to a worker, the new one never heard of that: there they still wait.

    Failed there: workers that go by what they remember: they settle jobs which then are in the queue for ever, or count
    them twice.
    Safe: after the reconnect the worker reads its in-flight list, which is empty: it starts nothing of what it held,
    and the result of what runs meets the fence. The jobs run from the queue; each counts once.
    """

    async def scene() -> None:
        push(pair.one, "q", job("Hold", 0), *(job("Note", n) for n in range(1, JOBS)))
        await until(pair.is_in_step, 30)
        pair.part()
        async with working(settings(url=pair.proxy.url, concurrency=2), shop) as rig:
            await until(lambda: shop.holding and len(shop.ran) >= 5)
            pair.fail_over()
            await until(lambda: shop.holding == 2, 30)
            shop.release()
            await until(lambda: has_settled(pair.other, rig, JOBS), 30)

    asyncio.run(scene())
    assert set(shop.ran) == set(range(JOBS))
    assert shop.ran.count(0) == 2, "the fault was to run it twice; that it happened shows that it struck"


def test_r14_a_failover_loses_the_settle(pair: Pair, settings: MakeSettings, shop: Shop) -> None:
    """The old primary has counted a job as done; the new one has it in flight.

    Failed there: nobody touches such a job again: its worker is through with it and lives, so it is no orphan.
    Safe: the re-read after the reconnect, or the look of an idle worker (a connection that breaks between two trips is
    replaced without a word), finds a job that this worker does not hold, and runs it. Counted once there.
    """

    async def scene() -> None:
        async with working(settings(url=pair.proxy.url), shop) as rig:
            push(pair.one, "q", job("Hold", 0))
            await until(lambda: shop.holding)
            await until(pair.is_in_step, 30)
            pair.part()
            shop.release()
            await until(lambda: pair.one.get("resque:stat:processed") == b"1")
            assert pair.other.llen(rig.inflight()) == 1
            pair.fail_over()
            await until(lambda: has_settled(pair.other, rig, 1), 30)

    asyncio.run(scene())
    assert shop.ran == [0, 0]
    assert pair.other.get("resque:stat:processed") == b"1"


def test_r22_the_user_lacks_one_command(
    settings: MakeSettings, url: str, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights are wrong by one command, and are put right later: each command that we use, each with a worker.

    Failed there: scripts that do half: a right for the push and none for the removal copies a job at every turn.
    Safe: a script finds out before its first write, or each of its steps may be missed. The worker waits and tries
    again; when the right is there everything has run, and each job has counted once.
    """
    monkeypatch.setattr(turn, "_REST", 0.2)
    monkeypatch.setattr(intake, "LONGEST_WAIT", 0.3)
    wrong: dict[str, str] = {}

    async def scene() -> None:
        reports = await asyncio.gather(*(without(command, settings, url, redis) for command in NEEDED))
        wrong.update({command: report for command, report in zip(NEEDED, reports, strict=True) if report})

    asyncio.run(scene())
    assert wrong == {}


async def without(command: str, settings: MakeSettings, url: str, redis: Any) -> str:
    """One worker in a namespace of its own whose user may not use `command` for a while. Returns what went wrong."""
    prefix, shop = f"no-{command}", Shop()
    keys, forbidden = Keys(prefix), f"-{command}"
    redis.execute_command("ACL", "SETUSER", prefix, "reset", "on", ">pw", "~*", "&*", "+@all", forbidden)
    theirs = settings(url=url.replace("redis://", f"redis://{prefix}:pw@"), prefix=prefix, lease=20.0)
    jobs = [*(job("Note", n) for n in range(10)), job("Boom", 10), job("Sleep", 11, 0.12)]
    push(redis, "q", *jobs, *(job("Note", n) for n in range(12, JOBS)), keys=keys)
    life = asyncio.ensure_future(_work(theirs, shop, redis, keys))
    await asyncio.sleep(0.7)
    redis.execute_command("ACL", "SETUSER", prefix, f"+{command}")
    await life
    redis.execute_command("ACL", "DELUSER", prefix)
    again = {number for number in shop.ran if shop.ran.count(number) > 1}
    counted = int(redis.get(keys.stat("processed")) or 0)
    places = [redis.llen(keys.failed()), redis.llen(keys.oversize("q"))]
    if again or set(shop.ran) != set(range(JOBS)) or counted not in (0, JOBS) or places != [1, 0]:
        return f"ran again {again}, counted {counted}, failed and oversize {places}, never ran {_missing(shop)}"
    return ""


async def _work(settings: Settings, shop: Shop, redis: Any, keys: Keys) -> None:
    async with working(settings, shop) as rig:
        try:
            await until(lambda: not redis.exists(keys.queue("q"), rig.inflight()), 15)
        except AssertionError:
            return  # what is left is told by who counts


def _missing(shop: Shop) -> set[int]:
    return set(range(JOBS)) - set(shop.ran)
