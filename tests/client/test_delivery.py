"""The account of one enqueue: stored, unknown, missing. Pure."""

from typing import Any

import pytest

from resque.client.delivery import JOBS_A_TRIP, Delivery
from resque.client.prepare import Prepared
from resque.errors import EnqueueError, EnqueueUnknown, NotEnqueued, Refused, StoreError, Unavailable, Unreachable
from resque.store.keys import Keys

KEYS = Keys()


def jobs(queues: str) -> list[Prepared]:
    """One job for each letter, in the queue of that name; ids q0, r1 …"""
    return [Prepared(f"{q}{n}", q, "Job", f"{q}{n}".encode()) for n, q in enumerate(queues)]


def ids(found: list[Prepared]) -> tuple[str, ...]:
    return tuple(job.id for job in found)


def account(error: EnqueueError) -> tuple[tuple[str, ...], ...]:
    return (error.stored, error.unknown, error.missing)


def deliver(delivery: Delivery, *answers: Any) -> None:
    """Drive it as a client does; an answer that is an exception breaks the trip."""
    trips = delivery.trips(KEYS)
    for answer in answers:
        next(trips)
        if isinstance(answer, StoreError):
            raise delivery.broke(answer)
        delivery.answered(answer)
    assert next(trips, None) is None
    delivery.raise_if_refused()


def test_one_job_is_one_trip_of_a_name_and_a_push() -> None:
    ((name, push),) = list(Delivery(jobs("q")).trips(KEYS))
    assert (name.command, name.keys, name.args) == ("SADD", ("resque:queues",), ("q",))
    assert (push.command, push.keys, push.args) == ("LPUSH", ("resque:queue:q",), (b"q0",))


def test_the_jobs_of_a_queue_are_one_push_in_their_order() -> None:
    ((_, first, _, second),) = list(Delivery(jobs("qrqrq")).trips(KEYS))
    assert (first.keys, first.args) == (("resque:queue:q",), (b"q0", b"q2", b"q4"))
    assert (second.keys, second.args) == (("resque:queue:r",), (b"r1", b"r3"))


@pytest.mark.parametrize(("count", "trips"), [(0, []), (1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])])
def test_a_thousand_jobs_a_trip(count: int, trips: list[int]) -> None:
    assert [len(push.args) for _, push in Delivery(jobs("q" * count)).trips(KEYS)] == trips


def test_all_answered_is_no_error() -> None:
    deliver(Delivery(jobs("qr")), [1, None, 0, None])
    deliver(Delivery([]))


def test_a_trip_that_was_not_sent_is_missing_and_safe_to_repeat() -> None:
    sent = jobs("qr")
    with pytest.raises(NotEnqueued, match=r"2 jobs were not stored: refused\. It is safe to repeat") as caught:
        deliver(Delivery(sent), Unreachable("refused", sent=False))
    assert account(caught.value) == ((), (), ids(sent))


def test_a_trip_without_an_answer_is_unknown() -> None:
    sent = jobs("q")
    with pytest.raises(EnqueueUnknown, match="job q0 was sent but not confirmed: reset") as caught:
        deliver(Delivery(sent), Unreachable("reset", sent=True))
    assert account(caught.value) == ((), ids(sent), ())
    assert caught.value.job_id == "q0"


@pytest.mark.parametrize("was_sent", [True, False])
def test_the_second_trip_breaks(was_sent: bool) -> None:
    """What is known of each of 2,500: the first thousand is stored, the last 500 were never sent."""
    sent = jobs("q" * 2500)
    with pytest.raises(EnqueueUnknown if was_sent else NotEnqueued) as caught:
        deliver(Delivery(sent), [1, None], Unreachable("reset", sent=was_sent))
    first, second, third = ids(sent[:1000]), ids(sent[1000:2000]), ids(sent[2000:])
    assert account(caught.value) == ((first, second, third) if was_sent else (first, (), second + third))


def test_it_breaks_before_the_first_trip() -> None:
    """While the namespace was asked for: nothing of ours was sent, whatever became of that question."""
    delivery = Delivery(jobs("qr"))
    error = delivery.broke(Unreachable("reset", sent=True))
    assert type(error) is NotEnqueued
    assert account(error) == ((), (), ("q0", "r1"))


def test_a_push_that_was_refused_is_missing_and_the_others_are_stored() -> None:
    with pytest.raises(NotEnqueued, match="2 jobs were not stored: WRONGTYPE") as caught:
        deliver(Delivery(jobs("qrq")), [1, Refused("WRONGTYPE"), 1, None])
    assert account(caught.value) == (("r1",), (), ("q0", "q2"))
    assert isinstance(caught.value.__cause__, Refused)


def test_a_refusal_in_an_early_trip_does_not_stop_the_later_ones() -> None:
    sent = jobs("q" * 1500)
    with pytest.raises(NotEnqueued) as caught:
        deliver(Delivery(sent), [Unavailable("OOM"), Unavailable("OOM")], [0, None])
    assert account(caught.value) == (ids(sent[JOBS_A_TRIP:]), (), ids(sent[:JOBS_A_TRIP]))


def test_a_name_that_was_refused_is_mended_by_the_audit() -> None:
    """The push decides: the job is there, and must not be repeated."""
    deliver(Delivery(jobs("q")), [Refused("WRONGTYPE"), None])


def test_broken_after_a_refusal_both_are_accounted_for() -> None:
    sent = jobs("q" * 1001)
    with pytest.raises(EnqueueUnknown) as caught:
        deliver(Delivery(sent), [1, Unavailable("OOM")], Unreachable("reset", sent=True))
    assert account(caught.value) == ((), ids(sent[1000:]), ids(sent[:1000]))
