"""new -> waiting, by the clock: each tick once."""

import threading
from typing import Any

import pytest

from resque.errors import Refused
from resque.store import periodic
from resque.store.periodic import RUNS_KEPT, Run
from tests.transitions.state import Space

pytestmark = pytest.mark.every_server

NOON = 1_795_500_000


def fire(space: Space, tick: int, id: str = "a", payload: bytes = b"job a") -> Any:
    """The second answer; the queue's name is not looked at."""
    name, push = periodic.tick(space.keys, "q", "nightly", tick, id, payload)
    assert (name.command, name.keys) == ("SADD", ("resque:queues",))
    return space.run_all([push])[0]


def runs(space: Space) -> list[Run]:
    found: list[Run] = space.run(periodic.runs(space.keys, "q", "nightly"))
    return found


def test_a_tick_is_pushed_to_the_back_and_recorded(space: Space) -> None:
    space.load({"queue:q": ["x"]})
    assert space.run_all(periodic.tick(space.keys, "q", "nightly", NOON, "a", b"job a")) == [1, True]
    assert space.dump() == {
        "queues": {"q"},
        "queue:q": ["x", "job a"],
        "cron:q:nightly": [f"{NOON} a"],
    }
    assert runs(space) == [Run(float(NOON), "a")]


def test_each_tick_fires_once_and_none_after_a_later_one(space: Space) -> None:
    """Another host comes late, or its clock is behind."""
    ticks = [NOON, NOON, NOON + 60, NOON, NOON + 59, NOON + 60, NOON + 61]
    assert [fire(space, tick, f"id{n}") for n, tick in enumerate(ticks)] == [True, False, True, *[False] * 3, True]
    assert space.dump()["queue:q"] == ["job a"] * 3
    assert runs(space) == [Run(NOON + 61.0, "id6"), Run(NOON + 60.0, "id2"), Run(float(NOON), "id0")]


def test_ticks_are_compared_as_numbers(space: Space) -> None:
    assert [fire(space, tick) for tick in (9, 10, 9, 100, 20)] == [True, True, False, True, False]


def test_only_the_last_runs_are_remembered(space: Space) -> None:
    for number in range(RUNS_KEPT + 5):
        assert fire(space, NOON + number, f"id {number}") is True
    assert runs(space) == [Run(float(NOON + n), f"id {n}") for n in range(RUNS_KEPT + 4, 4, -1)]
    assert space.redis.llen("resque:cron:q:nightly") == RUNS_KEPT
    assert space.redis.ttl("resque:cron:q:nightly") == -1, "forgotten, the last tick would fire again"


def test_entries_and_queues_have_their_own_ticks(space: Space) -> None:
    fired = []
    for queue, name in [("q", "nightly"), ("r", "nightly"), ("q", "hourly"), ("q", "nightly")]:
        fired.append(space.run_all(periodic.tick(space.keys, queue, name, NOON, "a", b"job"))[1])
    assert fired == [True, True, True, False]


def test_many_hosts_at_once_fire_each_tick_once(space: Space, url: str) -> None:
    """No leader, no lock."""
    fired: list[int] = []

    def host() -> None:
        own = Space(space.redis, url, space.keys.wire)
        fired.extend(tick for tick in range(NOON, NOON + 100) if fire(own, tick, "a", b"%d" % tick))
        own.store.close()

    hosts = [threading.Thread(target=host) for _ in range(3)]
    for each in hosts:
        each.start()
    for each in hosts:
        each.join(30)
    # A host may be a tick ahead of another, whose tick is refused then: it has been fired already, or is an older one.
    assert len(fired) == len(set(fired))
    assert space.dump()["queue:q"] == [str(tick) for tick in sorted(fired)]
    assert max(fired) == NOON + 99


@pytest.mark.parametrize("broken", ["queue:q", "cron:q:nightly"])
def test_a_key_of_another_type_refuses_the_tick_which_can_still_be_fired(space: Space, broken: str) -> None:
    space.load({broken: "a string"})
    assert isinstance(fire(space, NOON), Refused)
    assert space.dump() == {broken: "a string"}
    space.redis.delete(f"resque:{broken}")
    assert fire(space, NOON) is True


def test_a_push_that_is_refused_takes_its_record_back(space: Space) -> None:
    """Of all the runs that are remembered none is lost."""
    for number in range(RUNS_KEPT + 2):
        fire(space, NOON + number)
    before = runs(space)
    space.redis.delete("resque:queue:q")
    space.load({"queue:q": "a string"})
    assert isinstance(fire(space, NOON + 99), Refused)
    assert runs(space) == before


def test_somebody_elses_lines_are_no_runs(space: Space) -> None:
    space.redis.rpush("resque:cron:q:nightly", "no tick", f"{NOON} a", "", "12.5 b c")
    assert runs(space) == [Run(float(NOON), "a"), Run(12.5, "b c")]
    assert fire(space, NOON) is True


# entries --------------------------------------------------------------------------------------------------------------


def test_entries_are_kept_by_name(space: Space) -> None:
    keys = space.keys
    put = [periodic.put(keys, "a", b"{}"), periodic.put(keys, "b", b'{"every":60}'), periodic.put(keys, "a", b"[]")]
    assert space.run(periodic.entries(keys)) == {}
    assert space.run_all(put) == [True, True, False]
    assert space.run(periodic.entries(keys)) == {"a": b"[]", "b": b'{"every":60}'}
    assert space.dump() == {"cron": {"a": "[]", "b": '{"every":60}'}}
    assert space.run(periodic.remove(keys, ["a", "unknown"])) == 1
    assert space.run(periodic.entries(keys)) == {"b": b'{"every":60}'}


def test_an_entry_that_is_removed_stays_disabled_and_its_runs_are_known(space: Space) -> None:
    """A deployment takes it away, the next one brings it back."""
    space.load({"cron": {"nightly": "{}"}, "cron-disabled": {"nightly"}})
    assert fire(space, NOON) is True
    assert space.run(periodic.remove(space.keys, ["nightly"])) == 1
    assert space.run(periodic.disabled(space.keys)) == {"nightly"}
    assert runs(space) == [Run(float(NOON), "a")]


def test_entries_are_disabled_and_enabled(space: Space) -> None:
    keys = space.keys
    off, on = periodic.disable(keys, "a"), periodic.enable(keys, "a")
    assert space.run(periodic.disabled(keys)) == set()
    assert space.run_all([off, off]) == [True, False]
    assert space.run(periodic.disabled(keys)) == {"a"}
    assert space.dump() == {"cron-disabled": {"a"}}
    assert space.run_all([on, on]) == [True, False]
    assert space.dump() == {}
