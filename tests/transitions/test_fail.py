"""in-flight -> failed."""

import msgspec
import pytest

from resque.payload import failure
from resque.store.settle import METRICS_LIFE, Failing, Holder, Settled, fail
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


# of a job that was tried before, or has a lock ------------------------------------------------------------------------

RECORD = msgspec.json.encode({"failed_at": "", "payload": {"class": "A"}, "exception": "E", "error": "}", "id": "a"})
EARLIER = '{"error":"1st, with a comma"}\n{"error":"2nd \\\\n }"}'


def failing(id: str = "a", lock: str = "d1", record: bytes = RECORD) -> tuple[bytes, bytes, str, str, str, str]:
    return (b"job a", record, "A|failed", "", id, lock)


def test_the_errors_of_earlier_attempts_move_into_the_record(space: Space) -> None:
    space.load({MINE: ["job a"], "attempts:q": {"a": EARLIER, "b": "{}"}, "lock:q:d1": "a", "lock:q:d2": "b"})
    assert space.run(fail(space.keys, HOLDER, [failing()], MINUTE)) == Settled(1, 0)
    state = space.dump()
    (record,) = state.pop("failed")
    assert state == {"attempts:q": {"b": "{}"}, "lock:q:d2": "b"} | counted(1, A_failed=1)
    assert record.startswith(RECORD.decode()[:-1])
    found = failure.read(record.encode())
    assert found.attempts is not None
    assert [bytes(each).decode() for each in found.attempts] == EARLIER.split("\n")
    assert (found.id, found.error, bytes(found.payload)) == ("a", "}", b'{"class":"A"}')


@pytest.mark.parametrize("attempts", [{"attempts:q": {"b": "{}"}}, {"attempts:q": {"a": ""}}, {}])
def test_without_earlier_attempts_the_record_is_as_it_was_given(space: Space, attempts: State) -> None:
    space.load({MINE: ["job a"]} | attempts)
    assert space.run(fail(space.keys, HOLDER, [failing()], MINUTE)) == Settled(1, 0)
    assert space.dump()["failed"] == [RECORD.decode()]


def test_without_an_id_nothing_is_looked_for(space: Space) -> None:
    """A lock is never freed for nobody."""
    space.load({MINE: ["job a"], "attempts:q": {"": "{}"}, "lock:q:d1": "a"})
    assert space.run(fail(space.keys, HOLDER, [failing("", "d1")], MINUTE)) == Settled(1, 0)
    kept = {"attempts:q": {"": "{}"}, "lock:q:d1": "a"}
    assert space.dump() == {"failed": [RECORD.decode()]} | kept | counted(1, A_failed=1)


def test_a_missing_payload_leaves_attempts_and_lock_alone(space: Space) -> None:
    """The fence: they are those of the job that somebody else has now."""
    state: State = {f"inflight:q:{OTHER}": ["job a"], "attempts:q": {"a": "{}"}, "lock:q:d1": "a"}
    space.check(state, fail(space.keys, HOLDER, [failing()], MINUTE), Settled(0, 0), state)


def test_a_lock_that_names_another_job_stays(space: Space) -> None:
    space.load({MINE: ["job a"], "lock:q:d1": "next"})
    assert space.run(fail(space.keys, HOLDER, [failing()], MINUTE)) == Settled(1, 0)
    assert space.dump()["lock:q:d1"] == "next"


def test_a_record_that_cannot_be_written_keeps_attempts_and_lock(space: Space) -> None:
    state: State = {MINE: ["job a"], "failed": "a string", "attempts:q": {"a": "{}"}, "lock:q:d1": "a"}
    space.load(state)
    assert space.run(fail(space.keys, HOLDER, [failing()], MINUTE)).ours == 0
    assert space.dump() == state


def test_rows_with_and_without_locks_in_one_call(space: Space) -> None:
    space.load({MINE: ["job a", "b", "c"], "lock:q:d1": "a", "lock:q:d3": "c", "attempts:q": {"c": "{}"}})
    rows: list[Failing] = [failing(), (b"b", b"record of b", "", ""), (b"c", b"record of c", "", "", "c", "d3")]
    assert space.run(fail(space.keys, HOLDER, rows, MINUTE)) == Settled(3, 0)
    records = [RECORD.decode(), "record of b", "record of c"]
    assert space.dump() == {"failed": records} | counted(3, A_failed=1)


@pytest.mark.parametrize("broken", ["attempts:q", "lock:q:d1"])
def test_a_key_of_another_type_beside_it_does_not_keep_the_job(space: Space, broken: str) -> None:
    space.load({MINE: ["job a"], broken: {"a set"}})
    assert space.run(fail(space.keys, HOLDER, [failing()], MINUTE)) == Settled(1, 0)
    assert space.dump() == {"failed": [RECORD.decode()], broken: {"a set"}} | counted(1, A_failed=1)
