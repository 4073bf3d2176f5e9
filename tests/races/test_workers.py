"""Races of a worker: with its own crash, with a recoverer, with what operators do meanwhile."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.config import Settings
from resque.errors import Unreachable
from resque.store import queues, reserve, settle
from resque.store.scripts import Dialect, Script
from resque.store.settle import Holder
from resque.store.sync import SyncStore
from tests.fault_proxy import FaultProxy, call, drop_reply, drop_request
from tests.scheduler.conftest import GONE, MakeStore, Stage
from tests.scheduler.lost import failures, let_time_pass, report
from tests.scheduler.lost import job as own_job
from tests.worker.rig import MEMBER, Shop, job, push, settled, until, working

MakeSettings = Callable[..., Settings]
HOLDER = Holder("q", GONE, f"{GONE}:q")
OTHER = "vm~ffffffff:78"


def sha(script: str, leg: str) -> bytes:
    """How the server of this leg is told to run it."""
    return Script(script).sha(dialect(leg)).encode()


def dialect(leg: str) -> Dialect:
    return "legacy" if leg == "redis62" else "modern"


def counted(redis: Any) -> int:
    return int(redis.get("resque:stat:processed") or 0)


def test_r01_crash_between_pop_and_register(native: Stage, proxy: FaultProxy, through: MakeStore) -> None:
    """A worker dies after the server has given it a job and before it could note that.

    Failed there: whoever pops and then registers; in Resque for Ruby the job is gone with the process.
    Safe: BLMOVE leaves the receipt in the same step, under a lease that was written before. Recovery needs no more.
    """
    native.redis.sadd("resque:queues", "q")
    native.wait(own_job(1))
    lost = proxy.on(b"BLMOVE", drop_reply())
    with pytest.raises(Unreachable):
        through(proxy.url).run_all(reserve.wait(native.keys, "q", GONE, native.now_ms() - 1, 1.0))
    assert lost.hits == 1
    assert (native.waiting(), native.held()) == ([], [own_job(1)])
    let_time_pass(native.recovery(), 0.0, 8.0)
    assert native.waiting() == [own_job(1, crashes=1)]
    assert native.inflight() == 0


def test_r04_the_lease_expires_while_the_job_runs(
    settings: MakeSettings, native: Stage, redis: Any, shop: Shop
) -> None:
    """A host is cut off (or its supervisor stands still), its job goes on; another host takes the job over.

    Failed there: every library that settles by the job's id alone: both count, or the second result is lost.
    Safe: the fence. Whoever no longer has the job in its in-flight list writes nothing and counts nothing.
    """
    second = Shop()

    async def scene() -> None:
        async with working(settings(), shop) as rig:
            push(redis, "q", job("Hold", 1))
            await until(lambda: shop.holding)
            redis.zadd("resque:leases:q", {MEMBER: 1}, xx=True)
            await asyncio.to_thread(let_time_pass, native.recovery(), 0.0, 8.0)
            assert native.held(member=MEMBER) == []
            async with working(settings(), second, member=OTHER):
                second.release()
                await until(lambda: counted(redis) == 1)
                with events.listening("job.lease_lost") as heard:
                    shop.release()
                    await until(lambda: len(rig.hand) == 0)
                assert [data["count"] for _, data in heard] == [1]

    asyncio.run(scene())
    assert shop.ran == second.ran == [1]
    assert counted(redis) == 1
    assert native.inflight() == 0


@pytest.mark.parametrize("first", ["settle", "adopt"])
def test_r06_settle_against_adopt(native: Stage, proxy: FaultProxy, through: MakeStore, leg: str, first: str) -> None:
    """A worker whose lease has ended settles at the very moment at which it is recovered.

    Failed there: recoverers that read a list, push what they read, and then delete: done jobs come back.
    Safe: adopt and settle each move an entry inside one script: whoever is second finds nothing.
    """
    answers = []

    def finish() -> None:
        finish_one = settle.finish(native.keys, HOLDER, [("", "", "")], [0, own_job(1)], 0)
        answers.append(native.store.run(finish_one))

    native.hold(own_job(1), own_job(2))
    recovery = native.recovery(store=through(proxy.url))
    recovery.tick(0.0)
    between = proxy.on(b"resque:leases:q" if first == "settle" else sha("adopt", leg), call(finish))
    recovery.tick(8.0)
    assert between.hits == 1
    is_settled = first == "settle"
    assert [answer.ours for answer in answers] == [int(is_settled)]
    assert counted(native.redis) == int(is_settled)
    left = [own_job(2, crashes=1)] if is_settled else [own_job(1, crashes=1), own_job(2, crashes=1)]
    assert native.waiting() == left
    assert native.inflight() == 0


@pytest.mark.parametrize("lost", [drop_request(), drop_reply()], ids=lambda fault: fault.kind)
def test_r09_crash_inside_fail(native: Stage, proxy: FaultProxy, through: MakeStore, leg: str, lost: Any) -> None:
    """A worker dies while it files a failure: before, or after the server has done it.

    Failed there: filing and removing in two steps gives both a failure and a job, or neither.
    Safe: one script, the record first. Afterwards the job is in exactly one place.
    """
    native.hold(own_job(1))
    struck = proxy.on(sha("fail", leg), lost)
    native.redis.script_load(Script("fail").text(dialect(leg)))  # else its first call would carry no digest
    with pytest.raises(Unreachable):
        through(proxy.url).run(settle.fail(native.keys, HOLDER, [(own_job(1), b'{"id":"1"}', "", "")], 0))
    assert struck.hits == 1
    let_time_pass(native.recovery(), 0.0, 8.0)
    is_filed = lost.kind == "drop_reply"
    assert len(failures(native)) == counted(native.redis) == int(is_filed)
    assert native.waiting() == ([] if is_filed else [own_job(1, crashes=1)])
    assert native.inflight() == 0


def test_r11_a_host_and_pid_are_used_again(settings: MakeSettings, native: Stage, redis: Any, shop: Shop) -> None:
    """A container comes back under the name of the one that died, and its worker has the same pid.

    Failed there: Resque for Ruby, where `host:pid:queues` is all; in a container every worker is `web:1`.
    Safe: each process has a random nonce in its name. The dead one's jobs are neither taken for our own, so that they
    would run while its lease lives, nor are ours taken from us when it is recovered.
    """
    dead = f"vm~deadbeef:{MEMBER.rpartition(':')[2]}"
    native.hold(own_job(1, name="Note"), member=dead, ends_in=20)

    async def scene() -> None:
        async with working(settings(), shop) as rig:
            push(redis, "q", job("Hold", 2))
            await until(lambda: shop.holding)
            recovery = native.recovery()
            recovery.reports.append(report(member=dead))
            await asyncio.to_thread(recovery.tick, 0.0)
            assert native.held(member=MEMBER) == [job("Hold", 2)]
            assert native.held(member=dead) == []
            assert redis.sismember("resque:workers", rig.who.id)
            assert shop.ran == []
            shop.release()
            await until(lambda: settled(redis, rig, 2))

    asyncio.run(scene())
    assert sorted(shop.ran) == [1, 2]


@pytest.mark.parametrize("how", ["purge", "remove"])
def test_r17_purge_and_remove_while_a_wait_is_armed(settings: MakeSettings, redis: Any, shop: Shop, how: str) -> None:
    """An operator empties a queue, or Ruby's remove_queue deletes it with its name, while a worker waits on it.

    Failed there: a worker that goes by a list of queues it has read, and a queue that nobody knows any more.
    Safe: the wait is on the key, whatever happens to it; what comes next runs, and its queue's name is written again.
    """

    async def scene() -> None:
        async with working(settings(), shop) as rig:
            await until(lambda: rig.intake.outstanding == {"q"})
            if how == "purge":
                with SyncStoreOf(settings()) as store:
                    assert store.run(queues.purge(rig.keys, "q")) == 0
            else:
                redis.delete("resque:queue:q")
                redis.srem("resque:queues", "q")
            redis.lpush("resque:queue:q", job("Note", 1))  # as anybody pushes who does not know of names
            await until(lambda: settled(redis, rig, 1))
            await until(lambda: redis.sismember("resque:queues", "q"))

    asyncio.run(scene())
    assert shop.ran == [1]


class SyncStoreOf:
    """A store for a with-block."""

    def __init__(self, settings: Settings) -> None:
        self._store = SyncStore(settings)

    def __enter__(self) -> SyncStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def test_r26_a_reread_while_a_reply_is_unread(
    settings: MakeSettings, proxy: FaultProxy, redis: Any, shop: Shop
) -> None:
    """The server has given a job to a wait, its reply is under way; now the worker doubts its list.

    Failed there: an earlier plan of ours. It read the list, found a job that it had never heard of, and started it;
    then the reply came, and it started the job again.
    Safe: a queue's list is not read while the reply of a wait on it is unread.
    """
    go = threading.Event()
    held = proxy.on(b"BLMOVE\r\n$14\r\nresque:queue:q\r", call(lambda: go.wait(20)))

    async def scene() -> None:
        async with working(settings(url=proxy.url, lease=20.0), shop) as rig:
            await until(lambda: held.hits == 1 and redis.info("clients")["blocked_clients"])
            push(redis, "q", job("Note", 1))
            await until(lambda: redis.exists(rig.inflight()))
            rig.turn.doubts = True
            rig.wake.set()
            await asyncio.sleep(0.3)
            assert shop.ran == [], "it was started from the list, and will be again from the reply"
            go.set()
            await until(lambda: settled(redis, rig, 1))
            await until(lambda: not rig.turn.doubts)

    try:
        asyncio.run(scene())
    finally:
        go.set()
    assert shop.ran == [1]
