"""in-flight -> done."""

import pytest

from resque.store import stats
from resque.store.settle import METRICS_LIFE, Holder, Settled, finish
from tests.transitions.state import ID, ME, MINUTE, OTHER, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
METRICS = f"metrics:q:{MINUTE}"
HOLDER = Holder("q", ME, ID)
GROUPS = [("A|done", "A|w3", "A|r5"), ("B|done", "", "B|r9")]


def counted(count: int, **fields: int) -> State:
    """The counters after `count` jobs; fields as A_done=1."""
    metrics = {name.replace("_", "|"): str(value) for name, value in fields.items()}
    return {"stat:processed": str(count), f"stat:processed:{ID}": str(count), METRICS: metrics}


def test_done_jobs_leave_and_are_counted_in_total_by_worker_and_by_class(space: Space) -> None:
    space.check(
        {MINE: ["a", "b", "c", "d"], f"inflight:q:{OTHER}": ["a"]},
        finish(space.keys, HOLDER, GROUPS, [0, b"a", 1, b"c", 0, b"d"], MINUTE),
        Settled(3, 1),
        {MINE: ["b"], f"inflight:q:{OTHER}": ["a"]} | counted(3, A_done=2, A_w3=2, A_r5=2, B_done=1, B_r9=1),
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


@pytest.mark.parametrize(
    ("held", "done", "left"),
    [
        ("abcd", "ab", "cd"),  # in the order of reserve: the oldest, cut off at once
        ("abcd", "abcd", ""),
        ("abcd", "ba", "cd"),
        ("abcd", "bc", "ad"),
        ("abcd", "cd", "ab"),
        ("abcd", "axb", "cd"),
        ("ab", "abc", ""),
        ("aab", "ab", "a"),
        ("aba", "aa", "b"),
        ("aaa", "aa", "a"),
    ],
)
def test_in_whatever_order_they_end_each_leaves_once(space: Space, held: str, done: str, left: str) -> None:
    space.load({MINE: list(held)})
    entries = [item for job in done for item in (0, job.encode())]
    count = len(held) - len(left)
    assert space.run(finish(space.keys, HOLDER, GROUPS, entries, MINUTE)) == Settled(count, len(left))
    expected = {MINE: list(left)} if left else {}
    assert space.dump() == expected | counted(count, A_done=count, A_w3=count, A_r5=count)


def test_counters_go_on_from_where_they_were(space: Space) -> None:
    space.check(
        {MINE: ["a"]} | counted(41, A_done=4),
        finish(space.keys, HOLDER, GROUPS, [0, b"a"], MINUTE),
        Settled(1, 0),
        counted(42, A_done=5, A_w3=1, A_r5=1),
    )


def test_settling_twice_counts_once(space: Space) -> None:
    """R5: the reply was lost, the worker settles again."""
    space.load({MINE: ["a", "b"]})
    again = finish(space.keys, HOLDER, GROUPS, [0, b"a"], MINUTE)
    assert space.run_all([again, again]) == [Settled(1, 1), Settled(0, 1)]
    assert space.dump() == {MINE: ["b"]} | counted(1, A_done=1, A_w3=1, A_r5=1)


def test_a_job_that_is_not_ours_any_more_changes_nothing(space: Space) -> None:
    """The fence: somebody else has adopted it."""
    state: State = {f"inflight:q:{OTHER}": ["a"]}
    space.check(state, finish(space.keys, HOLDER, GROUPS, [0, b"a"], MINUTE), Settled(0, 0), state)


def test_only_those_that_were_still_ours_are_counted(space: Space) -> None:
    space.check(
        {MINE: ["b"]},
        finish(space.keys, HOLDER, GROUPS, [0, b"a", 1, b"b"], MINUTE),
        Settled(1, 0),
        counted(1, B_done=1, B_r9=1),
    )


def test_one_of_two_equal_payloads_is_one_job(space: Space) -> None:
    """R18: finishing one removes one, the one at the front."""
    space.check(
        {MINE: ["twin", "x", "twin"]},
        finish(space.keys, HOLDER, GROUPS, [1, b"twin"], MINUTE),
        Settled(1, 2),
        {MINE: ["x", "twin"]} | counted(1, B_done=1, B_r9=1),
    )


def test_both_of_two_equal_payloads_at_once(space: Space) -> None:
    space.check(
        {MINE: ["twin", "twin", "x"]},
        finish(space.keys, HOLDER, GROUPS, [1, b"twin", 1, b"twin"], MINUTE),
        Settled(2, 1),
        {MINE: ["x"]} | counted(2, B_done=2, B_r9=2),
    )


def test_no_groups_count_the_totals_alone(space: Space) -> None:
    space.load({MINE: ["a"]})
    assert space.run(finish(space.keys, HOLDER, [("", "", "")], [0, b"a"], MINUTE)) == Settled(1, 0)
    assert space.dump() == {"stat:processed": "1", f"stat:processed:{ID}": "1"}


@pytest.mark.parametrize("broken", ["stat:processed", f"stat:processed:{ID}", METRICS])
def test_a_counter_of_another_type_does_not_keep_the_job(space: Space, broken: str) -> None:
    """Work that is done is done; the other counters go on."""
    space.load({MINE: ["a"], broken: {"a set"}})
    assert space.run(finish(space.keys, HOLDER, GROUPS, [0, b"a"], MINUTE)) == Settled(1, 0)
    assert space.dump() == counted(1, A_done=1, A_w3=1, A_r5=1) | {broken: {"a set"}}


def test_five_hundred_jobs_at_once(space: Space) -> None:
    jobs = [f"job{n}".encode() for n in range(500)]
    space.load({MINE: [job.decode() for job in jobs]})
    entries = [item for job in jobs for item in (0, job)]
    assert space.run(finish(space.keys, HOLDER, GROUPS, entries, MINUTE)) == Settled(500, 0)
    assert space.dump() == counted(500, A_done=500, A_w3=500, A_r5=500)


def test_the_counters_can_be_read(space: Space) -> None:
    assert space.run(stats.total(space.keys, "processed")) == 0
    assert space.run(stats.minute(space.keys, "q", MINUTE)) == {}
    space.load(counted(3, A_done=3))
    assert space.run(stats.total(space.keys, "processed")) == 3
    assert space.run(stats.total(space.keys, "processed", ID)) == 3
    assert space.run(stats.minute(space.keys, "q", MINUTE)) == {"A|done": b"3"}
