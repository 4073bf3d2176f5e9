"""What lies in Redis gets back the receipt that it lost: a queue's name, a lease. Nothing else is touched."""

from typing import Any

import pytest

from resque import events
from resque.scheduler.audit import Audit
from tests.scheduler.conftest import GONE, Stage

JOB = b'{"class":"Count","args":[1]}'


def audit(stage: Stage, holder: str = "vm~r:1") -> Audit:
    return Audit(stage.store, stage.keys, holder, stage.settings)


def finish(duty: Audit) -> int:
    """Tick until the round is over; returns how many ticks that took."""
    for ticks in range(1, 1000):
        if duty.tick(0.0) > 1:
            return ticks
    raise AssertionError("the round never ends")


def test_a_list_without_a_lease_gets_one(native: Stage) -> None:
    """Without it no recoverer ever sees the jobs."""
    native.hold(JOB)
    native.redis.delete("resque:leases:q")
    with events.listening("audit.repaired") as heard:
        assert audit(native).tick(0.0) == native.settings.lease * 3
    lease = native.lease()
    assert lease is not None
    assert lease == pytest.approx(native.now_ms() + 20_000, abs=1000)
    assert [data["queue"] for _, data in heard] == ["q"]


def test_after_the_audit_recovery_finds_the_jobs(native: Stage) -> None:
    native.hold(JOB)
    native.redis.delete("resque:leases:q", "resque:queues")
    audit(native).tick(0.0)
    native.redis.zadd("resque:leases:q", {GONE: native.now_ms() - 1})
    recovery = native.recovery()
    recovery.tick(0.0)
    recovery.tick(8.0)
    assert native.inflight() == 0
    assert len(native.waiting()) == 1


@pytest.mark.parametrize("ends_in", [-100, 5])
def test_a_lease_that_is_there_is_not_changed(native: Stage, ends_in: float) -> None:
    """Also an ended one: its worker is gone, and a longer lease would only keep its jobs."""
    native.hold(JOB, ends_in=ends_in)
    before = native.lease()
    with events.listening("audit.repaired") as heard:
        audit(native).tick(0.0)
    assert native.lease() == before
    assert heard == []


def test_names_of_queues_come_back(native: Stage) -> None:
    """Of waiting jobs and of jobs in flight; a queue's name may hold colons."""
    native.hold(JOB, queue="in:flight")
    native.wait(JOB, queue="wait:ing")
    native.redis.delete("resque:queues")
    audit(native).tick(0.0)
    assert native.redis.smembers("resque:queues") == {b"in:flight", b"wait:ing"}


def test_other_keys_are_nobodys_queue(native: Stage) -> None:
    """Also such as look nearly like ours, in this namespace and in others."""
    native.redis.lpush("resque:queue:", "x")
    native.redis.lpush("resque:inflight:q", "x")
    native.redis.lpush("resque:inflight:q:only", "x")
    native.redis.lpush("resque:failed", "x")
    native.redis.lpush("resque:oversize:q", "x")
    native.redis.lpush("other:queue:theirs", "x")
    native.redis.set("resque:queue:string", "x")
    native.redis.zadd("resque:inflight:zset:vm~n:1", {"x": 1})
    audit(native).tick(0.0)
    assert native.redis.smembers("resque:queues") == set()
    assert native.redis.keys("resque:leases:*") == []


def test_a_key_of_a_wrong_type_stops_no_other(native: Stage) -> None:
    for queue in ("a", "b", "c"):
        native.hold(JOB, queue=queue)
        native.redis.delete(f"resque:leases:{queue}")
    native.redis.set("resque:leases:b", "x")
    with events.listening("loop.failed") as heard:
        audit(native).tick(0.0)
    assert native.lease(queue="a")
    assert native.lease(queue="c")
    assert len(heard) == 1


def test_a_large_keyspace_is_read_some_steps_at_a_tick(native: Stage) -> None:
    """The supervisor's other duties must not wait for it."""
    pipe: Any = native.redis.pipeline(transaction=False)
    for number in range(25_000):
        pipe.set(f"other:{number}", "")
    pipe.execute()
    native.hold(JOB)
    native.redis.delete("resque:leases:q")
    assert finish(audit(native)) > 1
    assert native.lease()


def test_one_host_does_it_for_all(native: Stage) -> None:
    """Within a period; the next period anybody may, also the same one."""
    one, other = audit(native, "vm~one:1"), audit(native, "vm~other:1")
    one.tick(0.0)
    native.hold(JOB)
    native.redis.delete("resque:leases:q")
    assert other.tick(1.0) == native.settings.lease * 3
    assert native.lease() is None
    ttl = native.redis.pttl("resque:duty:audit")
    assert 0 < ttl < native.settings.lease * 3000
    native.redis.delete("resque:duty:audit")
    one.tick(60.0)
    assert native.lease()


def test_an_empty_server_is_no_trouble(native: Stage) -> None:
    native.redis.flushall()
    assert audit(native).tick(0.0) == native.settings.lease * 3


def test_a_queue_that_has_delayed_jobs_only_gets_its_name_back(native: Stage) -> None:
    """Nobody would promote them."""
    native.redis.zadd("resque:delayed:later", {"id-1": 5.0})
    audit(native).tick(0.0)
    assert native.redis.smembers("resque:queues") == {b"later"}
