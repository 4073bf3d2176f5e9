"""in-flight -> waiting, at the front."""

import pytest

from resque.store.reserve import reserve
from resque.store.settle import Holder, Settled, release
from tests.transitions.state import ID, ME, OTHER, In, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
HOLDER = Holder("q", ME, ID)


def test_released_jobs_are_first_again_in_their_old_order(space: Space) -> None:
    space.check(
        {MINE: ["a", "b", "c"], "queue:q": ["d"]},
        release(space.keys, HOLDER, [(b"a", b""), (b"b", b""), (b"c", b"")]),
        Settled(3, 0),
        {"queue:q": ["a", "b", "c", "d"]},
    )


def test_reserve_and_release_leave_everything_as_it_was(space: Space) -> None:
    space.load({"queue:q": ["a", "b", "c", "d"]})
    (taken,) = space.run(reserve(space.keys, ["q"], ME, 3, 20))
    assert space.run(release(space.keys, HOLDER, [(raw, b"") for raw in taken.payloads])) == Settled(3, 0)
    assert space.dump() == {"queue:q": ["a", "b", "c", "d"], "leases:q": {ME: In(20)}}


def test_a_replacement_goes_where_the_job_would_have_gone(space: Space) -> None:
    """Recovery writes one crash more into a payload; the others stay as they are."""
    space.check(
        {MINE: ["a", "b"], "queue:q": ["c"]},
        release(space.keys, HOLDER, [(b"a", b"a, crashed once"), (b"b", b"")]),
        Settled(2, 0),
        {"queue:q": ["a, crashed once", "b", "c"]},
    )


def test_only_some_of_those_in_hand(space: Space) -> None:
    space.check(
        {MINE: ["running", "a", "b"]},
        release(space.keys, HOLDER, [(b"a", b""), (b"b", b"")]),
        Settled(2, 1),
        {MINE: ["running"], "queue:q": ["a", "b"]},
    )


def test_what_is_not_ours_any_more_is_not_pushed(space: Space) -> None:
    """Else a job would wait twice."""
    state: State = {f"inflight:q:{OTHER}": ["a"], "queue:q": ["b"]}
    space.check(state, release(space.keys, HOLDER, [(b"a", b"changed")]), Settled(0, 0), state)


def test_releasing_twice_pushes_once(space: Space) -> None:
    space.load({MINE: ["a"]})
    again = release(space.keys, HOLDER, [(b"a", b"")])
    assert space.run_all([again, again]) == [Settled(1, 0), Settled(0, 0)]
    assert space.dump() == {"queue:q": ["a"]}


def test_of_two_equal_payloads_the_one_reserved_last_goes(space: Space) -> None:
    """The older twin may be running."""
    space.check(
        {MINE: ["twin", "x", "twin"]},
        release(space.keys, HOLDER, [(b"twin", b"")]),
        Settled(1, 2),
        {MINE: ["twin", "x"], "queue:q": ["twin"]},
    )


def test_a_queue_of_another_type_keeps_the_jobs_in_flight(space: Space) -> None:
    state: State = {MINE: ["a", "b"], "queue:q": "a string"}
    space.load(state)
    settled = space.run(release(space.keys, HOLDER, [(b"a", b""), (b"b", b"")]))
    assert (settled.ours, settled.inflight) == (0, 2)
    assert "WRONGTYPE" in settled.error
    assert space.dump() == state
