"""Leases and what is held: renew, forget, shorten, end, read again."""

import pytest

from resque.store import inflight
from tests.transitions.state import ME, OTHER, In, Space, State

pytestmark = pytest.mark.every_server

MINE, THEIRS = f"inflight:q:{ME}", f"inflight:q:{OTHER}"
END = 1_700_000_000_123.0


def test_renew_touches_only_members_that_are_there(space: Space) -> None:
    """ZADD XX: a worker that was forgotten is not brought back by its supervisor."""
    space.check(
        {"leases:q": {ME: END, OTHER: END}, "leases:r": {OTHER: END}},
        inflight.renew(space.keys, ["q", "r", "none"], [ME, "host~new:1"], 20),
        1,
        {"leases:q": {ME: In(20), OTHER: END}, "leases:r": {OTHER: END}},
    )


def test_renew_takes_many_workers_and_queues_at_once(space: Space) -> None:
    given: State = {f"leases:{q}": {ME: END, OTHER: END} for q in ("q", "r")}
    renewed: State = {f"leases:{q}": {ME: In(7.5), OTHER: In(7.5)} for q in ("q", "r")}
    space.check(given, inflight.renew(space.keys, ["q", "r"], [ME, OTHER], 7.5), 4, renewed)


def test_renew_goes_on_past_a_key_of_another_type(space: Space) -> None:
    space.redis.set("resque:leases:broken", "a string")
    space.load({"leases:q": {ME: END}})
    assert space.run(inflight.renew(space.keys, ["broken", "q"], [ME], 20)) == 1
    assert space.dump() == {"leases:broken": "a string", "leases:q": {ME: In(20)}}


def test_forget_takes_a_worker_that_holds_nothing(space: Space) -> None:
    space.check(
        {"leases:q": {ME: END, OTHER: END}, MINE: ["a"]},
        inflight.forget(space.keys, "q", OTHER, END),
        1,
        {"leases:q": {ME: END}, MINE: ["a"]},
    )


def test_forget_refuses_while_the_list_is_not_empty(space: Space) -> None:
    """A late command of the worker arrived after all."""
    state: State = {"leases:q": {OTHER: END}, THEIRS: ["late"]}
    space.check(state, inflight.forget(space.keys, "q", OTHER, END), 0, state)


@pytest.mark.parametrize("seen", [END - 1, END + 1])
def test_forget_refuses_when_the_lease_has_changed(space: Space, seen: float) -> None:
    state: State = {"leases:q": {OTHER: END}}
    space.check(state, inflight.forget(space.keys, "q", OTHER, seen), 0, state)


def test_forgetting_twice_is_no_error(space: Space) -> None:
    space.load({"leases:q": {OTHER: END}})
    again = inflight.forget(space.keys, "q", OTHER, END)
    assert space.run_all([again, again]) == [1, 0]
    assert space.dump() == {}


def test_audit_gives_a_list_its_queues_name_and_a_lease(space: Space) -> None:
    """R27: Ruby's remove_queue forgets a queue that has jobs in flight."""
    space.check(
        {MINE: ["a"]},
        inflight.audit(space.keys, "q", ME, 20),
        (True, True),
        {MINE: ["a"], "queues": {"q"}, "leases:q": {ME: In(20)}},
    )


@pytest.mark.parametrize(
    ("there", "repaired"),
    [({"queues": {"q"}}, (False, True)), ({"leases:q": {ME: END}}, (True, False))],
    ids=["named", "leased"],
)
def test_audit_adds_only_what_is_missing(space: Space, there: State, repaired: tuple[bool, bool]) -> None:
    """NX: a lease that has ended is the sign of death, and must not be renewed here."""
    full: State = {MINE: ["a"], "queues": {"q"}, "leases:q": {ME: In(20)}}
    space.check({MINE: ["a"]} | there, inflight.audit(space.keys, "q", ME, 20), repaired, full | there)


def test_audit_leaves_a_list_alone_that_is_gone_meanwhile(space: Space) -> None:
    space.check({}, inflight.audit(space.keys, "q", ME, 20), (False, False), {})


def test_a_lease_of_the_far_future_is_cut_and_a_nearer_one_is_not(space: Space) -> None:
    space.load({"leases:q": {ME: END + 999_999, OTHER: END - 5}})
    keys = space.keys
    operations = [inflight.shorten(keys, "q", each, int(END)) for each in (ME, OTHER, "host~new:1")]
    assert space.run_all(operations) == [1, 0, 0]
    assert space.dump() == {"leases:q": {ME: float(int(END)), OTHER: END - 5}}


def test_a_clean_exit_ends_its_own_lease(space: Space) -> None:
    space.load({"leases:q": {ME: END, OTHER: END}})
    keys = space.keys
    assert space.run_all([inflight.end_lease(keys, "q", each, 5) for each in (ME, "host~new:1")]) == [1, 0]
    assert space.dump() == {"leases:q": {ME: 5.0, OTHER: END}}


def test_what_a_worker_holds_is_read_in_reserve_order(space: Space) -> None:
    space.load({MINE: ["a", "b", "c"], THEIRS: ["x"]})
    assert space.run(inflight.held(space.keys, "q", ME)) == [b"a", b"b", b"c"]
    assert space.run(inflight.held(space.keys, "none", ME)) == []
    assert [space.run(inflight.count(space.keys, q, ME)) for q in ("q", "none")] == [3, 0]
    assert space.run(inflight.holds_any(space.keys, ["q", "none"], ME)) == 1
    assert space.run(inflight.holds_any(space.keys, ["none"], ME)) == 0


def test_leases_are_listed_by_their_end(space: Space) -> None:
    space.load({"leases:q": {ME: END, OTHER: END - 1}})
    assert space.run(inflight.leases(space.keys, "q")) == [(OTHER, END - 1), (ME, END)]
    assert space.run(inflight.leases(space.keys, "none")) == []


def test_the_audits_scan_finds_every_list_of_jobs_and_nothing_else(space: Space) -> None:
    space.load(
        {
            **{f"queue:q{n}": ["a"] for n in range(600)},
            "inflight:a:b:host~1:2": ["a"],
            "failed": ["a"],
            "queues": {"q"},
            "oversize:q": ["a"],
            "leases:q": {ME: 1.0},
        }
    )
    space.redis.rpush("other:queue:q", "a")
    cursor, found = 0, []
    while True:
        cursor, keys = space.run(inflight.scan(space.keys, "list", cursor))
        found += keys
        if not cursor:
            break
    assert sorted(set(found)) == sorted(["resque:inflight:a:b:host~1:2", *(f"resque:queue:q{n}" for n in range(600))])
