"""delayed <- new, and what is done with delayed jobs by their ids."""

from typing import Any

import pytest

from resque.errors import Refused
from resque.store import delayed
from resque.store.delayed import Delayed
from resque.store.settle import METRICS_LIFE
from tests.transitions.state import MINUTE, Space, State

pytestmark = pytest.mark.every_server

SOON, LATER = 1_900_000_000.25, 1_900_000_100.5
A, B = Delayed("a", SOON, b"job a"), Delayed("b", LATER, b"job b")
BOTH: State = {"delayed:q": {"a": SOON, "b": LATER}, "payloads:q": {"a": "job a", "b": "job b"}}
METRICS = f"metrics:q:{MINUTE}"


def delay(space: Space, *jobs: Delayed) -> list[Any]:
    return space.run_all(delayed.delay(space.keys, "q", jobs))


# in -------------------------------------------------------------------------------------------------------------------


def test_delayed_jobs_are_stored_by_id_and_their_queue_is_named(space: Space) -> None:
    """Due times keep their fractions."""
    assert delay(space, A, B) == [1, ["a", "b"]]
    assert space.dump() == BOTH | {"queues": {"q"}}


def test_the_name_is_written_before_the_job(space: Space) -> None:
    name, store = delayed.delay(space.keys, "q", [A])
    assert (name.command, name.keys) == ("SADD", ("resque:queues",))
    assert store.keys == ("resque:delayed:q", "resque:payloads:q")


def test_a_repeated_enqueue_stays_one_job_with_the_new_due_time(space: Space) -> None:
    """The enqueuer got no answer, and asked again."""
    assert delay(space, A, A._replace(due=LATER))[1] == ["a", "a"]
    assert delay(space, A._replace(due=LATER + 1))[1] == ["a"]
    assert space.dump() == {"queues": {"q"}, "delayed:q": {"a": LATER + 1}, "payloads:q": {"a": "job a"}}


def test_another_job_with_an_id_that_is_taken_gets_a_name_of_its_own(space: Space) -> None:
    """And its repetition is known, too."""
    jobs = [A, A._replace(payload=b"second"), A._replace(payload=b"third"), A._replace(payload=b"second")]
    assert delay(space, *jobs)[1] == ["a", "a~1", "a~2", "a~1"]
    state = space.dump()
    assert state["delayed:q"] == {"a": SOON, "a~1": SOON, "a~2": SOON}
    assert state["payloads:q"] == {"a": "job a", "a~1": "second", "a~2": "third"}


def test_payloads_and_ids_are_opaque_bytes(space: Space) -> None:
    raw = bytes(range(256)) + b"\r\n$-1\r\n"
    odd = Delayed("a~1 %s é", SOON, raw)
    assert delay(space, odd)[1] == [odd.id]
    assert space.run(delayed.find(space.keys, "q", odd.id)) == odd
    assert space.run(delayed.window(space.keys, "q", 0, 1)) == [odd]


@pytest.mark.parametrize("broken", ["delayed:q", "payloads:q"])
def test_a_key_of_another_type_refuses_all_and_is_left_alone(space: Space, broken: str) -> None:
    space.load({broken: "a string"})
    named, stored = delay(space, A, B)
    assert named == 1
    assert isinstance(stored, Refused)
    assert space.dump() == {"queues": {"q"}, broken: "a string"}


# questions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "count", "found"), [(0, 1, "a"), (0, 2, "ab"), (1, 9, "bc"), (2, 1, "c"), (3, 5, ""), (0, 9, "abc")]
)
def test_a_window_shows_what_is_due_soonest_first(space: Space, start: int, count: int, found: str) -> None:
    jobs = {"c": 30.0, "a": 10.5, "b": 20.0}
    space.load({"delayed:q": jobs, "payloads:q": {id: f"job {id}" for id in jobs}})
    window = space.run(delayed.window(space.keys, "q", start, count))
    assert window == [Delayed(id, jobs[id], f"job {id}".encode()) for id in found]


def test_questions_about_delayed_jobs_change_nothing(space: Space) -> None:
    keys = space.keys
    for q, first, count, a in (("q", SOON, 2, A), ("none", None, 0, None)):
        space.redis.flushall()
        space.load(BOTH)
        assert space.run(delayed.next_due(keys, q)) == first
        assert space.run(delayed.count(keys, q)) == count
        assert space.run(delayed.find(keys, q, "a")) == a
        assert len(space.run(delayed.window(keys, q, 0, 9))) == count
        assert space.run(delayed.find(keys, q, "c")) is None
        assert space.dump() == BOTH


def test_an_entry_without_a_payload_is_shown_without_one(space: Space) -> None:
    space.load({"delayed:q": {"a": SOON}})
    assert space.run(delayed.find(space.keys, "q", "a")) == Delayed("a", SOON, b"")
    assert space.run(delayed.window(space.keys, "q", 0, 1)) == [Delayed("a", SOON, b"")]


# delayed -> waiting, by an operator -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("front", "waiting"), [(False, ["x", "job a"]), (True, ["job a", "x"])])
def test_a_job_runs_before_its_time(space: Space, front: bool, waiting: list[str]) -> None:
    space.check(
        BOTH | {"queue:q": ["x"], "attempts:q": {"a": "{}"}},
        delayed.run_now(space.keys, "q", "a", front),
        True,
        {"delayed:q": {"b": LATER}, "payloads:q": {"b": "job b"}, "queue:q": waiting, "attempts:q": {"a": "{}"}},
    )


def test_of_two_who_press_at_once_one_moves_it(space: Space) -> None:
    space.load(BOTH)
    now = delayed.run_now(space.keys, "q", "b")
    assert space.run_all([now, now]) == [True, False]
    assert space.dump() == {"delayed:q": {"a": SOON}, "payloads:q": {"a": "job a"}, "queue:q": ["job b"]}


@pytest.mark.parametrize("state", [{}, BOTH, {"delayed:q": {"c": SOON}}, {"payloads:q": {"c": "job c"}}])
def test_what_is_not_delayed_cannot_be_run_now(space: Space, state: State) -> None:
    space.check(state, delayed.run_now(space.keys, "q", "c"), False, state)


def test_a_queue_of_another_type_keeps_the_job_delayed(space: Space) -> None:
    state = BOTH | {"queue:q": "a string"}
    space.load(state)
    (refused,) = space.run_all([delayed.run_now(space.keys, "q", "a")])
    assert "WRONGTYPE" in str(refused)
    assert space.dump() == state


# another time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("due", [SOON, LATER + 5.75, 1.0])
def test_a_job_gets_another_due_time(space: Space, due: float) -> None:
    """True also for the time that it had."""
    operation = delayed.reschedule(space.keys, "q", "a", due)
    space.check(BOTH, operation, True, BOTH | {"delayed:q": {"a": due, "b": LATER}})


@pytest.mark.parametrize("state", [{}, BOTH])
def test_what_is_not_delayed_gets_no_due_time(space: Space, state: State) -> None:
    space.check(state, delayed.reschedule(space.keys, "q", "c", SOON), False, state)


# delayed -> dropped ---------------------------------------------------------------------------------------------------


def cancel(space: Space, id: str, lock: str = "d1", field: str = "A|cancelled") -> Any:
    return delayed.cancel(space.keys, "q", id, lock, field, MINUTE)


def test_a_cancelled_job_goes_with_all_that_was_kept_about_it_and_is_counted(space: Space) -> None:
    space.check(
        BOTH | {"attempts:q": {"a": "{}", "b": "{}"}, "lock:q:d1": "a", "lock:q:d2": "b"},
        cancel(space, "a"),
        True,
        {
            "delayed:q": {"b": LATER},
            "payloads:q": {"b": "job b"},
            "attempts:q": {"b": "{}"},
            "lock:q:d2": "b",
            "stat:cancelled": "1",
            METRICS: {"A|cancelled": "1"},
        },
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_cancelling_twice_counts_once(space: Space) -> None:
    space.load(BOTH)
    assert space.run_all([cancel(space, "b"), cancel(space, "b")]) == [True, False]
    assert (space.dump()["stat:cancelled"], space.dump()[METRICS]) == ("1", {"A|cancelled": "1"})


def test_the_lock_of_another_job_stays(space: Space) -> None:
    """Ours had expired, and somebody else took it."""
    space.load(BOTH | {"lock:q:d1": "b"})
    assert space.run(cancel(space, "a")) is True
    assert space.dump()["lock:q:d1"] == "b"


def test_without_a_lock_and_a_field_only_the_total_is_counted(space: Space) -> None:
    space.load({"delayed:q": {"a": SOON}, "payloads:q": {"a": "job a"}, "lock:q:": "a"})
    assert space.run(cancel(space, "a", lock="", field="")) is True
    assert space.dump() == {"stat:cancelled": "1", "lock:q:": "a"}


@pytest.mark.parametrize("state", [{}, BOTH | {"attempts:q": {"c": "{}"}, "lock:q:d1": "c"}])
def test_what_is_not_delayed_cannot_be_cancelled_here(space: Space, state: State) -> None:
    """It may run just now: what is kept about it is its own."""
    space.check(state, cancel(space, "c"), False, state)


@pytest.mark.parametrize("broken", ["payloads:q", "attempts:q", "stat:cancelled", METRICS, "lock:q:d1"])
def test_a_key_of_another_type_beside_it_keeps_no_job_from_being_cancelled(space: Space, broken: str) -> None:
    space.load({"delayed:q": {"a": SOON}, broken: {"a set"}})
    assert space.run(cancel(space, "a")) is True
    left = {"stat:cancelled": "1", METRICS: {"A|cancelled": "1"}} | {broken: {"a set"}}
    assert space.dump() == left
