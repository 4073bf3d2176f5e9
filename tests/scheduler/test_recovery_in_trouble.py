"""Recovery that is interrupted, or meets keys of wrong types, odd leases and late jobs."""

import json
from typing import Any

import pytest

from resque import events
from resque.errors import StoreError
from tests.fault_proxy import FaultProxy, drop_reply, drop_request
from tests.scheduler.conftest import GONE, MakeStore, Stage
from tests.scheduler.lost import LEASE, failures, job, let_time_pass, report, sha


@pytest.mark.parametrize("script", ["adopt", "release", "fail"])
@pytest.mark.parametrize("fault", [drop_request(), drop_reply()], ids=lambda fault: fault.kind)
@pytest.mark.parametrize("path", ["report", "lease"])
def test_interrupted_anywhere_it_goes_on_the_next_time(
    native: Stage, proxy: FaultProxy, through: MakeStore, script: str, fault: Any, path: str
) -> None:
    """Everything is back once, in order, with nothing in flight."""
    jobs = [job(number, 2 if number % 50 == 7 else None) for number in range(250)]
    native.hold(*jobs, ends_in=20 if path == "report" else -1)
    recovery = native.recovery(store=through(proxy.url))
    started = [raw for raw in jobs if raw == job(7, 2)] if path == "report" else []
    let_time_pass(recovery, 0.0)
    if path == "report":
        recovery.reports.append(report(*started))
    struck = proxy.on(sha(script), fault, after=0 if script == "fail" else 1)
    with pytest.raises(StoreError):
        recovery.tick(8.0)
    assert struck.hits == 1
    let_time_pass(recovery, 9.0, 18.0, 27.0)
    assert native.inflight() == 0
    numbers = [json.loads(raw)["args"][0] for raw in native.waiting()]
    failed = [record["payload"]["args"][0] for record in failures(native)]
    assert sorted(numbers + failed) == list(range(250))
    assert numbers == sorted(numbers)
    assert recovery.recovered == ([GONE] if path == "report" else [])


@pytest.mark.parametrize("wrong", ["leases", "inflight", "queue"])
@pytest.mark.parametrize("path", ["report", "lease"])
def test_a_key_of_a_wrong_type_stops_no_other_queue(native: Stage, wrong: str, path: str) -> None:
    """The sick queue comes first; its jobs are kept, and come back when the key is well again."""
    ends_in = 20 if path == "report" else -1
    native.hold(job(1), queue="a_sick", ends_in=ends_in)
    native.hold(job(2), queue="well", ends_in=ends_in)
    key = {
        "leases": native.keys.leases("a_sick"),
        "inflight": native.keys.inflight("a_sick", GONE),
        "queue": native.keys.queue("a_sick"),
    }[wrong]
    before = native.redis.dump(key)
    native.redis.delete(key)
    native.redis.hset(key, "x", "y")
    recovery = native.recovery()
    let_time_pass(recovery, 0.0)
    if path == "report":
        recovery.reports.append(report(queues=("a_sick", "well")))
    with events.listening("loop.failed") as heard:
        let_time_pass(recovery, 8.0, 9.0)
    assert [json.loads(raw)["args"] for raw in native.waiting("well")] == [[2]]
    assert heard, "somebody must hear of it"
    native.redis.delete(key)
    if before:
        native.redis.restore(key, 0, before)
    native.hold(queue="a_sick", ends_in=-1)
    let_time_pass(recovery, 20.0, 28.0, 36.0)
    assert [json.loads(raw)["args"] for raw in native.waiting("a_sick")] == [[1]]
    assert native.inflight() == 0


def test_a_lease_in_the_far_future_is_cut(native: Stage) -> None:
    """A clock that jumped must not keep jobs for a year: more than three leases ahead is cut to one."""
    native.hold(job(1), ends_in=365 * 86400)
    native.hold(job(2), member="vm~ok:2", ends_in=55)
    native.recovery().tick(0.0)
    lease, other = native.lease(), native.lease("vm~ok:2")
    assert lease is not None
    assert other is not None
    assert lease == pytest.approx(native.now_ms() + LEASE * 1000, abs=1000)
    assert other > native.now_ms() + 50_000


def test_a_worker_that_holds_nothing_is_forgotten_after_half_a_lease(native: Stage) -> None:
    """Not sooner: a late command of it may still bring a job into its list."""
    native.hold(ends_in=-1)
    recovery = native.recovery()
    let_time_pass(recovery, 0.0, 5.0, 8.5, 9.9)
    assert native.lease() is not None
    recovery.tick(10.0)
    assert native.lease() is None


def test_a_worker_whose_jobs_came_back_is_forgotten_later(native: Stage) -> None:
    """So are the recoverer's own traces."""
    native.hold(job(1))
    recovery = native.recovery()
    let_time_pass(recovery, 0.0, 8.0)
    native.redis.zadd("resque:leases:q", {"vm~r:1": native.now_ms() - 1}, xx=True)
    let_time_pass(recovery, 16.0, 20.0, 26.0)
    assert native.redis.zrange("resque:leases:q", 0, -1) == []


def test_a_job_that_arrives_late_is_found_all_the_same(native: Stage) -> None:
    """Its list was empty when its lease ended; then a last command of the worker was executed."""
    native.hold(ends_in=-1)
    recovery = native.recovery()
    let_time_pass(recovery, 0.0, 8.5)
    native.redis.lpush(native.keys.inflight("q", GONE), job(1))
    let_time_pass(recovery, 9.9, 10.0, 20.0)
    assert native.waiting() == [job(1, crashes=1)]
