"""new -> waiting or delayed, under a lock."""

from typing import Any

import pytest

from resque.errors import Refused
from resque.store import unique
from resque.store.unique import Claim, Claimed
from tests.transitions.state import Space, State

pytestmark = pytest.mark.every_server

LOCK = "lock:q:d1"
DUE = 1_900_000_000.25


def payload(id: str, extra: str = "", end: str = "}") -> str:
    """A payload in our own form; `extra` is in its arguments."""
    return f'{{"class":"A","args":[{extra}],"meta":{{"id":"{id}","queue":"q","enqueued_at":1.5}}{end}'


def claim(id: str, conflict: Any = "skip", **more: Any) -> Claim:
    return Claim(id, payload(id).encode(), "d1", more.pop("ttl", 60.0), conflict, **more)


def enqueue(space: Space, claim: Claim) -> Any:
    """The second answer; the queue's name is not looked at."""
    name, store = unique.enqueue(space.keys, "q", claim)
    assert (name.command, name.keys) == ("SADD", ("resque:queues",))
    return space.run_all([store])[0]


# a free lock ----------------------------------------------------------------------------------------------------------


def test_the_first_one_takes_the_lock_and_waits_at_the_back(space: Space) -> None:
    space.load({"queue:q": ["x"]})
    assert space.run_all(unique.enqueue(space.keys, "q", claim("a"))) == [1, Claimed(True, "a")]
    assert space.dump() == {"queues": {"q"}, "queue:q": ["x", payload("a")], LOCK: "a"}
    assert 50_000 < space.redis.pttl(f"resque:{LOCK}") <= 60_000


def test_at_the_front(space: Space) -> None:
    space.load({"queue:q": ["x"]})
    assert enqueue(space, claim("a", front=True)) == Claimed(True, "a")
    assert space.dump() == {"queue:q": [payload("a"), "x"], LOCK: "a"}


def test_delayed(space: Space) -> None:
    assert enqueue(space, claim("a", due=DUE)) == Claimed(True, "a")
    assert space.dump() == {"delayed:q": {"a": DUE}, "payloads:q": {"a": payload("a")}, LOCK: "a"}


def test_delayed_under_an_id_that_is_taken(space: Space) -> None:
    """Another job without a lock has it. The lock names the id that is in the payload."""
    space.load({"delayed:q": {"a": 5.0}, "payloads:q": {"a": "other"}})
    assert enqueue(space, claim("a", due=DUE)) == Claimed(True, "a~1")
    state = space.dump()
    assert state["delayed:q"] == {"a": 5.0, "a~1": DUE}
    assert (state["payloads:q"], state[LOCK]) == ({"a": "other", "a~1": payload("a")}, "a")


@pytest.mark.parametrize("ttl", [0.25, 0.0001])
def test_a_lock_lives_for_milliseconds_too(space: Space, ttl: float) -> None:
    """At least one: Redis refuses a life of none."""
    assert enqueue(space, claim("a", ttl=ttl)) == Claimed(True, "a")
    assert -2 <= space.redis.pttl(f"resque:{LOCK}") <= 250


# a lock that is held --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conflict", ["skip", "raise"])
@pytest.mark.parametrize("due", [None, DUE])
def test_the_second_one_is_not_stored_and_hears_of_the_first(space: Space, conflict: str, due: float | None) -> None:
    state: State = {LOCK: "first", "queue:q": [payload("first")]}
    space.load(state)
    assert enqueue(space, claim("a", conflict, due=due)) == Claimed(False, "first")
    assert space.dump() == state | {"stat:deduplicated": "1"}
    assert space.redis.pttl(f"resque:{LOCK}") == -1, "the lock's life is that of its holder"


def test_other_digests_and_other_queues_are_free(space: Space) -> None:
    space.load({"lock:q:d2": "x", "lock:r:d1": "x"})
    assert enqueue(space, claim("a")) == Claimed(True, "a")


def test_a_delayed_holder_is_replaced(space: Space) -> None:
    """Debounce: the newest arguments, at the newest time."""
    space.load(
        {
            LOCK: "first",
            "delayed:q": {"first": 5.0, "x": 6.0},
            "payloads:q": {"first": "{}", "x": "{}"},
            "attempts:q": {"first": "{}", "x": "{}"},
        }
    )
    assert enqueue(space, claim("a", "replace", due=DUE)) == Claimed(True, "a")
    assert space.dump() == {
        LOCK: "a",
        "delayed:q": {"x": 6.0, "a": DUE},
        "payloads:q": {"x": "{}", "a": payload("a")},
        "attempts:q": {"x": "{}"},
        "stat:deduplicated": "1",
    }
    assert 50_000 < space.redis.pttl(f"resque:{LOCK}") <= 60_000


def test_a_delayed_holder_with_the_same_id_is_changed_in_place(space: Space) -> None:
    space.load({LOCK: "a", "delayed:q": {"a": 5.0}, "payloads:q": {"a": "older arguments"}})
    assert enqueue(space, claim("a", "replace", due=DUE)) == Claimed(True, "a")
    state = space.dump()
    assert (state["delayed:q"], state["payloads:q"]) == ({"a": DUE}, {"a": payload("a")})


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("holder", ["first", "a"])
def test_a_delayed_holder_is_replaced_by_one_that_may_run_now(space: Space, holder: str, front: bool) -> None:
    space.load({LOCK: holder, "delayed:q": {holder: 5.0}, "payloads:q": {holder: "{}"}, "queue:q": ["x"]})
    assert enqueue(space, claim("a", "replace", front=front)) == Claimed(True, "a")
    waiting = [payload("a"), "x"] if front else ["x", payload("a")]
    assert space.dump() == {LOCK: "a", "queue:q": waiting, "stat:deduplicated": "1"}


@pytest.mark.parametrize("place", [0, 1, 24, 25, 26, 59])
@pytest.mark.parametrize("end", ["}", ',"sig":"k1:0"}', ',"tries":{"attempt":2,"crashes":0}}'])
def test_a_waiting_holder_gives_its_place_to_the_new_one(space: Space, place: int, end: str) -> None:
    """Wherever in the queue; the trailer of a job that was tried before is no obstacle."""
    others = [payload(f"x{number}") for number in range(60)]
    queue = [*others[:place], payload("first", end=end), *others[place:]]
    space.load({LOCK: "first", "queue:q": queue, "attempts:q": {"first": "{}"}})
    assert enqueue(space, claim("a", "replace")) == Claimed(True, "a")
    assert space.dump() == {
        LOCK: "a",
        "queue:q": [*others[:place], payload("a"), *others[place:]],
        "stat:deduplicated": "1",
    }


def test_a_waiting_holder_is_removed_for_one_at_the_front(space: Space) -> None:
    space.load({LOCK: "first", "queue:q": ["x", payload("first"), "y"]})
    assert enqueue(space, claim("a", "replace", front=True)) == Claimed(True, "a")
    assert space.dump() == {LOCK: "a", "queue:q": [payload("a"), "x", "y"], "stat:deduplicated": "1"}


def test_a_waiting_holder_is_removed_for_one_that_is_delayed(space: Space) -> None:
    """It would run before the time that was asked for."""
    space.load({LOCK: "first", "queue:q": ["x", payload("first"), "y"]})
    assert enqueue(space, claim("a", "replace", due=DUE)) == Claimed(True, "a")
    assert space.dump() == {
        LOCK: "a",
        "queue:q": ["x", "y"],
        "delayed:q": {"a": DUE},
        "payloads:q": {"a": payload("a")},
        "stat:deduplicated": "1",
    }


def test_a_waiting_holder_that_carries_another_payload_is_found(space: Space) -> None:
    """Its own meta is the last one."""
    space.load({LOCK: "first", "queue:q": [payload("first", payload("x"))]})
    assert enqueue(space, claim("a", "replace")) == Claimed(True, "a")
    assert space.dump() == {LOCK: "a", "queue:q": [payload("a")], "stat:deduplicated": "1"}


@pytest.mark.parametrize(("due", "left"), [(None, [payload("first"), payload("a")]), (DUE, [payload("first")])])
def test_of_two_holders_with_equal_bytes_one_is_replaced(space: Space, due: float | None, left: list[str]) -> None:
    """The one that would run last."""
    space.load({LOCK: "first", "queue:q": [payload("first"), payload("first")]})
    assert enqueue(space, claim("a", "replace", due=due)) == Claimed(True, "a")
    assert space.dump()["queue:q"] == left


OWN = '"meta":{"id":"first","queue":"q","enqueued_at":1.5}'


@pytest.mark.parametrize(
    "other",
    [
        payload("x", '"first"'),
        payload("x", '{"id":"first"}'),
        payload("x", payload("first")),
        payload("x", payload("first", end=',"tries":{"attempt":1,"crashes":0}}')),
        payload("first and more"),
        payload("not first"),
        f'{{"class":"A","args":[{{{OWN}}}]}}',
        f'{{"class":"A","args":[],"kwargs":{{{OWN}}}}}',
        f'{{"class":"A","args":[{{"a":[],{OWN}}}],"tries":{{"attempt":1,"crashes":0}}}}',
        '{"class":"A","args":["\\"meta\\":{\\"id\\":\\"first\\"}"]}',
        "first",
        '"meta":{"id":"first',
    ],
)
def test_a_job_that_only_speaks_of_the_holder_is_left_alone(space: Space, other: str) -> None:
    """To replace the wrong job is to lose it."""
    space.load({LOCK: "first", "queue:q": [other]})
    assert enqueue(space, claim("a", "replace")) == Claimed(True, "a")
    assert space.dump() == {LOCK: "a", "queue:q": [other, payload("a")]}


@pytest.mark.parametrize("due", [None, DUE])
def test_beside_a_holder_that_runs_or_has_ended_the_new_one_is_stored_and_has_the_lock(
    space: Space, due: float | None
) -> None:
    space.load({LOCK: "first", "queue:q": [payload("x")], "attempts:q": {"first": "{}"}})
    assert enqueue(space, claim("a", "replace", due=due)) == Claimed(True, "a")
    state = space.dump()
    assert (state[LOCK], state["attempts:q"]) == ("a", {"first": "{}"}), "it may be retried"
    assert state.get("delayed:q", {}) == ({} if due is None else {"a": DUE})
    assert payload("x") in state["queue:q"]
    assert "stat:deduplicated" not in state


@pytest.mark.parametrize(("limit", "size"), [("SEARCH_JOBS", 50), ("SEARCH_BYTES", 2000)])
def test_the_search_has_an_end(space: Space, monkeypatch: pytest.MonkeyPatch, limit: str, size: int) -> None:
    """On a queue of millions; too far away means not found."""
    monkeypatch.setattr(unique, limit, size)
    others = [payload(f"x{number}") for number in range(100)]
    space.load({LOCK: "first", "queue:q": [payload("first"), *others]})
    assert enqueue(space, claim("a", "replace")) == Claimed(True, "a")
    assert space.dump() == {LOCK: "a", "queue:q": [payload("first"), *others, payload("a")]}


# what goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [LOCK, "queue:q", "delayed:q", "payloads:q"])
@pytest.mark.parametrize("due", [None, DUE])
def test_a_key_of_another_type_refuses_the_job_and_leaves_no_lock(space: Space, broken: str, due: float | None) -> None:
    """A lock without a job would keep all others out."""
    state: State = {broken: {"a set"}}
    space.load(state)
    refused = enqueue(space, claim("a", due=due))
    assert isinstance(refused, Refused)
    assert "WRONGTYPE" in str(refused)
    assert space.dump() == state


@pytest.mark.parametrize("broken", ["stat:deduplicated", "attempts:q"])
@pytest.mark.parametrize("conflict", ["skip", "replace"])
def test_a_counter_of_another_type_changes_nothing_else(space: Space, broken: str, conflict: str) -> None:
    space.load({LOCK: "first", "queue:q": [payload("first")], broken: {"a set"}})
    assert enqueue(space, claim("a", conflict)) == Claimed(
        conflict == "replace", "a" if conflict == "replace" else "first"
    )
    assert space.dump()[broken] == {"a set"}


# unlock ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "freed", "left"), [({LOCK: "a"}, True, {}), ({LOCK: "b"}, False, {LOCK: "b"}), ({}, False, {})]
)
def test_only_the_holder_frees_its_lock(space: Space, state: State, freed: bool, left: State) -> None:
    space.check(state, unique.unlock(space.keys, "q", "d1", "a"), freed, left)


def test_a_lock_ends_by_itself(space: Space) -> None:
    """Whatever became of its job."""
    assert enqueue(space, claim("a", ttl=0.02)) == Claimed(True, "a")
    for _ in range(10_000):
        answer = enqueue(space, claim("b"))
        if answer.stored:
            break
        assert answer == Claimed(False, "a")
    assert answer == Claimed(True, "b")


def test_what_is_due_already_is_delayed_all_the_same(space: Space) -> None:
    """The next promotion takes it."""
    assert enqueue(space, claim("a", due=1.0)) == Claimed(True, "a")
    assert space.dump()["delayed:q"] == {"a": 1.0}
