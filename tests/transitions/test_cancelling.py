"""Tombstones, and waiting -> dropped."""

from typing import Any

import pytest

from resque.errors import Refused
from resque.store import cancelling
from resque.store.cancelling import Waiting
from resque.store.reserve import Taken, reserve
from resque.store.settle import METRICS_LIFE
from tests.transitions.state import ME, MINUTE, In, Space, State

pytestmark = pytest.mark.every_server

FAR = 1_900_000_000.5
METRICS = f"metrics:q:{MINUTE}"
A = Waiting(b"job a", "a", "d1", "A|cancelled")


# tombstones -----------------------------------------------------------------------------------------------------------


def test_a_tombstone_is_set_prolonged_and_removed(space: Space) -> None:
    mark, unmark = cancelling.mark(space.keys, "q", "a", FAR), cancelling.unmark(space.keys, "q", "a")
    assert space.run_all([mark, mark]) == [True, False]
    assert space.run(cancelling.mark(space.keys, "q", "a", FAR + 1)) is False
    assert space.dump() == {"cancelled:q": {"a": FAR + 1}}
    assert space.run_all([unmark, unmark]) == [True, False]
    assert space.dump() == {}


def test_expired_tombstones_go_with_the_next_one(space: Space) -> None:
    space.check(
        {"cancelled:q": {"old": 5.0, "older": 4.0, "x": FAR}},
        cancelling.mark(space.keys, "q", "a", FAR),
        True,
        {"cancelled:q": {"x": FAR, "a": FAR}},
    )


def test_there_are_never_many(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those go that would expire next."""
    monkeypatch.setattr(cancelling, "TOMBSTONES", 3)
    for number in range(6):
        assert space.run(cancelling.mark(space.keys, "q", f"id{number}", FAR + number)) is True
        assert space.run(cancelling.count(space.keys, "q")) == min(number + 1, 3)
    assert space.dump() == {"cancelled:q": {"id3": FAR + 3, "id4": FAR + 4, "id5": FAR + 5}}


def test_who_is_marked(space: Space) -> None:
    """One that has expired marks nobody."""
    space.load({"cancelled:q": {"a": 100.5, "b": 200.0}})
    ids = ["b", "unknown", "a", "a~1"]
    ask = [cancelling.marked(space.keys, "q", ids, now) for now in (100.0, 100.5, 200.0)]
    assert space.run_all(ask) == [[True, False, True, False], [True, False, False, False], [False] * 4]
    assert space.run(cancelling.marked(space.keys, "none", ["a"], 1.0)) == [False]


def test_a_key_of_another_type_is_an_error(space: Space) -> None:
    space.load({"cancelled:q": "a string"})
    operations: list[Any] = [
        cancelling.mark(space.keys, "q", "a", FAR),
        cancelling.unmark(space.keys, "q", "a"),
        cancelling.marked(space.keys, "q", ["a"], 1.0),
    ]
    assert [type(answer) for answer in space.run_all(operations)] == [Refused] * 3
    assert space.dump() == {"cancelled:q": "a string"}


# reserve tells of them ------------------------------------------------------------------------------------------------


def test_reserve_tells_which_queues_have_tombstones(space: Space) -> None:
    """Only for a queue that gave something; who got jobs asks about them then."""
    space.check(
        {"queue:q": ["a"], "queue:r": ["b"], "cancelled:r": {"x": 5.0}, "cancelled:none": {"y": 5.0}},
        reserve(space.keys, ["none", "q", "r"], ME, 5, 20),
        [Taken("q", 1, [b"a"]), Taken("r", 1, [b"b"], cancelled=True)],
        {
            "cancelled:r": {"x": 5.0},
            "cancelled:none": {"y": 5.0},
            f"inflight:q:{ME}": ["a"],
            f"inflight:r:{ME}": ["b"],
            "leases:q": {ME: In(20)},
            "leases:r": {ME: In(20)},
        },
    )


def test_tombstones_of_a_wrong_type_strand_nothing(space: Space) -> None:
    """The worker is told that there is something, and learns what when it asks."""
    space.load({"queue:q": ["a"], "cancelled:q": "a string"})
    assert space.run(reserve(space.keys, ["q"], ME, 5, 20)) == [Taken("q", 1, [b"a"], cancelled=True)]


def test_a_paused_queue_does_not_speak_of_tombstones(space: Space) -> None:
    state = {"queue:q": ["a"], "paused:q": "1", "cancelled:q": {"a": FAR}}
    space.check(state, reserve(space.keys, ["q"], ME, 5, 20), [Taken("q", -2, [], "", True)], state)


# waiting -> dropped ---------------------------------------------------------------------------------------------------


def take(space: Space, job: Waiting = A) -> Any:
    return cancelling.take_waiting(space.keys, "q", job, MINUTE)


def test_a_waiting_job_goes_with_all_that_was_kept_about_it_and_is_counted(space: Space) -> None:
    space.check(
        {"queue:q": ["x", "job a", "y"], "attempts:q": {"a": "{}", "x": "{}"}, "lock:q:d1": "a", "lock:q:d2": "x"},
        take(space),
        True,
        {
            "queue:q": ["x", "y"],
            "attempts:q": {"x": "{}"},
            "lock:q:d2": "x",
            "stat:cancelled": "1",
            METRICS: {"A|cancelled": "1"},
        },
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_a_job_that_was_reserved_meanwhile_is_left_alone(space: Space) -> None:
    """The tombstone or the worker has to stop it."""
    state: State = {f"inflight:q:{ME}": ["job a"], "queue:q": ["x"], "attempts:q": {"a": "{}"}, "lock:q:d1": "a"}
    space.check(state, take(space), False, state)


def test_of_two_equal_payloads_the_one_that_would_run_last_goes(space: Space) -> None:
    space.load({"queue:q": ["job a", "x", "job a", "y"]})
    assert space.run_all([take(space), take(space), take(space)]) == [True, True, False]
    assert (space.dump()["queue:q"], space.dump()["stat:cancelled"]) == (["x", "y"], "2")
    space.load({"queue:r": ["job a", "x", "job a", "y"]})
    assert space.run(cancelling.take_waiting(space.keys, "r", A, MINUTE)) is True
    assert space.dump()["queue:r"] == ["job a", "x", "y"]


@pytest.mark.parametrize(("place", "found"), [(0, True), (9, True), (90, True), (99, True), (50, False)])
def test_the_search_goes_so_far_from_either_end(
    space: Space, monkeypatch: pytest.MonkeyPatch, place: int, found: bool
) -> None:
    """On a list of millions it must end."""
    monkeypatch.setattr(cancelling, "SEARCH_DEPTH", 10)
    jobs = [str(number) for number in range(100)]
    space.load({"queue:q": jobs})
    assert space.run(take(space, Waiting(b"%d" % place, "a", "", ""))) is found
    left = [job for job in jobs if job != str(place) or not found]
    assert space.dump() == {"queue:q": left} | ({"stat:cancelled": "1"} if found else {})


def test_a_lock_that_names_another_job_stays(space: Space) -> None:
    space.load({"queue:q": ["job a"], "lock:q:d1": "next"})
    assert space.run(take(space)) is True
    assert space.dump()["lock:q:d1"] == "next"


@pytest.mark.parametrize("broken", ["attempts:q", "lock:q:d1", "stat:cancelled", METRICS])
def test_a_key_of_another_type_beside_it_keeps_no_job_from_being_cancelled(space: Space, broken: str) -> None:
    space.load({"queue:q": ["job a"], broken: {"a set"}})
    assert space.run(take(space)) is True
    assert space.dump() == {"stat:cancelled": "1", METRICS: {"A|cancelled": "1"}} | {broken: {"a set"}}


def test_a_queue_of_another_type_is_an_error(space: Space) -> None:
    space.load({"queue:q": "a string"})
    (refused,) = space.run_all([take(space)])
    assert isinstance(refused, Refused)
    assert space.dump() == {"queue:q": "a string"}
