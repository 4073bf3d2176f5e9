"""in-flight of a worker that is gone -> in-flight of the recoverer -> waiting."""

import pytest

from resque.store.inflight import Adopted, Lost, adopt
from resque.store.settle import Holder, release
from tests.transitions.state import ME, OTHER, In, Space, State

pytestmark = pytest.mark.every_server

LOST, MINE = f"inflight:q:{OTHER}", f"inflight:q:{ME}"
END = 1_700_000_000_123.0


def test_jobs_move_in_order_and_the_recoverer_has_a_lease_of_its_own(space: Space) -> None:
    """It may die here, too. The lost worker's lease ends now; it is forgotten later."""
    space.check(
        {LOST: ["a", "b", "c"], "leases:q": {OTHER: END}},
        adopt(space.keys, "q", Lost(OTHER, END), ME, 20),
        Adopted([b"a", b"b", b"c"], 0),
        {MINE: ["a", "b", "c"], "leases:q": {OTHER: In(0), ME: In(20)}},
    )


@pytest.mark.parametrize("now", [{OTHER: END + 1}, {OTHER: END - 1}, {}])
def test_a_lease_that_has_changed_is_refused(space: Space, now: dict[str, float]) -> None:
    """It lives and has renewed; or somebody else was faster."""
    state: State = {LOST: ["a"]} | ({"leases:q": now} if now else {})
    space.check(state, adopt(space.keys, "q", Lost(OTHER, END), ME, 20), None, state)


def test_a_worker_that_is_known_to_be_dead_needs_no_watching(space: Space) -> None:
    """Its supervisor has reaped it; its lease may have been renewed a moment ago, or be missing."""
    space.load({LOST: ["a"], "leases:q": {OTHER: END}})
    assert space.run(adopt(space.keys, "q", Lost(OTHER), ME, 20)) == Adopted([b"a"], 0)
    space.load({LOST: ["b"]})
    space.redis.zrem("resque:leases:q", OTHER)
    assert space.run(adopt(space.keys, "q", Lost(OTHER), ME, 20)) == Adopted([b"b"], 0)
    assert set(space.dump()["leases:q"]) == {ME}


def test_adopted_in_chunks_and_released_each_time_the_queue_has_its_order(space: Space) -> None:
    """The newest come first: each older chunk is released in front of it."""
    jobs = list("abcdefg")
    space.load({LOST: jobs, "leases:q": {OTHER: END}, "queue:q": ["later"]})
    seen = []
    while True:
        adopted = space.run(adopt(space.keys, "q", Lost(OTHER, END), ME, 20, count=3))
        seen.append((b"".join(adopted.payloads), adopted.left))
        space.run(release(space.keys, Holder("q", ME, f"{ME}:-"), [(raw, b"") for raw in adopted.payloads]))
        if not adopted.left:
            break
    assert seen == [(b"efg", 4), (b"bcd", 1), (b"a", 0)]
    assert space.dump() == {"queue:q": [*jobs, "later"], "leases:q": {OTHER: In(0), ME: In(20)}}


def test_adopted_in_chunks_without_releasing_the_list_has_its_order(space: Space) -> None:
    """A recoverer that dies between two chunks is recovered with its jobs in order."""
    space.load({LOST: list("abcde"), "leases:q": {OTHER: END}})
    for _ in range(3):
        space.run(adopt(space.keys, "q", Lost(OTHER, END), ME, 20, count=2))
    assert space.dump()[MINE] == list("abcde")


def test_while_jobs_are_left_the_lease_that_was_seen_stays(space: Space) -> None:
    """The next chunk is asked for with the same lease end; so may another recoverer do."""
    space.load({LOST: list("abc"), "leases:q": {OTHER: END}})
    assert space.run(adopt(space.keys, "q", Lost(OTHER, END), ME, 20, count=2)) == Adopted([b"b", b"c"], 1)
    assert space.dump() == {LOST: ["a"], MINE: ["b", "c"], "leases:q": {OTHER: END, ME: In(20)}}


def test_two_recoverers_share_nothing(space: Space) -> None:
    """R7: the second is refused, since the first has changed the lease."""
    space.load({LOST: ["a"], "leases:q": {OTHER: END}})
    second = "host~second:1"
    assert space.run(adopt(space.keys, "q", Lost(OTHER, END), ME, 20)) == Adopted([b"a"], 0)
    assert space.run(adopt(space.keys, "q", Lost(OTHER, END), second, 20)) is None
    assert space.dump() == {MINE: ["a"], "leases:q": {OTHER: In(0), ME: In(20)}}


def test_an_identical_victim_twice_gives_nothing_the_second_time(space: Space) -> None:
    """Known to be dead, asked for again after a lost reply: the jobs are in the recoverer's list, once."""
    space.load({LOST: ["a", "a"], "leases:q": {OTHER: END}})
    again = adopt(space.keys, "q", Lost(OTHER), ME, 20)
    assert space.run_all([again, again]) == [Adopted([b"a", b"a"], 0), Adopted([], 0)]
    assert space.dump() == {MINE: ["a", "a"], "leases:q": {OTHER: In(0), ME: In(20)}}


def test_a_worker_that_held_nothing_costs_no_lease_of_ours(space: Space) -> None:
    space.check(
        {"leases:q": {OTHER: END}},
        adopt(space.keys, "q", Lost(OTHER, END), ME, 20),
        Adopted([], 0),
        {"leases:q": {OTHER: In(0)}},
    )


def test_lease_ends_are_compared_to_the_millisecond(space: Space) -> None:
    end = 1_764_000_000_001.0
    space.load({LOST: ["a"], "leases:q": {OTHER: end}})
    assert space.run(adopt(space.keys, "q", Lost(OTHER, end - 1), ME, 20)) is None
    assert space.run(adopt(space.keys, "q", Lost(OTHER, end), ME, 20)) == Adopted([b"a"], 0)
