"""The current job."""

import asyncio
import contextvars
import threading

import pytest

from resque.jobs.context import JobContext, current, current_job


class Entry:
    """A running job, as a worker's entry is: it puts the facts together when it is asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0

    def context(self) -> JobContext:
        self.asked += 1
        return JobContext(id="1", queue="mail", job=self.name, worker="w1")


def name() -> str | None:
    found = current_job()
    return found.job if found else None


def test_outside_of_a_job_there_is_none() -> None:
    assert current_job() is None


def test_inside_it_is_what_the_running_entry_says_and_afterwards_none() -> None:
    token = current.set(Entry("A"))
    assert current_job() == JobContext(id="1", queue="mail", job="A", worker="w1")
    current.reset(token)
    assert current_job() is None


def test_the_facts_are_put_together_only_when_somebody_asks() -> None:
    entry = Entry("A")
    token = current.set(entry)
    assert entry.asked == 0
    assert name() == "A"
    assert entry.asked == 1
    current.reset(token)


def test_the_context_says_what_a_foreign_payload_leaves_open() -> None:
    foreign = JobContext(id=None, queue="mail", job="A")
    assert (foreign.attempt, foreign.crashes, foreign.enqueued_at, foreign.worker) == (1, 0, None, "")


def test_the_context_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Entry("A").context().queue = "other"  # type: ignore[misc]


def test_threads_have_their_own_and_see_ours_only_in_a_copied_context() -> None:
    seen: list[str | None] = []
    token = current.set(Entry("A"))
    copied = contextvars.copy_context()
    for target in (lambda: seen.append(name()), lambda: seen.append(copied.run(name))):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    current.reset(token)
    assert seen == [None, "A"]


def test_jobs_on_one_event_loop_do_not_see_each_other() -> None:
    """Each sees itself, and so do the tasks that it starts."""

    async def child() -> str | None:
        return name()

    async def perform(own: str, ready: asyncio.Barrier) -> tuple[str | None, str | None]:
        current.set(Entry(own))
        await ready.wait()
        return name(), await asyncio.create_task(child())

    async def main() -> list[tuple[str | None, str | None]]:
        ready = asyncio.Barrier(2)
        return list(await asyncio.gather(perform("A", ready), perform("B", ready)))

    assert asyncio.run(main()) == [("A", "A"), ("B", "B")]
    assert current_job() is None


def test_should_stop_asks_each_time() -> None:
    """It is a question, not a fact: the answer may change while the job runs, and two contexts are equal without it."""
    answers = [False, True]
    job = JobContext(id="1", queue="mail", job="A", stop=lambda: answers.pop(0))
    assert [job.should_stop, job.should_stop] == [False, True]
    assert JobContext(id="1", queue="mail", job="A").should_stop is False
    assert job == JobContext(id="1", queue="mail", job="A")
    assert "stop" not in repr(job)
