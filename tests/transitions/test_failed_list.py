"""failed -> waiting, failed -> dropped."""

from collections.abc import Callable
from typing import Any

import pytest

from resque.store import failures
from resque.store.operation import Operation
from tests.transitions.state import Space, State

pytestmark = pytest.mark.every_server

Act = Callable[[Space, bytes, int], Operation[int]]


def requeue(space: Space, record: bytes, position: int) -> Operation[int]:
    return failures.requeue(space.keys, record, position, "q", b"job of " + record)


def discard(space: Space, record: bytes, position: int) -> Operation[int]:
    return failures.discard(space.keys, record, position)


def after(act: Act, *records: str) -> State:
    """What else there is in Redis when these records have left failed."""
    if act is discard:
        return {"stat:discarded": str(len(records))}
    return {"queues": {"q"}, "queue:q": [f"job of {record}" for record in records]}


both = pytest.mark.parametrize("act", [requeue, discard])


def test_a_requeued_job_goes_to_the_back_of_its_queue_as_it_first_was(space: Space) -> None:
    space.check(
        {"failed": ["x", "y", "z"], "queue:q": ["waiting"]},
        failures.requeue(space.keys, b"y", 1, "q", b"the job"),
        1,
        {"failed": ["x", "z"], "queues": {"q"}, "queue:q": ["waiting", "the job"]},
    )


def test_a_discarded_record_is_counted(space: Space) -> None:
    space.check(
        {"failed": ["x", "y"], "stat:discarded": "4"},
        failures.discard(space.keys, b"x", 1),
        1,
        {"failed": ["y"], "stat:discarded": "5"},
    )


@both
@pytest.mark.parametrize(("record", "position"), [(b"new", 0), (b"mid", 1), (b"old", 2)])
def test_positions_count_from_the_newest(space: Space, act: Act, record: bytes, position: int) -> None:
    state = ["old", "mid", "new"]
    space.load({"failed": state})
    assert space.run(failures.window(space.keys, position, 1)) == [record]
    assert space.run(act(space, record, position)) == 1
    left = [each for each in state if each != record.decode()]
    assert space.dump() == {"failed": left} | after(act, record.decode())


@both
def test_of_two_who_act_at_once_one_succeeds(space: Space, act: Act) -> None:
    """Two operators press the same button."""
    space.load({"failed": ["x", "y"]})
    assert space.run_all([act(space, b"x", 1), act(space, b"x", 1)]) == [1, 0]
    assert space.dump() == {"failed": ["y"]} | after(act, "x")


def test_requeue_against_discard_the_first_wins(space: Space) -> None:
    space.load({"failed": ["x"]})
    assert space.run_all([requeue(space, b"x", 0), discard(space, b"x", 0)]) == [1, 0]
    assert space.dump() == after(requeue, "x")


@both
@pytest.mark.parametrize("hint", [0, 1, 2, 3, 50, 1_000_000])
def test_a_wrong_hint_costs_a_search_and_hits_the_same_record(space: Space, act: Act, hint: int) -> None:
    """The list moves while a person reads it; a record is known by its bytes."""
    space.load({"failed": ["a", "b", "c"]})
    assert space.run(act(space, b"b", hint)) == 1
    assert space.dump() == {"failed": ["a", "c"]} | after(act, "b")


@both
def test_a_record_that_is_gone_changes_nothing(space: Space, act: Act) -> None:
    space.check({"failed": ["a"]}, act(space, b"b", 0), 0, {"failed": ["a"]})


@both
def test_an_empty_list_is_no_error(space: Space, act: Act) -> None:
    space.check({}, act(space, b"b", 0), 0, {})


@both
@pytest.mark.parametrize(("record", "found"), [("0", 1), ("9", 1), ("90", 1), ("99", 1), ("50", 0)])
def test_the_search_goes_so_far_from_either_end(
    space: Space, act: Act, record: str, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a useless hint; on a list of millions the search must end."""
    monkeypatch.setattr(failures, "SEARCH_DEPTH", 10)
    records = [str(n) for n in range(100)]
    space.load({"failed": records})
    assert space.run(act(space, record.encode(), 40)) == found
    left = [each for each in records if each != record or not found]
    assert space.dump() == {"failed": left} | (after(act, record) if found else {})


@both
def test_with_the_right_hint_nothing_is_searched(space: Space, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "SEARCH_DEPTH", 10)
    records = [str(n) for n in range(100)]
    space.load({"failed": records})
    assert space.run(act(space, b"50", 49)) == 1
    assert space.dump() == {"failed": [each for each in records if each != "50"]} | after(act, "50")


@both
def test_of_two_equal_records_one_goes(space: Space, act: Act) -> None:
    space.load({"failed": ["twin", "x", "twin"]})
    assert space.run(act(space, b"twin", 0)) == 1
    assert space.dump() == {"failed": ["twin", "x"]} | after(act, "twin")


def test_a_job_that_cannot_be_pushed_stays_failed(space: Space) -> None:
    state: State = {"failed": ["x"], "queue:q": "a string"}
    space.load(state)
    (refused,) = space.run_all([requeue(space, b"x", 0)])
    assert "WRONGTYPE" in str(refused)
    assert space.dump() == state | {"queues": {"q"}}


@pytest.mark.parametrize(
    ("start", "count", "found"), [(0, 2, "ed"), (1, 3, "dcb"), (3, 9, "ba"), (5, 2, ""), (0, 99, "edcba")]
)
def test_a_window_shows_the_newest_first(space: Space, start: int, count: int, found: Any) -> None:
    space.load({"failed": list("abcde")})
    window = space.run(failures.window(space.keys, start, count))
    assert window == [letter.encode() for letter in found]
    assert space.run(failures.count(space.keys)) == 5
