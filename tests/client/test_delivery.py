"""The account of one enqueue: stored, unknown, missing. Pure."""

from typing import Any

import pytest

from resque.client.delivery import JOBS_A_TRIP, Delivery
from resque.client.prepare import Lock, Prepared
from resque.errors import (
    EnqueueError,
    EnqueueUnknown,
    NotEnqueued,
    NotUnique,
    Refused,
    StoreError,
    Unavailable,
    Unreachable,
)
from resque.jobs.unique import Conflict
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.scripts import Script
from resque.store.unique import Claimed

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


# different ways -------------------------------------------------------------------------------------------------------


def job(id: str, *, due: float | None = None, front: bool = False, conflict: Conflict | None = None) -> Prepared:
    lock = None if conflict is None else Lock(f"digest-{id[0]}", 60.0, conflict)
    return Prepared(id, "q", "Job", id.encode(), due, front, lock)


def sent(operations: list[Operation[Any]]) -> list[tuple[Any, ...]]:
    """What each group sends, without the names: the command and the ids in it."""
    found: list[tuple[Any, ...]] = []
    for name, push in zip(operations[::2], operations[1::2], strict=True):
        assert (name.command, name.keys, name.args) == ("SADD", ("resque:queues",), ("q",))
        if push.command == Script("delay"):
            found.append(("delay", *push.args[::3]))
        elif push.command == Script("enqueue_unique"):
            found.append(("unique", push.args[0]))
        else:
            found.append((push.command, *(arg.decode() for arg in push.args if isinstance(arg, bytes))))
    return found


@pytest.mark.parametrize("wire", ["native", "ruby"])
def test_each_way_has_its_operation(wire: Any) -> None:
    several = [job("a"), job("d1", due=9.0), job("f1", front=True), job("b"), job("d2", due=5.0), job("f2", front=True)]
    (operations,) = list(Delivery(several).trips(Keys("resque", wire)))
    back, front = ("LPUSH", "RPUSH") if wire == "native" else ("RPUSH", "LPUSH")
    assert sent(operations) == [(back, "a", "b"), ("delay", "d1", "d2"), (front, "f2", "f1")]


def test_one_with_a_lock_goes_alone() -> None:
    several = [job("u1", conflict="skip"), job("u2", conflict="skip"), job("a"), job("v", due=5.0, conflict="replace")]
    (operations,) = list(Delivery(several).trips(KEYS))
    assert sorted(sent(operations)) == sorted([("unique", "u1"), ("unique", "u2"), ("LPUSH", "a"), ("unique", "v")])
    claim = next(op for op in operations if op.command == Script("enqueue_unique") and op.args[0] == "v")
    assert claim.args[1:5] == (b"v", 60_000, "replace", "5.000000")


def test_a_locked_job_stays_in_the_order_of_the_others() -> None:
    """What was asked for first runs first, unique or not."""
    several = [job("a"), job("u", conflict="skip"), job("b")]
    (operations,) = list(Delivery(several).trips(KEYS))
    assert sent(operations) == [("LPUSH", "a"), ("unique", "u"), ("LPUSH", "b")]


def claimed(*answers: Claimed) -> list[Any]:
    return [each for answer in answers for each in (1, answer)]


def test_one_that_another_stands_for_is_taken_and_no_error() -> None:
    delivery = Delivery([job("u1", conflict="skip"), job("u2", conflict="skip"), job("v", conflict="replace")])
    deliver(delivery, claimed(Claimed(True, "u1"), Claimed(False, "u1"), Claimed(True, "v")))
    assert delivery.taken == {"u2": "u1"}


def test_one_that_must_be_unique_and_is_not_is_an_error_that_names_both() -> None:
    delivery = Delivery([job("a"), job("u", conflict="raise"), job("s", conflict="skip"), job("v", conflict="raise")])
    operations = next(iter(Delivery(delivery.jobs).trips(KEYS)))
    order = [each[-1] for each in sent(operations)]
    answers = {"a": 1, "u": Claimed(False, "first"), "s": Claimed(False, "other"), "v": Claimed(True, "v")}
    with pytest.raises(NotUnique, match="Job was not stored: the job first is the same") as caught:
        deliver(delivery, [each for id in order for each in (1, answers[id])])
    error = caught.value
    assert (error.job_id, error.taken, error.missing) == ("first", {"u": "first"}, ("u",))
    assert sorted(error.stored) == ["a", "v"]


def test_a_refusal_comes_before_that() -> None:
    """Something may be stored and something not: the worse news first."""
    delivery = Delivery([job("u", conflict="raise"), job("v", conflict="raise")])
    with pytest.raises(NotEnqueued, match="OOM") as caught:
        deliver(delivery, [1, Claimed(False, "first"), 1, Unavailable("OOM")])
    assert caught.value.missing == ("v",)


@pytest.mark.parametrize("was_sent", [True, False])
def test_it_breaks_after_one_was_taken(was_sent: bool) -> None:
    """One that another stands for is neither stored nor missing nor in doubt."""
    several = [job(f"u{n}", conflict="skip") for n in range(JOBS_A_TRIP + 1)]
    first = [Claimed(n > 0, "other" if n == 0 else f"u{n}") for n in range(JOBS_A_TRIP)]
    with pytest.raises(EnqueueUnknown if was_sent else NotEnqueued) as caught:
        deliver(Delivery(several), claimed(*first), Unreachable("reset", sent=was_sent))
    stored, last = ids(several[1:JOBS_A_TRIP]), (several[-1].id,)
    assert account(caught.value) == ((stored, last, ()) if was_sent else (stored, (), last))


def test_delayed_jobs_of_which_a_script_was_refused_are_missing() -> None:
    several = [job("a"), job("d1", due=5.0), job("d2", due=5.0)]
    with pytest.raises(NotEnqueued, match="2 jobs were not stored: WRONGTYPE") as caught:
        deliver(Delivery(several), [1, None, 1, Refused("WRONGTYPE")])
    assert account(caught.value) == (("a",), (), ("d1", "d2"))
