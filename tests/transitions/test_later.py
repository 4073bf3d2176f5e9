"""in-flight -> delayed: another attempt."""

from typing import Any

import pytest

from resque.store import attempts
from resque.store.settle import METRICS_LIFE, Holder, Later, Settled, later
from tests.transitions.state import ID, ME, MINUTE, OTHER, Due, Space, State

pytestmark = pytest.mark.every_server

MINE = f"inflight:q:{ME}"
METRICS = f"metrics:q:{MINUTE}"
HOLDER = Holder("q", ME, ID)
A = Later(b"job a", b"job a, 2nd", "a", 60.0, b'{"error":"no"}', ("A|retried", "A|r5"))


def again(space: Space, *rows: Later) -> Any:
    return later(space.keys, HOLDER, rows, MINUTE)


def counted(count: int, **fields: int) -> State:
    """The counters after `count` retries; fields as A_retried=1."""
    return {"stat:retried": str(count), METRICS: {name.replace("_", "|"): str(n) for name, n in fields.items()}}


def test_the_job_waits_for_its_next_attempt_and_its_error_is_kept(space: Space) -> None:
    space.check(
        {MINE: ["job a", "job b"]},
        again(space, A),
        Settled(1, 1),
        {
            MINE: ["job b"],
            "delayed:q": {"a": Due(60)},
            "payloads:q": {"a": "job a, 2nd"},
            "attempts:q": {"a": '{"error":"no"}'},
        }
        | counted(1, A_retried=1, A_r5=1),
    )
    assert 0 < space.redis.ttl(f"resque:{METRICS}") <= METRICS_LIFE


def test_the_delay_runs_on_the_servers_clock_with_fractions(space: Space) -> None:
    space.load({MINE: ["job a", "job b"]})
    seconds, micros = space.redis.time()
    rows = [A._replace(delay=0.25), A._replace(raw=b"job b", id="b", delay=0.5)]
    assert space.run(again(space, *rows)) == Settled(2, 0)
    due = space.dump()["delayed:q"]
    assert due["b"] - due["a"] == pytest.approx(0.25, abs=1e-4)
    assert 0.25 - 1e-5 <= due["a"] - (seconds + micros / 1_000_000) < 5


def test_without_a_change_the_payload_itself_is_stored_and_no_error_means_none(space: Space) -> None:
    space.check(
        {MINE: ["job a"]},
        again(space, A._replace(changed=b"", error=b"", fields=())),
        Settled(1, 0),
        {"delayed:q": {"a": Due(60)}, "payloads:q": {"a": "job a"}, "stat:retried": "1"},
    )


def test_rows_of_different_jobs_with_different_numbers_of_fields(space: Space) -> None:
    space.load({MINE: ["job a", "job b", "job c"]})
    rows = [
        A._replace(fields=()),
        A._replace(raw=b"job b", id="b", fields=("B|retried", "", "B|r1")),
        A._replace(raw=b"job c", id="c", fields=("B|retried",)),
    ]
    assert space.run(again(space, *rows)) == Settled(3, 0)
    state = space.dump()
    assert (state["stat:retried"], state[METRICS]) == ("3", {"B|retried": "2", "B|r1": "1"})
    assert list(state["delayed:q"]) == ["a", "b", "c"]


def test_a_missing_payload_writes_nothing(space: Space) -> None:
    """Lease lost: whoever has the job now decides about it."""
    state: State = {f"inflight:q:{OTHER}": ["job a"], MINE: ["job b"]}
    space.check(state, again(space, A), Settled(0, 1), state)


def test_settling_twice_delays_once(space: Space) -> None:
    """R5: the reply was lost, the worker settles again."""
    space.load({MINE: ["job a"]})
    assert space.run_all([again(space, A), again(space, A)]) == [Settled(1, 0), Settled(0, 0)]
    state = space.dump()
    assert state["payloads:q"] == {"a": "job a, 2nd"}
    assert state["attempts:q"] == {"a": '{"error":"no"}'}
    assert state["stat:retried"] == "1"


# ids that are taken ---------------------------------------------------------------------------------------------------


def test_each_of_two_equal_payloads_is_a_job(space: Space) -> None:
    """Both in one call and one after the other; equal bytes in delayed are no reason to lose one."""
    space.load({MINE: ["x", "job a", "job a", "job a"]})
    assert space.run(again(space, A, A)) == Settled(2, 2)
    assert space.run(again(space, A)) == Settled(1, 1)
    state = space.dump()
    assert state[MINE] == ["x"]
    assert state["payloads:q"] == dict.fromkeys(["a", "a~1", "a~2"], "job a, 2nd")
    assert state["delayed:q"] == {"a": Due(60), "a~1": Due(60), "a~2": Due(60)}


def test_of_two_equal_payloads_the_older_goes(space: Space) -> None:
    space.load({MINE: ["job a", "x", "job a"]})
    assert space.run(again(space, A)) == Settled(1, 2)
    assert space.dump()[MINE] == ["x", "job a"]


def test_an_id_that_another_job_has_costs_neither(space: Space) -> None:
    """Two jobs that somebody gave one id."""
    space.load({MINE: ["job a"], "delayed:q": {"a": 5.0}, "payloads:q": {"a": "another"}})
    assert space.run(again(space, A)) == Settled(1, 0)
    state = space.dump()
    assert state["delayed:q"] == {"a": 5.0, "a~1": Due(60)}
    assert state["payloads:q"] == {"a": "another", "a~1": "job a, 2nd"}


# errors of earlier attempts -------------------------------------------------------------------------------------------


def test_errors_are_kept_in_order_and_only_the_newest_ten(space: Space) -> None:
    for number in range(13):
        space.load({MINE: ["job a"]})
        row = A._replace(error=b'{"error":"%d, with a comma, and \\n"}' % number)
        assert space.run(again(space, row)) == Settled(1, 0)
        kept = range(max(0, number - 9), number + 1)
        found = space.run(attempts.of(space.keys, "q", "a"))
        assert found == [b'{"error":"%d, with a comma, and \\n"}' % each for each in kept]


def test_a_job_without_earlier_attempts_has_no_errors(space: Space) -> None:
    assert space.run(attempts.of(space.keys, "q", "a")) == []
    space.load({"attempts:q": {"b": "{}"}})
    assert space.run(attempts.of(space.keys, "q", "a")) == []


def test_an_error_with_a_line_feed_is_refused_by_the_caller(space: Space) -> None:
    with pytest.raises(AssertionError):
        again(space, A._replace(error=b'{\n"error":"no"}'))


# what goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["delayed:q", "payloads:q"])
def test_a_key_of_another_type_keeps_the_job_in_flight(space: Space, broken: str) -> None:
    """Nothing is half written, nothing counted, and the answer says why."""
    state: State = {MINE: ["job a", "job b"], broken: "a string"}
    space.load(state)
    settled = space.run(again(space, A))
    assert (settled.ours, settled.inflight) == (0, 2)
    assert "WRONGTYPE" in settled.error
    assert space.dump() == state


@pytest.mark.parametrize("broken", ["attempts:q", "stat:retried", METRICS])
def test_a_key_of_another_type_beside_it_does_not_keep_the_job(space: Space, broken: str) -> None:
    space.load({MINE: ["job a"], broken: {"a set"}})
    assert space.run(again(space, A)) == Settled(1, 0)
    moved = {"delayed:q": {"a": Due(60)}, "payloads:q": {"a": "job a, 2nd"}}
    beside = {"attempts:q": {"a": '{"error":"no"}'}} | counted(1, A_retried=1, A_r5=1) | {broken: {"a set"}}
    assert space.dump() == moved | beside
