"""The one thing that a worker's loop sleeps on: no news is missed, no sleep is longer than asked."""

import asyncio
import threading
import time

from resque.worker.wake import Wake


def test_a_sleep_ends_by_itself() -> None:
    async def sleep() -> float:
        began = time.monotonic()
        await Wake(asyncio.get_running_loop()).sleep(0.02)
        return time.monotonic() - began

    assert 0.015 < asyncio.run(sleep()) < 0.5


def test_news_end_a_sleep() -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        wake, began = Wake(loop), time.monotonic()
        loop.call_later(0.01, wake.set)
        await wake.sleep(30)
        return time.monotonic() - began

    assert asyncio.run(sleep()) < 5


def test_news_before_the_sleep_are_not_missed_and_count_once() -> None:
    """However often it was set: one sleep is skipped, the next one lasts."""

    async def sleep() -> tuple[float, float]:
        wake = Wake(asyncio.get_running_loop())
        for _ in range(3):
            wake.set()
        began = time.monotonic()
        await wake.sleep(30)
        skipped = time.monotonic() - began
        await wake.sleep(0.02)
        return skipped, time.monotonic() - began

    skipped, both = asyncio.run(sleep())
    assert skipped < 5
    assert both >= 0.015


def test_news_from_threads_are_never_missed() -> None:
    """Each teller waits until its news were seen: one that is missed makes the sleeper sleep on."""

    async def sleep() -> int:
        loop = asyncio.get_running_loop()
        wake, news, seen = Wake(loop), [0], threading.Semaphore(0)

        def tell() -> None:
            for _ in range(500):
                news[0] += 1
                wake.set_from_thread()
                seen.acquire(timeout=10)

        thread = threading.Thread(target=tell)
        thread.start()
        known = 0
        while known < 500:
            await asyncio.wait_for(wake.sleep(30), 10)
            while known < news[0]:
                known += 1
                seen.release()
        thread.join()
        return known

    assert asyncio.run(sleep()) == 500


def test_a_closed_loop_is_no_trouble_to_a_runner() -> None:
    """A runner that ends after the loop has nobody to wake."""
    loop = asyncio.new_event_loop()
    wake = Wake(loop)
    loop.close()
    wake.set_from_thread()


def test_a_cancelled_sleep_leaves_nothing_behind() -> None:
    async def cancel() -> float:
        wake = Wake(asyncio.get_running_loop())
        task = asyncio.ensure_future(wake.sleep(30))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        wake.set()
        began = time.monotonic()
        await wake.sleep(30)
        return time.monotonic() - began

    assert asyncio.run(cancel()) < 5
