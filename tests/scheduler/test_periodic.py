"""Cron entries: each tick becomes one job, whoever fires it, and whatever happens to the others.

Who declares entries: test_declaring.py. Nothing sleeps. The server's clock is real: entries say `since` when they have
begun, some hours or seconds ago.
"""

import json
import time
from typing import Any

import pytest
from uuid_utils import UUID

from resque import events
from resque.config import Settings
from resque.errors import StoreError
from resque.jobs import schedules
from resque.jobs.schedules import Entry
from resque.scheduler.periodic import Periodic
from resque.store import periodic
from tests.fault_proxy import FaultProxy, drop_reply
from tests.scheduler.conftest import MakeStore, Stage


def duty(stage: Stage, store: Any = None, **settings: Any) -> Periodic:
    """A scheduler's, new."""
    wire = stage.keys.wire
    return Periodic(store or stage.store, stage.keys, Settings(app=("shop.jobs",), wire=wire, **settings))


def server_time(stage: Stage) -> float:
    return stage.now_ms() / 1000


def put(stage: Stage, name: str, *, ago: float = 0.0, queue: str = "q", **values: Any) -> Entry:
    """An entry that began so many seconds ago."""
    entry = Entry(name, "Report", queue, since=round(server_time(stage) - ago, 3), **values)
    stage.store.run(periodic.put(stage.keys, name, schedules.write(entry)))
    return entry


def five_minutes_ago(stage: Stage) -> str:
    """A cron line whose last tick, of this hour, was at least 4 minutes ago: nobody is in time for it."""
    return f"{time.gmtime(server_time(stage) - 300).tm_min} * * * *"


def fired(stage: Stage, name: str, queue: str = "q") -> list[float]:
    """The ticks that are recorded, the oldest first."""
    return [run.tick for run in stage.store.run(periodic.runs(stage.keys, queue, name))][::-1]


def jobs(stage: Stage, queue: str = "q") -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in stage.waiting(queue)]


def ticks_of(stage: Stage, queue: str = "q") -> list[float]:
    """The ticks that the waiting jobs are for."""
    return [job["meta"]["due_at"] for job in jobs(stage, queue)]


def run_until_idle(each: Periodic, now: float = 0.0) -> float:
    while (pause := each.tick(now)) == 0.0:
        pass
    return pause


# firing -----------------------------------------------------------------------------------------------------------


def test_each_due_tick_becomes_one_job_in_order(stage: Stage) -> None:
    put(stage, "often", ago=35, every=10, args=[1], kwargs={"eu": True})
    before = server_time(stage)
    with events.listening("cron.fired") as heard:
        pause = run_until_idle(duty(stage))
    ticks = fired(stage, "often")
    assert ticks == [ticks[0] + 10 * n for n in range(len(ticks))]
    assert before - 35 < ticks[0] <= before - 25
    assert ticks[-1] > before - 10
    assert ticks_of(stage) == ticks
    assert 0 < pause <= 5
    assert [(data["name"], data["queue"], data["tick"]) for _, data in heard] == [("often", "q", t) for t in ticks]
    assert [data["id"] for _, data in heard] == [job["meta"]["id"] for job in jobs(stage)]
    assert stage.redis.smembers("resque:queues") == {b"q"}


def test_what_the_job_carries(native: Stage) -> None:
    put(native, "often", ago=5, every=5, args=[1, "a"], kwargs={"eu": True}, expires=60.0, deadline=90.0)
    run_until_idle(duty(native))
    job = jobs(native)[0]
    meta = job["meta"]
    assert (job["class"], job["args"], job["kwargs"]) == ("Report", [1, "a"], {"eu": True})
    assert UUID(meta["id"]).version == 7
    assert meta["queue"] == "q"
    assert abs(meta["enqueued_at"] - server_time(native)) < 10
    assert meta["due_at"] % 5 == 0
    assert meta["expires_at"] == pytest.approx(meta["enqueued_at"] + 60)
    assert meta["deadline_at"] == pytest.approx(meta["enqueued_at"] + 90)


def test_nothing_before_the_entry_began(native: Stage) -> None:
    put(native, "often", every=3600, missed="all")
    run_until_idle(duty(native))
    assert len(jobs(native)) <= 1, "an hour may have begun just now"


def test_it_wakes_for_the_next_tick(native: Stage) -> None:
    put(native, "often", every=1)
    put(native, "seldom", cron="@yearly")
    assert run_until_idle(duty(native)) <= 1.1


def test_without_entries_it_looks_every_five_seconds(native: Stage) -> None:
    each = duty(native)
    assert each.tick(0.0) == 5.0
    before = native.redis.info("stats")["total_commands_processed"]
    assert each.tick(4.0) == 1.0
    assert native.redis.info("stats")["total_commands_processed"] == before + 1, "the question itself"


@pytest.mark.parametrize(("policy", "count"), [("skip", 0), ("once", 1), ("all", 3)])
def test_missed_ticks(native: Stage, policy: str, count: int) -> None:
    """Everybody was away for three hours. Also afterwards, and after a restart, nothing is made up for again."""
    put(native, "hourly", ago=3 * 3600, cron=five_minutes_ago(native), missed=policy)
    first = duty(native)
    run_until_idle(first)
    for each in (first, duty(native), duty(native)):
        run_until_idle(each, 10.0)
    ticks = ticks_of(native)
    assert len(ticks) == count
    assert ticks == sorted(ticks)
    if ticks:
        assert 240 <= server_time(native) - ticks[-1] <= 420
    assert fired(native, "hourly") == ticks


def test_an_entry_that_begins_anew_makes_up_for_nothing(native: Stage) -> None:
    """It was disabled for hours and is enabled again: what lies between is not missed."""
    put(native, "hourly", ago=4 * 3600, cron=five_minutes_ago(native), missed="all")
    run_until_idle(duty(native))
    old = fired(native, "hourly")
    assert old
    native.redis.delete(native.keys.cron_runs("q", "hourly"))
    native.redis.lpush(native.keys.cron_runs("q", "hourly"), f"{old[0]:.0f} id-1")
    put(native, "hourly", ago=1, cron=five_minutes_ago(native), missed="all")
    run_until_idle(duty(native))
    assert fired(native, "hourly") == old[:1]


def test_a_new_scheduler_does_not_try_what_was_fired(native: Stage) -> None:
    """After a year of ticks it would be at that for long."""
    put(native, "seldom", ago=6 * 3600, every=1800, missed="all")
    run_until_idle(duty(native))
    assert len(jobs(native)) >= 12
    before = native.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    run_until_idle(duty(native))
    assert native.redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before <= 1


def test_many_missed_ticks_are_fired_in_bounded_turns(native: Stage) -> None:
    put(native, "often", ago=1800, every=15, missed="all")
    put(native, "other", ago=9, every=5)
    each = duty(native)
    pauses = [each.tick(0.0)]
    assert fired(native, "other"), "it does not wait for the rest of the first one"
    while pauses[-1] == 0.0:
        pauses.append(each.tick(0.0))
    ticks = [tick for tick, job in zip(ticks_of(native), jobs(native), strict=True) if tick % 15 == 0]
    assert len(set(ticks)) >= 120
    assert len(pauses) > 5


def test_many_schedulers_fire_each_tick_once(native: Stage, through: MakeStore, url: str) -> None:
    """They know nothing of each other, and their turns are interleaved."""
    for number in range(3):
        put(native, f"e{number}", ago=50, every=5)
    each = [duty(native), duty(native, through(url)), duty(native, through(url))]
    for one in each:
        one._read(0.0)
    with events.listening("cron.fired") as heard:
        for _ in range(3):
            for one in each:
                one._fire(server_time(native))
    assert len(heard) == len(jobs(native))
    for number in range(3):
        ticks = [data["tick"] for _, data in heard if data["name"] == f"e{number}"]
        assert ticks == list(range(ticks[0], ticks[-1] + 1, 5))
        assert len(ticks) >= 9


def test_a_lost_reply_is_no_lost_and_no_doubled_tick(native: Stage, through: MakeStore, proxy: FaultProxy) -> None:
    """The script has run and nobody hears of it; so it is when a scheduler dies there."""
    put(native, "warm", ago=12, every=10, queue="warm")
    each = duty(native, through(proxy.url))
    run_until_idle(each)
    assert jobs(native, "warm"), "the server has the script"
    put(native, "often", ago=30, every=10)
    fault = proxy.on(b"resque:queue:q", drop_reply())
    with pytest.raises(StoreError):
        run_until_idle(each, 10.0)
    assert fault.hits == 1
    assert len(jobs(native)) == 1, "it has run"
    run_until_idle(each, 20.0)
    ticks = ticks_of(native)
    assert ticks == [ticks[0] + 10 * n for n in range(len(ticks))]
    assert len(ticks) >= 3


def test_the_first_look_fails_and_is_repeated_at_once(native: Stage, through: MakeStore, proxy: FaultProxy) -> None:
    put(native, "often", ago=12, every=10)
    each = duty(native, through(proxy.url))
    proxy.stop()
    with pytest.raises(StoreError):
        each.tick(0.0)
    proxy.start()
    run_until_idle(each, 0.1)
    assert jobs(native)


# what stops nothing -----------------------------------------------------------------------------------------------


def test_entries_that_cannot_be_read_are_told_once_and_stop_no_other(native: Stage) -> None:
    for name, raw in {
        "a": b"",
        "b": b"{}",
        "c": b"\xff",
        "d": b'{"name":"d","class":"X","queue":"q","every":0}',
    }.items():
        native.redis.hset("resque:cron", name, raw)
    put(native, "often", ago=12, every=10)
    each = duty(native)
    with events.listening("loop.failed") as heard:
        run_until_idle(each)
        run_until_idle(each, 10.0)
        run_until_idle(each, 20.0)
    assert len(heard) == 4
    assert jobs(native)
    native.redis.hset("resque:cron", "a", b"[]")
    with events.listening("loop.failed") as heard:
        run_until_idle(each, 30.0)
    assert len(heard) == 1, "it is wrong in another way now"


@pytest.mark.parametrize("key", ["resque:queue:bad", "resque:cron:bad:wrong"])
def test_a_key_of_a_wrong_type_stops_no_other_entry(native: Stage, key: str) -> None:
    native.redis.set(key, "text")
    put(native, "wrong", ago=12, every=10, queue="bad")
    put(native, "often", ago=12, every=10)
    each = duty(native)
    with events.listening("loop.failed") as heard:
        run_until_idle(each)
    assert jobs(native)
    assert len(heard) == 1
    assert "wrong" in str(heard[0][1]["error"])
    native.redis.delete(key)
    for known in each._entries.values():
        known.rests_until = 0.0
    run_until_idle(each, 10.0)
    assert jobs(native, "bad"), "mended, and still in time"


def test_a_job_above_the_limit_is_told_and_stops_no_other(native: Stage) -> None:
    put(native, "large", ago=12, every=10, args=["x" * 2000])
    put(native, "often", ago=12, every=10)
    with events.listening("loop.failed") as heard:
        run_until_idle(duty(native, max_payload=1000))
    assert len(heard) == 1
    assert "large" in str(heard[0][1]["error"])
    assert all(job["args"] == [] for job in jobs(native))
    assert jobs(native)


# operators --------------------------------------------------------------------------------------------------------


def test_a_disabled_entry_does_not_fire_and_makes_up_for_nothing(native: Stage) -> None:
    put(native, "hourly", ago=3 * 3600, cron=five_minutes_ago(native), missed="all")
    native.store.run(periodic.disable(native.keys, "hourly"))
    each = duty(native)
    run_until_idle(each)
    native.store.run(periodic.enable(native.keys, "hourly"))
    run_until_idle(each, 10.0)
    assert jobs(native) == []


def test_what_was_disabled_since_the_last_look_does_not_fire(native: Stage) -> None:
    """No tick is fired by what was read some seconds ago."""
    put(native, "often", ago=12, every=10)
    each = duty(native)
    each._read(0.0)
    each._read_due = 5.0
    native.store.run(periodic.disable(native.keys, "often"))
    each.tick(0.1)
    assert jobs(native) == []


def test_what_was_removed_since_the_last_look_does_not_fire(native: Stage) -> None:
    put(native, "often", ago=12, every=10)
    each = duty(native)
    each._read(0.0)
    each._read_due = 5.0
    native.store.run(periodic.remove(native.keys, ["often"]))
    each.tick(0.1)
    assert jobs(native) == []


def test_an_entry_that_is_changed_begins_when_it_says(native: Stage) -> None:
    put(native, "often", ago=12, every=3600)
    each = duty(native)
    run_until_idle(each)
    native.redis.delete("resque:queue:q", "resque:cron:q:often")
    put(native, "often", ago=12, every=10)
    run_until_idle(each, 10.0)
    assert 1 <= len(jobs(native)) <= 2
