"""What only the asyncio driver can meet: cancelled tasks, many tasks, many loops, replies that are read later."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from resque.config import Settings
from resque.errors import Unreachable
from resque.store.aio import AsyncLine, AsyncStore
from resque.store.operation import Operation
from tests.fault_proxy import FaultProxy, blackhole, delay, drop_reply

PING: Operation[Any] = Operation("PING")


def echo(said: object) -> Operation[Any]:
    return Operation("ECHO", (), (str(said),), bytes.decode)


def run(url: str, work: Callable[[AsyncStore], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """`work(store)` in a loop of its own; the store is closed at its end."""

    async def main() -> None:
        store = AsyncStore(Settings(redis_url=url, **settings))
        try:
            await work(store)
        finally:
            await store.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05], ids=["at once", "soon", "while it waits"])
def test_the_reply_of_a_cancelled_task_never_meets_the_next_reader(proxy: FaultProxy, after: float) -> None:
    """R26: the server still answers; that answer must go nowhere."""

    async def work(store: AsyncStore) -> None:
        await store.run(PING)
        proxy.on(b"cancelled", delay(0.1))
        task = asyncio.create_task(store.run(echo("cancelled")))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for n in range(10):
            assert await store.run(echo(n)) == str(n)
            await asyncio.sleep(0.02)

    run(proxy.url, work)


def test_a_cancelled_pipeline_closes_its_connection(redis: Any, proxy: FaultProxy) -> None:
    async def work(store: AsyncStore) -> None:
        number = await store.run(Operation("CLIENT ID"))
        proxy.on(b"PING", blackhole())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.run_all([PING] * 3)
        assert await store.run(Operation("CLIENT ID")) != number
        for _ in range(100):
            if not any(each["id"] == str(number) for each in redis.client_list()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the connection is still open")

    run(proxy.url, work)


def test_a_cancelled_connect_leaves_nothing_open(proxy: FaultProxy, recwarn: pytest.WarningsRecorder) -> None:
    """The greeting (HELLO) is on its way when the task is cancelled."""

    async def work(store: AsyncStore) -> None:
        proxy.on(b"HELLO", blackhole())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.run(PING)
        assert await store.run(PING) == b"PONG"

    run(proxy.url, work, protocol=3)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_an_error_of_the_caller_leaves_nothing_open(url: str, recwarn: pytest.WarningsRecorder) -> None:
    """`parse` may refuse what it reads (WireMismatch does)."""

    async def work(store: AsyncStore) -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="invalid literal"):
                await store.run(Operation("PING", (), (), int))

    run(url, work)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_hundred_tasks_at_once_get_their_own_answers(url: str) -> None:
    async def work(store: AsyncStore) -> None:
        for _ in range(5):
            assert await asyncio.gather(*(store.run(echo(n)) for n in range(100))) == [str(n) for n in range(100)]

    run(url, work)


def test_cancelled_and_living_tasks_beside_each_other(url: str) -> None:
    async def work(store: AsyncStore) -> None:
        for round in range(20):
            tasks = [asyncio.create_task(store.run(echo(f"{round}-{n}"))) for n in range(20)]
            await asyncio.sleep(0.0003 * (round % 7))
            for task in tasks[::2]:
                task.cancel()
            said = await asyncio.gather(*tasks, return_exceptions=True)
            for n, each in enumerate(said):
                assert each == f"{round}-{n}" or (n % 2 == 0 and isinstance(each, asyncio.CancelledError))

    run(url, work)


def test_several_loops_one_after_another_use_one_store(url: str) -> None:
    """A script that calls asyncio.run for every job, a test suite with a loop for every test."""
    store = AsyncStore(Settings(redis_url=url))

    async def work(n: int) -> None:
        assert await store.run(echo(n)) == str(n)
        await store.aclose()

    for n in range(5):
        asyncio.run(work(n))


def test_loops_that_were_closed_without_a_word_do_not_pile_up(url: str) -> None:
    """Who forgets aclose() loses one connection for a while, not one for each loop. Python warns, so: a process."""
    program = """
import asyncio, gc, sys
from resque.config import Settings
from resque.store.aio import AsyncStore
from resque.store.operation import Operation
store = AsyncStore(Settings(redis_url=sys.argv[1]))
for _ in range(10):
    assert asyncio.run(store.run(Operation("PING"))) == b"PONG"
    gc.collect()
clients = asyncio.run(store.run(Operation("CLIENT LIST")))
print(sum(b"cmd=ping" in line for line in clients.splitlines()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, url], capture_output=True, text=True, timeout=30, check=True
    )
    assert int(done.stdout) <= 2, done.stdout


def test_a_connection_that_was_closed_while_the_loop_looked_on_is_replaced(redis: Any, proxy: FaultProxy) -> None:
    """Here the loop has read the end already; in test_driver_faults it had no time to."""

    async def work(store: AsyncStore) -> None:
        for close in (redis.client_kill_filter, proxy.reset_all):
            assert await store.run(PING) == b"PONG"
            close(_type="normal", skipme=True) if close != proxy.reset_all else close()
            await asyncio.sleep(0.1)
            assert await store.run(Operation("INCR", ("n",), (), int)) > 0

    run(proxy.url, work)
    assert redis.get("n") == b"2"


# a line of one's own: what is sent now and read later -----------------------------------------------------------------


def test_replies_are_read_later_one_by_one(url: str) -> None:
    async def main() -> None:
        line = AsyncLine(Settings(redis_url=url))
        await line.send([echo("a"), Operation("GET", ("k",), ("too", "many")), echo("b")])
        assert await line.receive(echo("")) == "a"
        assert "wrong number of arguments" in str(await line.receive(PING))
        assert await line.receive(echo("")) == "b"
        assert await line.trip([echo("c")]) == ["c"]
        await line.close()

    asyncio.run(main())


def test_a_reply_that_does_not_come_is_unknown_and_closes_the_line(proxy: FaultProxy) -> None:
    async def main() -> None:
        line = AsyncLine(Settings(redis_url=proxy.url), socket_timeout=0.2)
        proxy.on(b"lost", drop_reply())
        await line.send([echo("lost")])
        with pytest.raises(Unreachable) as caught:
            await line.receive(echo(""))
        assert caught.value.sent
        proxy.on(b"late", delay(0.3))
        await line.send([echo("late")])
        with pytest.raises(Unreachable):
            await line.receive(echo(""))
        await asyncio.sleep(0.2)
        assert await line.trip([echo("mine")]) == ["mine"]
        await line.close()

    asyncio.run(main())


def test_a_cancelled_receive_closes_the_line(proxy: FaultProxy) -> None:
    """The wait for a job is cancelled like this; what arrives later is found in the in-flight list (R26)."""

    async def main() -> None:
        line = AsyncLine(Settings(redis_url=proxy.url))
        await line.trip([PING])
        proxy.on(b"late", delay(0.1))
        await line.send([echo("late")])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await line.receive(echo(""))
        for n in range(5):
            assert await line.trip([echo(n)]) == [str(n)]
            await asyncio.sleep(0.03)
        await line.close()

    asyncio.run(main())


def test_a_line_may_wait_longer_than_the_settings_say(url: str) -> None:
    """The wait for a job blocks for seconds; its connection has a longer timeout than the others."""

    async def main() -> None:
        line = AsyncLine(Settings(redis_url=url, socket_timeout=0.1), socket_timeout=2)
        assert await line.trip([Operation("BLPOP", ("none",), (0.3,))]) == [None]
        await line.close()

    asyncio.run(main())
