"""delayed -> waiting: jobs whose time has come."""

import threading
import time
from typing import Any

import pytest

from resque.store import delayed
from resque.store.delayed import Promoted, promote
from tests.transitions.state import Space, State

pytestmark = pytest.mark.every_server

FAR = 1_900_000_000.25
"""Due in years."""


def jobs(*ids: str) -> dict[str, str]:
    return {id: f"job {id}" for id in ids}


def names(*ids: str) -> list[str]:
    return list(jobs(*ids).values())


def test_what_is_due_moves_to_the_back_and_the_rest_stays(space: Space) -> None:
    space.check(
        {"delayed:q": {"a": 1.0, "b": 2.0, "c": FAR}, "payloads:q": jobs("a", "b", "c"), "queue:q": ["x"]},
        promote(space.keys, "q", 100),
        Promoted(2, False, FAR, 0, ""),
        {"delayed:q": {"c": FAR}, "payloads:q": jobs("c"), "queue:q": ["x", *names("a", "b")]},
    )


def test_the_longest_due_goes_first_and_equal_times_in_the_order_of_ids(space: Space) -> None:
    """Milliseconds count; our ids are in the order of their making."""
    due = {"c": 5.001, "e": 5.0, "b": 5.002, "a": 5.001, "d": 4.9995}
    space.load({"delayed:q": due, "payloads:q": jobs(*due)})
    assert space.run(promote(space.keys, "q", 100)) == Promoted(5, False, None, 0, "")
    assert space.dump() == {"queue:q": names("d", "e", "a", "c", "b")}


def test_the_servers_clock_decides(space: Space) -> None:
    now = time.time()
    space.load({"delayed:q": {"a": now - 2, "b": now + 60}, "payloads:q": jobs("a", "b")})
    promoted = space.run(promote(space.keys, "q", 100))
    assert promoted == Promoted(1, False, promoted.next_due, 0, "")
    assert promoted.next_due == pytest.approx(now + 60, abs=0.001)


def test_a_job_is_due_within_the_second(space: Space) -> None:
    """Not only once its whole second has passed, and not before its fraction."""
    space.load({"payloads:q": jobs("a")})
    seconds, micros = space.redis.time()
    due = seconds + micros / 1_000_000 + 0.15
    space.load({"delayed:q": {"a": due}})
    early = 0
    while not (done := space.run(promote(space.keys, "q", 1))).moved:
        early += 1
        assert done.next_due == pytest.approx(due, abs=1e-5)
    seconds, micros = space.redis.time()
    assert early > 0
    assert due <= seconds + micros / 1_000_000


def test_early_in_a_second_nothing_moves_before_its_time(space: Space) -> None:
    """The server's microseconds have no leading zeros: 1.020000 must not be read as 1.2."""
    due, seconds, micros = 0.0, 0, 0
    while seconds + micros / 1_000_000 >= due:  # the machine was slow: another second
        seconds, micros = space.redis.time()
        time.sleep(1.001 - micros / 1_000_000)
        due = seconds + 1.1
        space.redis.flushall()
        space.load({"delayed:q": {"a": due}, "payloads:q": jobs("a")})
        promoted = space.run(promote(space.keys, "q", 100))
        seconds, micros = space.redis.time()
    assert promoted.moved == 0


def test_what_is_due_this_moment_moves(space: Space) -> None:
    """Fractions of the server's second count, whatever its digits are."""
    for number in range(20):
        seconds, micros = space.redis.time()
        space.redis.flushall()
        space.load({"delayed:q": {"a": float(f"{seconds}.{micros:06}")}, "payloads:q": jobs("a")})
        assert space.run(promote(space.keys, "q", 100)) == Promoted(1, False, None, 0, ""), number


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 250, 1000])
def test_no_more_than_the_limit_and_the_answer_says_that_more_is_due(space: Space, limit: int) -> None:
    ids = [f"{number:03}" for number in range(251)]
    space.load({"delayed:q": {id: 1.0 + int(id) for id in ids} | {"z": FAR}, "payloads:q": jobs(*ids, "z")})
    moved = min(limit, 251)
    next_due = 1.0 + moved if moved < 251 else FAR
    assert space.run(promote(space.keys, "q", limit)) == Promoted(moved, moved < 251, next_due, 0, "")
    state = space.dump()
    assert state["queue:q"] == names(*ids[:moved])
    assert set(state["delayed:q"]) == {*ids[moved:], "z"} == set(state["payloads:q"])


def test_large_payloads_end_a_batch_early(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does nothing else meanwhile. The one that crosses the line still moves."""
    monkeypatch.setattr(delayed, "PROMOTE_BYTES", 2500)
    large = {id: id * 1000 for id in "abcd"}
    space.load({"delayed:q": dict.fromkeys("abcd", 1.0), "payloads:q": large})
    assert space.run(promote(space.keys, "q", 100)) == Promoted(3, True, 1.0, 0, "")
    assert space.dump() == {
        "delayed:q": {"d": 1.0},
        "payloads:q": {"d": large["d"]},
        "queue:q": list(large.values())[:3],
    }


@pytest.mark.parametrize("state", [{}, {"delayed:q": {"a": FAR}, "payloads:q": {"a": "job a"}}])
def test_where_nothing_is_due_nothing_changes(space: Space, state: State) -> None:
    next_due = FAR if state else None
    space.check(state, promote(space.keys, "q", 100), Promoted(0, False, next_due, 0, ""), state)


def test_an_entry_without_a_payload_goes_and_is_counted(space: Space) -> None:
    """It is nothing that could be run, and must stop nobody behind it."""
    space.check(
        {"delayed:q": {"gone": 1.0, "a": 2.0, "too": 3.0}, "payloads:q": jobs("a")},
        promote(space.keys, "q", 100),
        Promoted(1, False, None, 2, ""),
        {"queue:q": names("a")},
    )


def test_an_entry_without_a_payload_is_one_of_the_limit(space: Space) -> None:
    space.load({"delayed:q": {"gone": 1.0, "too": 2.0, "a": 3.0}, "payloads:q": jobs("a")})
    assert space.run(promote(space.keys, "q", 2)) == Promoted(0, True, 3.0, 2, "")
    assert space.dump() == {"delayed:q": {"a": 3.0}, "payloads:q": jobs("a")}


def test_hundreds_of_entries_without_payloads_stop_nobody(space: Space) -> None:
    broken = {f"{number:03}": 1.0 for number in range(150)}
    space.load({"delayed:q": broken | {"a": 2.0}, "payloads:q": jobs("a")})
    assert space.run(promote(space.keys, "q", 1000)) == Promoted(1, False, None, 150, "")


def test_jobs_under_names_like_id_1_are_jobs_of_their_own(space: Space) -> None:
    same = {"a": "twin", "a~1": "twin", "a~2": "other"}
    space.load({"delayed:q": dict.fromkeys(same, 1.0), "payloads:q": same, "attempts:q": {"a": "{}"}})
    assert space.run(promote(space.keys, "q", 100)) == Promoted(3, False, None, 0, "")
    assert space.dump() == {"queue:q": ["twin", "twin", "other"], "attempts:q": {"a": "{}"}}


@pytest.mark.parametrize("broken", ["queue:q", "payloads:q", "delayed:q"])
def test_a_key_of_another_type_loses_nothing_and_the_answer_says_so(space: Space, broken: str) -> None:
    state: State = {"delayed:q": {"a": 1.0}, "payloads:q": jobs("a")} | {broken: "a string"}
    space.load(state)
    promoted = space.run(promote(space.keys, "q", 100))
    assert (promoted.moved, promoted.broken) == (0, 0)
    assert "WRONGTYPE" in promoted.error
    assert space.dump() == state


def test_two_schedulers_at_once_move_each_job_once(space: Space, url: str) -> None:
    """Neither knows of the other; there is no leader."""
    ids = [f"{number:04}" for number in range(2000)]
    space.load({"delayed:q": {id: 1.0 + int(id) for id in ids}, "payloads:q": jobs(*ids)})
    moved: list[int] = []

    def work() -> None:
        own = Space(space.redis, url, space.keys.wire)
        while (step := own.run(promote(own.keys, "q", 30))).left or step.moved:
            moved.append(step.moved)
        own.store.close()

    both = [threading.Thread(target=work) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert sum(moved) == 2000
    assert space.dump() == {"queue:q": names(*ids)}


def test_other_queues_are_left_alone(space: Space) -> None:
    state: dict[str, Any] = {"delayed:r": {"a": 1.0}, "payloads:r": jobs("a")}
    space.check(state, promote(space.keys, "q", 100), Promoted(0, False, None, 0, ""), state)
