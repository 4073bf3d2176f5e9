"""Delayed jobs move when they are due, whoever looks, and one queue in trouble stops no other.

No test sleeps: due times lie in the past or in the future of the server's clock, and `now` is what the test says.
"""

from typing import Any

import pytest

from resque import events
from resque.errors import StoreError
from resque.scheduler import delayed as duty
from resque.scheduler.delayed import Promotion
from resque.store import delayed
from resque.store.delayed import Delayed
from tests.fault_proxy import FaultProxy, drop_reply
from tests.scheduler.conftest import MakeStore, Stage

MANY = duty.LIMIT * 3 + 7


def delay(stage: Stage, queue: str, *ids: str, due_in: float = -5.0) -> None:
    """Jobs that are due in so many seconds by the server's clock."""
    due = stage.now_ms() / 1000 + due_in
    stage.store.run_all(delayed.delay(stage.keys, queue, [Delayed(id, due, f"job {id}".encode()) for id in ids]))


def left(stage: Stage, queue: str = "q") -> int:
    count: int = stage.redis.zcard(stage.keys.delayed(queue))
    return count


def numbered(count: int) -> list[str]:
    return [f"{number:06}" for number in range(count)]


def test_what_is_due_moves_in_order_and_the_rest_stays(stage: Stage) -> None:
    promotion = Promotion(stage.store, stage.keys)
    stage.wait(b"was there")
    delay(stage, "q", "c", due_in=-1)
    delay(stage, "q", "a", "b", due_in=-9)
    delay(stage, "q", "later", due_in=60)
    with events.listening("job.promoted") as heard:
        pause = promotion.tick(0.0)
    assert stage.waiting() == [b"was there", b"job a", b"job b", b"job c"]
    assert left(stage) == 1
    assert 0 < pause <= 0.25
    ((_, data),) = heard
    assert (data["queue"], data["count"]) == ("q", 3)
    assert 9 <= data["late"] < 60


def test_many_move_in_bounded_calls_and_nothing_is_lost_or_doubled(native: Stage) -> None:
    promotion = Promotion(native.store, native.keys)
    delay(native, "q", *numbered(MANY))
    with events.listening("job.promoted") as heard:
        pauses = [promotion.tick(0.0)]
        while left(native):
            pauses.append(promotion.tick(0.0))
    assert native.waiting() == [f"job {id}".encode() for id in numbered(MANY)]
    counts = [data["count"] for _, data in heard]
    assert counts == [duty.LIMIT] * 3 + [7]
    assert not any(pauses[:-1]), "while more is due it comes back at once"


def test_the_other_duties_have_their_turn(native: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is due: without any time of its own a tick moves nothing, and comes back."""
    delay(native, "q", *numbered(duty.LIMIT + 1))
    promotion = Promotion(native.store, native.keys)
    monkeypatch.setattr(duty, "_BUDGET", -1.0)
    assert promotion.tick(0.0) == 0.0
    assert left(native) == duty.LIMIT + 1
    monkeypatch.undo()
    assert promotion.tick(0.0) > 0.0
    assert left(native) == 0


def test_it_wakes_when_the_next_one_is_due(native: Stage) -> None:
    delay(native, "q", "a", due_in=0.1)
    pause = Promotion(native.store, native.keys).tick(0.0)
    assert pause <= 0.1


def test_all_queues_are_asked_together_and_quiet_ones_in_one_command(native: Stage) -> None:
    for number in range(20):
        native.redis.sadd("resque:queues", f"quiet{number}")
    delay(native, "q", "a", due_in=60)
    promotion = Promotion(native.store, native.keys)
    promotion.tick(0.0)
    calls = native.redis.info("commandstats")
    looked = {name: calls[f"cmdstat_{name}"]["calls"] for name in ("zrange", "exists") if f"cmdstat_{name}" in calls}
    for number in range(1, 6):
        promotion.tick(number / 10)
    calls = native.redis.info("commandstats")
    assert calls["cmdstat_zrange"]["calls"] - looked["zrange"] == 5, "of the one queue that has delayed jobs"
    assert calls["cmdstat_exists"]["calls"] - looked.get("exists", 0) == 5


def test_idle_it_costs_little_and_hears_of_the_first_job(native: Stage) -> None:
    native.redis.sadd("resque:queues", "q", "r", "s")
    promotion = Promotion(native.store, native.keys)
    promotion.tick(0.0)
    before = native.redis.info("stats")["total_commands_processed"]
    now = 0.0
    while now < 60:
        pause = promotion.tick(now)
        assert 0.5 < pause < 1
        now += pause
    spent = native.redis.info("stats")["total_commands_processed"] - before
    assert spent < 60 * 2.5
    delay(native, "r", "a")
    promotion.tick(now)
    assert native.waiting("r") == [b"job a"]


def test_a_new_queue_is_found(native: Stage) -> None:
    promotion = Promotion(native.store, native.keys)
    promotion.tick(0.0)
    delay(native, "new", "a")
    promotion.tick(2.0)
    assert native.waiting("new") == [b"job a"]


def test_a_queue_that_is_gone_is_forgotten(native: Stage) -> None:
    promotion = Promotion(native.store, native.keys)
    delay(native, "q", "a", due_in=60)
    assert promotion.tick(0.0) <= 0.25
    native.redis.srem("resque:queues", "q")
    native.redis.delete("resque:delayed:q", "resque:payloads:q")
    assert promotion.tick(2.0) > 0.5


def test_two_schedulers_at_once_move_each_job_once(native: Stage, through: MakeStore, url: str) -> None:
    """They take turns between every two calls: neither knows what the other one has moved."""
    one, two = Promotion(native.store, native.keys), Promotion(through(url), native.keys)
    delay(native, "q", *numbered(MANY))
    delay(native, "later", *numbered(3), due_in=60)
    one._look(0.0)
    server = two._look(0.0)
    with events.listening("job.promoted") as heard:
        while left(native):
            one._promote(0.0, server)
            two._promote(0.0, server)
    assert sorted(native.waiting()) == [f"job {id}".encode() for id in numbered(MANY)]
    assert sum(data["count"] for _, data in heard) == MANY
    assert left(native, "later") == 3


@pytest.mark.parametrize("key", ["delayed", "payloads", "queue"])
def test_a_key_of_a_wrong_type_stops_no_other_queue_and_loses_nothing(native: Stage, key: str) -> None:
    native.redis.sadd("resque:queues", "bad")
    if key != "delayed":
        delay(native, "bad", "a")
        native.redis.delete(f"resque:{key}:bad")
    native.redis.set(f"resque:{key}:bad", "text")
    delay(native, "q", "a", "b")
    promotion = Promotion(native.store, native.keys)
    with events.listening("loop.failed") as heard:
        promotion.tick(0.0)
        assert native.waiting() == [b"job a", b"job b"]
        assert len(heard) == 1
        promotion.tick(0.0)
        assert len(heard) == 1, "it rests"
        promotion.tick(10.0)
        assert len(heard) == 2
    if key == "queue":
        native.redis.delete("resque:queue:bad")
        promotion.tick(20.0)
        assert native.waiting("bad") == [b"job a"]


def test_entries_without_a_payload_go_and_are_told(native: Stage) -> None:
    delay(native, "q", "a", "b")
    native.redis.hdel("resque:payloads:q", "a")
    with events.listening("loop.failed") as heard:
        Promotion(native.store, native.keys).tick(0.0)
    assert native.waiting() == [b"job b"]
    assert left(native) == 0
    assert "1 delayed job" in str(heard[0][1]["error"])


def test_a_lost_reply_loses_and_doubles_nothing(native: Stage, through: MakeStore, proxy: FaultProxy) -> None:
    """The script has run and nobody hears of it; so it is when a scheduler dies there."""
    promotion = Promotion(through(proxy.url), native.keys)
    delay(native, "q", "warm")
    promotion.tick(0.0)
    native.redis.delete("resque:queue:q")
    delay(native, "q", *numbered(duty.LIMIT + 5))
    fault = proxy.on(b"resque:payloads:q", drop_reply())
    with pytest.raises(StoreError):
        promotion.tick(5.0)
    assert fault.hits == 1
    assert left(native) == 5, "it has run"
    promotion.tick(6.0)
    assert native.waiting() == [f"job {id}".encode() for id in numbered(duty.LIMIT + 5)]


def test_without_redis_it_raises_and_the_timetable_waits(native: Stage, through: MakeStore, proxy: FaultProxy) -> None:
    promotion = Promotion(through(proxy.url), native.keys)
    promotion.tick(0.0)
    proxy.stop()
    with pytest.raises(StoreError):
        promotion.tick(5.0)
    proxy.start()
    delay(native, "q", "a")
    promotion.tick(6.0)
    assert native.waiting() == [b"job a"]


def test_nobody_listens_and_it_works_all_the_same(native: Stage) -> None:
    delay(native, "q", "a")
    result: Any = Promotion(native.store, native.keys).tick(0.0)
    assert result > 0
    assert native.waiting() == [b"job a"]
