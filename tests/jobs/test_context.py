"""The current job."""

import asyncio
import contextlib
import contextvars
import threading

import pytest

from resque.jobs.context import JobContext, current_job, running


def context(name: str) -> JobContext:
    return JobContext(id="1", queue="mail", job=name, worker="w1")


def test_outside_of_a_job_there_is_none() -> None:
    assert current_job() is None


def test_inside_it_is_the_one_given_and_afterwards_none() -> None:
    mine = context("A")
    with running(mine) as entered:
        assert entered is mine
        assert current_job() is mine
    assert current_job() is None


def test_blocks_nest_and_an_exception_ends_them() -> None:
    outer, inner = context("A"), context("B")
    with running(outer):
        with contextlib.suppress(KeyError), running(inner):
            assert current_job() is inner
            raise KeyError
        assert current_job() is outer
    assert current_job() is None


def test_the_context_says_what_a_foreign_payload_leaves_open() -> None:
    foreign = JobContext(id=None, queue="mail", job="A")
    assert (foreign.attempt, foreign.crashes, foreign.enqueued_at, foreign.worker) == (1, 0, None, "")


def test_the_context_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        context("A").queue = "other"  # type: ignore[misc]


def test_threads_have_their_own_and_see_ours_only_in_a_copied_context() -> None:
    mine, seen = context("A"), []
    with running(mine):
        copied = contextvars.copy_context()
        for target in (lambda: seen.append(current_job()), lambda: seen.append(copied.run(current_job))):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [None, mine]


def test_jobs_on_one_event_loop_do_not_see_each_other() -> None:
    async def perform(name: str, ready: asyncio.Barrier) -> tuple[str | None, str | None]:
        with running(context(name)):
            await ready.wait()
            mine = current_job()
            child = await asyncio.create_task(of_child())
            return (mine.job if mine else None), child

    async def of_child() -> str | None:
        mine = current_job()
        return mine.job if mine else None

    async def main() -> list[tuple[str | None, str | None]]:
        ready = asyncio.Barrier(2)
        return await asyncio.gather(perform("A", ready), perform("B", ready))

    assert asyncio.run(main()) == [("A", "A"), ("B", "B")]
