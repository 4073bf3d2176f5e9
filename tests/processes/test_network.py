"""Each way in which the network breaks, at each kind of trip: nothing lost, nothing run twice, everybody goes on.

May be in here: one fault on one trip, by its bytes in the stream. May not: trouble of Redis itself
(test_redis_faults.py). What test_lost_replies.py breaks in detail is here once more only in the long form.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from resque.app import Resque
from resque.errors import EnqueueError
from resque.store.scripts import Script
from tests.fault_proxy import (
    Action,
    FaultProxy,
    Trigger,
    blackhole,
    cut_after,
    delay,
    drop_reply,
    drop_request,
    half_open,
    stall_reply,
)
from tests.processes.harness import TORTURE, Team, wait_for
from tests.processes.jobs import Count

JOBS = 150
LONG_LEASE = 8.0


@dataclass(frozen=True)
class Fault:
    """What happens to a request and its reply."""

    name: str
    action: Action
    is_executed: bool
    is_felt: bool = True


FAULTS = [
    Fault("request-lost", drop_request(), is_executed=False),
    Fault("reply-lost", drop_reply(), is_executed=True),
    Fault("reply-cut-at-once", cut_after(1), is_executed=True),
    Fault("reply-cut", cut_after(3), is_executed=True),
    Fault("late", delay(0.3), is_executed=True, is_felt=False),
    Fault("too-late", delay(3.0), is_executed=True),
    Fault("half-open", half_open(), is_executed=False),
    Fault("blackhole", blackhole(), is_executed=False),
    Fault("reply-stalled", stall_reply(), is_executed=True),
]
TRIPS = ["enqueue", "reserve", "wait", "renew", "settle"]
MATRIX = [(trip, fault) for trip in TRIPS for fault in FAULTS]
SLOW = ("half-open", "blackhole", "reply-stalled")
QUICK = [fault for fault in FAULTS if fault.is_felt and fault.name not in SLOW]
CHOICE = random.Random(20)
SAMPLE = MATRIX if TORTURE else [(trip, CHOICE.choice(QUICK)) for trip in TRIPS]


def pattern(trip: str) -> bytes:
    """Bytes that only this trip has."""
    scripts = {"reserve": "reserve", "renew": "renew", "settle": "finish"}
    if trip in scripts:
        return Script(scripts[trip]).sha("modern").encode()
    return {"enqueue": b"\nLPUSH\r", "wait": b"\nBLMOVE\r"}[trip]


@pytest.mark.parametrize(("trip", "fault"), SAMPLE, ids=lambda each: getattr(each, "name", each))
def test_a_fault_at_a_trip(team_of: Callable[..., Team], proxy: FaultProxy, trip: str, fault: Fault) -> None:
    """Supervisor, workers and scheduler are behind the proxy; so is the enqueuer where its trip is the one to break."""
    team = team_of(processes=1, url=proxy.url, lease=LONG_LEASE if trip == "renew" else 2.0)
    pushed = {"enqueue": break_enqueue, "renew": break_renew}.get(trip, break_worker)(team, proxy, trip, fault)
    team.app.enqueue_many(*(Count.call(number) for number in range(pushed, pushed + 20)))
    total = len(team_numbers(team, trip, fault, pushed + 20))
    team.wait_until_settled(total)
    assert team.processed() == total, "each push is counted once"
    assert set(team.executions().values()) == {1}, "its worker lives: nothing runs twice"
    assert set(team.executions()) == team_numbers(team, trip, fault, pushed + 20)
    assert not team.failed()
    assert len(team.events("worker.started")) == 1, "the same worker process all the time"
    if (trip, fault.name) != ("wait", "reply-stalled"):  # there the scaled lease ends before the wait's own time is up
        assert not team.events("job.recovered")


BROKEN = 5
"""The number of the job whose enqueue is broken."""


def team_numbers(team: Team, trip: str, fault: Fault, pushed: int) -> set[int]:
    """What must have run: all, but for a push that never reached the server."""
    lost = {BROKEN} if trip == "enqueue" and not fault.is_executed else set()
    return set(range(pushed)) - lost


def break_enqueue(team: Team, proxy: FaultProxy, trip: str, fault: Fault) -> int:
    """One by one; the broken one says that nobody knows, those after it are accepted again."""
    app = Resque(proxy.url)
    struck = proxy.on(pattern(trip), fault.action, after=BROKEN)
    doubtful = []
    try:
        for number in range(30):
            try:
                app.enqueue("Count", [number], queue="work")
            except EnqueueError as error:
                doubtful += [number] if error.unknown else []
    finally:
        app.close()
    assert struck.hits == 1
    assert doubtful == ([BROKEN] if fault.is_felt else [])
    return 30


def break_worker(team: Team, proxy: FaultProxy, trip: str, fault: Fault) -> int:
    """Struck in the middle of the work; or, for a wait, before the work comes."""
    struck: Trigger
    if trip == "wait":
        struck = proxy.on(pattern(trip), fault.action)
        assert struck.wait(20), "the next wait begins"
        team.app.enqueue_many(*(Count.call(number, 0.001) for number in range(JOBS)))
    else:
        struck = proxy.on(pattern(trip), fault.action, after=2)
        for number in range(JOBS):
            team.app.enqueue("Count", [number, 0.001], queue="work")
        assert struck.wait(20), "the fault must hit"
    wait_for(lambda: team.processed() >= JOBS, 40, "work goes on")
    assert struck.hits == 1
    if fault.is_felt and trip != "wait":
        assert team.events("store.lost")
    return JOBS


def break_renew(team: Team, proxy: FaultProxy, trip: str, fault: Fault) -> int:
    """The supervisor's trip, while a job runs for longer than two renewals."""
    struck = proxy.on(pattern(trip), fault.action)
    team.app.enqueue_many(Count.call(0, LONG_LEASE * 0.4))
    assert struck.wait(20), "the fault must hit"
    began = time.monotonic()
    if fault.is_felt:
        wait_for(lambda: team.events("lease.renewal_failed"), 10, "the supervisor notices")
    wait_for(lambda: team.processed() == 1, 20, "the job ends")
    assert time.monotonic() - began < LONG_LEASE * 2
    return 1
