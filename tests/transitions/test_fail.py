"""in-flight -> failed."""

import pytest

from resque.store.settle import METRICS_LIFE, Holder, Settled, fail
from tests.transitions.state import ID, ME, MINUTE, OTHER, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
METRICS = f"metrics:q:{MINUTE}"
HOLDER = Holder("q", ME, ID)


def counted(count: int, **fields: int) -> State:
    """The counters after `count` failures; fields as A_failed=1."""
    metrics = {name.replace("_", "|"): str(value) for name, value in fields.items()}
    names = ("stat:processed", "stat:failed", f"stat:processed:{ID}", f"stat:failed:{ID}")
    return {name: str(count) for name in names} | {METRICS: metrics}


def test_failed_jobs_are_recorded_in_order_and_counted_as_processed_and_failed(space: Space) -> None:
    """Both, as Resque counts (WIRE 5); the newest record is at the back."""
    entries = [(b"a", b"record of a", "A|failed", "A|r2"), (b"c", b"record of c", "?|failed", "")]
    space.load({MINE: ["a", "b", "c"], "failed": ["older"]})
    assert space.run(fail(space.keys, HOLDER, entries, MINUTE)) == Settled(2, 1)
    metrics = {"A|failed": "1", "A|r2": "1", "?|failed": "1"}
    expected = {MINE: ["b"], "failed": ["older", "record of a", "record of c"]}
    assert space.dump() == expected | counted(2) | {METRICS: metrics}
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_a_missing_payload_writes_nothing(space: Space) -> None:
    """Lease lost: whoever has the job now decides about it."""
    state: State = {f"inflight:q:{OTHER}": ["a"], MINE: ["b"]}
    operation = fail(space.keys, HOLDER, [(b"a", b"record", "A|failed", "A|r2")], MINUTE)
    space.check(state, operation, Settled(0, 1), state)


def test_failing_twice_records_once(space: Space) -> None:
    space.load({MINE: ["a"]})
    again = fail(space.keys, HOLDER, [(b"a", b"record", "A|failed", "")], MINUTE)
    assert space.run_all([again, again]) == [Settled(1, 0), Settled(0, 0)]
    assert space.dump() == {"failed": ["record"]} | counted(1, A_failed=1)


def test_one_of_two_equal_payloads_is_one_job(space: Space) -> None:
    space.check(
        {MINE: ["twin", "x", "twin"]},
        fail(space.keys, HOLDER, [(b"twin", b"record", "A|failed", "")], MINUTE),
        Settled(1, 2),
        {MINE: ["x", "twin"], "failed": ["record"]} | counted(1, A_failed=1),
    )


def test_a_record_that_cannot_be_written_keeps_the_job(space: Space) -> None:
    """Nothing is lost, nothing is counted, and the answer says why."""
    state: State = {MINE: ["a"], "failed": "a string"}
    space.load(state)
    settled = space.run(fail(space.keys, HOLDER, [(b"a", b"record", "A|failed", "")], MINUTE))
    assert (settled.ours, settled.inflight) == (0, 1)
    assert "WRONGTYPE" in settled.error
    assert space.dump() == state


@pytest.mark.parametrize("broken", ["stat:processed", "stat:failed", METRICS])
def test_a_counter_of_another_type_does_not_keep_the_job(space: Space, broken: str) -> None:
    space.load({MINE: ["a"], broken: {"a set"}})
    assert space.run(fail(space.keys, HOLDER, [(b"a", b"r", "A|failed", "A|r2")], MINUTE)) == Settled(1, 0)
    assert space.dump() == {"failed": ["r"]} | counted(1, A_failed=1, A_r2=1) | {broken: {"a set"}}
