"""in-flight -> dropped."""

from typing import Any

import pytest

from resque.store.settle import METRICS_LIFE, Drop, Holder, Settled, drop
from tests.transitions.state import ID, ME, MINUTE, OTHER, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
METRICS = f"metrics:q:{MINUTE}"
HOLDER = Holder("q", ME, ID)
A = Drop(b"job a", "expired", "a", "d1", ("A|expired",))
B = Drop(b"job b", "cancelled", "b", "", ("B|cancelled", "", "B|r1"))
C = Drop(b"job c", "discarded", "c", "d3", ())


def end(space: Space, *rows: Drop) -> Any:
    return drop(space.keys, HOLDER, rows, MINUTE)


def test_dropped_jobs_are_counted_by_their_reasons_and_leave_nothing_behind(space: Space) -> None:
    space.check(
        {
            MINE: ["job a", "job b", "job c", "job d"],
            "attempts:q": {"a": "{}", "b": "{}", "d": "{}"},
            "cancelled:q": {"b": 9e9, "d": 9e9},
            "lock:q:d1": "a",
            "lock:q:d3": "c",
            "lock:q:d4": "d",
            "lock:q:": "b",
        },
        end(space, A, B, C),
        Settled(3, 1),
        {
            MINE: ["job d"],
            "attempts:q": {"d": "{}"},
            "cancelled:q": {"d": 9e9},
            "lock:q:d4": "d",
            "lock:q:": "b",
            "stat:expired": "1",
            "stat:cancelled": "1",
            "stat:discarded": "1",
            METRICS: {"A|expired": "1", "B|cancelled": "1", "B|r1": "1"},
        },
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_many_with_one_reason_and_one_lock_name_each_key_once(space: Space) -> None:
    rows = [A._replace(raw=b"%d" % number) for number in range(300)]
    operation = end(space, *rows)
    assert operation.keys[4:] == ("resque:stat:expired", "resque:lock:q:d1")
    space.load({MINE: [str(number) for number in range(300)], "lock:q:d1": "a"})
    assert space.run(operation) == Settled(300, 0)
    assert space.dump() == {"stat:expired": "300", METRICS: {"A|expired": "300"}}


def test_a_missing_payload_writes_nothing(space: Space) -> None:
    """The fence: whoever has the job now needs its lock, and what was kept about it."""
    state: State = {
        f"inflight:q:{OTHER}": ["job a"],
        MINE: ["job b"],
        "attempts:q": {"a": "{}"},
        "cancelled:q": {"a": 9e9},
        "lock:q:d1": "a",
    }
    space.check(state, end(space, A), Settled(0, 1), state)


def test_settling_twice_counts_once(space: Space) -> None:
    space.load({MINE: ["job a"]})
    assert space.run_all([end(space, A), end(space, A)]) == [Settled(1, 0), Settled(0, 0)]
    assert space.dump() == {"stat:expired": "1", METRICS: {"A|expired": "1"}}


def test_one_of_two_equal_payloads_is_one_job(space: Space) -> None:
    space.check(
        {MINE: ["job a", "x", "job a"]},
        end(space, A),
        Settled(1, 2),
        {MINE: ["x", "job a"], "stat:expired": "1", METRICS: {"A|expired": "1"}},
    )


def test_a_lock_that_names_another_job_stays(space: Space) -> None:
    """Ours had expired, and the next job took it."""
    space.load({MINE: ["job a"], "lock:q:d1": "another"})
    assert space.run(end(space, A)) == Settled(1, 0)
    assert space.dump()["lock:q:d1"] == "another"


@pytest.mark.parametrize("broken", ["attempts:q", "cancelled:q", "lock:q:d1", "stat:expired", METRICS])
def test_a_key_of_another_type_beside_it_does_not_keep_the_job(space: Space, broken: str) -> None:
    space.load({MINE: ["job a"], broken: {"a set"}})
    assert space.run(end(space, A)) == Settled(1, 0)
    assert space.dump() == {"stat:expired": "1", METRICS: {"A|expired": "1"}} | {broken: {"a set"}}
