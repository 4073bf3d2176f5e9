"""in-flight -> done, for jobs that were retried or hold a lock."""

from typing import Any

import pytest

from resque.store.settle import METRICS_LIFE, Conclude, Holder, Settled, conclude
from tests.transitions.state import ID, ME, MINUTE, OTHER, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
METRICS = f"metrics:q:{MINUTE}"
HOLDER = Holder("q", ME, ID)
A = Conclude(b"job a", "a", "d1", ("A|done", "A|w3", "A|r5"))
B = Conclude(b"job b", "b", "", ("B|done", "", "B|r9"))


def end(space: Space, *rows: Conclude) -> Any:
    return conclude(space.keys, HOLDER, rows, MINUTE)


def counted(count: int, **fields: int) -> State:
    """The counters after `count` jobs; fields as A_done=1. The same as finish writes."""
    metrics = {name.replace("_", "|"): str(value) for name, value in fields.items()}
    return {"stat:processed": str(count), f"stat:processed:{ID}": str(count), METRICS: metrics}


def test_concluded_jobs_are_counted_as_done_and_leave_nothing_behind(space: Space) -> None:
    space.check(
        {
            MINE: ["job a", "job b", "job c"],
            "attempts:q": {"a": "{}", "b": "{}\n{}", "c": "{}"},
            "lock:q:d1": "a",
            "lock:q:d3": "c",
        },
        end(space, B, A),
        Settled(2, 1),
        {MINE: ["job c"], "attempts:q": {"c": "{}"}, "lock:q:d3": "c"}
        | counted(2, A_done=1, A_w3=1, A_r5=1, B_done=1, B_r9=1),
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_a_missing_payload_writes_nothing(space: Space) -> None:
    """The fence: whoever has the job now needs its lock, and what was kept about it."""
    state: State = {f"inflight:q:{OTHER}": ["job a"], "attempts:q": {"a": "{}"}, "lock:q:d1": "a"}
    space.check(state, end(space, A), Settled(0, 0), state)


def test_settling_twice_counts_once_and_frees_no_other_lock(space: Space) -> None:
    """R5: between the two somebody has enqueued the next one."""
    space.load({MINE: ["job a"], "lock:q:d1": "a"})
    assert space.run(end(space, A)) == Settled(1, 0)
    space.load({"lock:q:d1": "next"})
    assert space.run(end(space, A)) == Settled(0, 0)
    assert space.dump() == {"lock:q:d1": "next"} | counted(1, A_done=1, A_w3=1, A_r5=1)


def test_a_lock_that_names_another_job_stays(space: Space) -> None:
    space.load({MINE: ["job a"], "lock:q:d1": "next"})
    assert space.run(end(space, A)) == Settled(1, 0)
    assert space.dump()["lock:q:d1"] == "next"


def test_one_of_two_equal_payloads_is_one_job(space: Space) -> None:
    space.load({MINE: ["job a", "x", "job a"], "lock:q:d1": "a"})
    assert space.run(end(space, A)) == Settled(1, 2)
    assert space.dump()[MINE] == ["x", "job a"]
    assert space.run(end(space, A, A)) == Settled(1, 1)
    assert space.dump() == {MINE: ["x"]} | counted(2, A_done=2, A_w3=2, A_r5=2)


@pytest.mark.parametrize("broken", ["attempts:q", "lock:q:d1", "stat:processed", f"stat:processed:{ID}", METRICS])
def test_a_key_of_another_type_beside_it_does_not_keep_the_job(space: Space, broken: str) -> None:
    """Work that is done is done."""
    space.load({MINE: ["job a"], broken: {"a set"}})
    assert space.run(end(space, A)) == Settled(1, 0)
    assert space.dump() == counted(1, A_done=1, A_w3=1, A_r5=1) | {broken: {"a set"}}
