"""Races between hosts: who is dead, who recovers whom, and what stops a recoverer. Real processes where it matters."""

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from resque import events
from resque.scheduler.audit import Audit
from resque.store import namespace
from resque.store.identity import Identity
from resque.worker.leases import Leases
from tests.leftovers import is_gone
from tests.processes.harness import Team, look, wait_for
from tests.processes.jobs import Patient, Trace
from tests.scheduler.conftest import GONE, Stage
from tests.scheduler.lost import failures, job, let_time_pass, report

MakeTeam = Callable[..., Team]
LEASE = 1.0
LIVING = [Identity(f"vm~a{n}:1", f"vm~a{n}:1:q") for n in range(3)]


@pytest.fixture
def leases(native: Stage) -> Iterator[Leases]:
    """The supervisor of three living workers."""
    made = Leases(native.settings, lambda: [(who, ["q"]) for who in LIVING], lambda: None)
    yield made
    made.close()


def test_r20_all_leases_end_at_once_and_a_fresh_recoverer_is_first(native: Stage, leases: Leases) -> None:
    """Redis was down for longer than a lease; a scheduler that has just started looks before any supervisor renews.

    Failed there: libraries that take "its time is over" for "it is dead": all that runs anywhere is started again.
    Safe: a lease that has ended is watched for 0.4 of a lease before anything is taken. Meanwhile the living renew.
    """
    for number, who in enumerate(LIVING):
        native.hold(job(number), member=who.member, ends_in=-100)
    native.hold(job(9), ends_in=-100)
    fresh = native.recovery()
    let_time_pass(fresh, 0.0, 5.0, 7.9)
    assert native.waiting() == []
    leases.tick(7.9)
    let_time_pass(fresh, 8.0, 13.0, 100.0)
    assert native.waiting() == [job(9, crashes=1)]
    assert [native.held(member=who.member) for who in LIVING] == [[job(n)] for n in range(3)]


def test_r24_a_supervisor_stands_still_past_its_leases(team_of: MakeTeam) -> None:
    """SIGSTOP (a suspended machine, a debugger), then CONT: its worker is in the middle of a job all the time.

    Failed there: whoever comes back and settles, or renews what is no longer its own.
    Safe: others take the job over and it counts once, by the fence. A renewal (ZADD XX) gives nothing back that was
    taken. The supervisor renews before anything else when it wakes, and goes on.
    """
    slow, others = team_of(processes=1, lease=LEASE), None
    (id,) = [handle.id for handle in slow.app.enqueue_many(Patient.call())]
    wait_for(lambda: slow.redis.llen("begun") == 1, what="it runs")
    os.kill(slow.supervisor.pid, signal.SIGSTOP)
    try:
        others = team_of(processes=1, lease=LEASE)
        wait_for(lambda: slow.redis.llen("begun") == 2, 20, "others run it, too")
        assert psutil.Process(slow.supervisor.pid).status() == psutil.STATUS_STOPPED
        assert len(look(slow.redis).held) == 1
    finally:
        os.kill(slow.supervisor.pid, signal.SIGCONT)
    slow.redis.set("door", "open")
    slow.app.enqueue_many(*(Trace.call(n) for n in range(20)))
    wait_for(lambda: slow.redis.llen("ended") == 22, 20, "both have ended")
    slow.wait_until_settled(21)
    assert slow.processed() == 21, "counted once"
    assert slow.redis.lrange("begun", 0, -1).count(id.encode()) == 2
    assert slow.events("job.lease_lost")
    assert slow.supervisor.poll() is None
    assert others.supervisor.poll() is None


def test_others_an_orphan_found_only_at_the_next_deploy(team_of: MakeTeam) -> None:
    """A whole host vanishes; nobody starts anything afterwards.

    Failed there: recoverers that look for orphans when a process starts (sidekiq/sidekiq #3196, #4937, #5540): the
    job of a host that died after the last start waits for the next deploy, for hours.
    Safe: every scheduler looks all the time, also at other hosts' leases.
    """
    others = team_of(processes=1, lease=LEASE, queues="work")
    lonely = team_of(processes=1, lease=LEASE, queues="work")
    victims = [*lonely.worker_pids(), lonely.supervisor.pid]
    lonely.app.enqueue_many(Patient.call(), Patient.call())
    wait_for(lambda: lonely.redis.llen("begun") == 2, what="each host runs one")
    started = len(lonely.events("worker.started"))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    for pid in victims:
        wait_for(lambda pid=pid: is_gone(pid), 5, "killed")
    assert len(look(lonely.redis).held) == 2, "one of them belongs to nobody now"
    recovered = wait_for(lambda: lonely.events("job.recovered"), 20, "recovered")
    lonely.redis.set("door", "open")
    lonely.wait_until_settled(2)
    assert [event["released"] for event in recovered] == ["1"]
    assert len(lonely.events("worker.started")) == started, "nobody was started for that"
    assert others.supervisor.poll() is None


def test_others_a_cleanup_lock_dies_with_its_holder(native: Stage) -> None:
    """The host that does the cleaning dies in the middle of it.

    Failed there: a lock that is not given back keeps everybody from cleaning for a quarter of an hour (rq/rq #2022).
    Safe: recovery has no lock. The duty of the audit is taken for a time, by a key that expires, and protects nothing.
    """
    native.hold(job(1))
    native.redis.lpush("resque:inflight:q:vm~other:5", job(2))
    audit = Audit(native.store, native.keys, "vm~r:1", native.settings)
    assert native.store.run(namespace.take_duty(native.keys, "audit", "vm~dead:1", 0.3))
    let_time_pass(native.recovery(), 0.0, 8.0)
    assert native.waiting() == [job(1, crashes=1)], "recovered while somebody dead has every duty"
    audit.tick(0.0)
    assert native.lease("vm~other:5") is None
    wait_for(lambda: not native.redis.exists("resque:duty:audit"), 5, "its time is over")
    with events.listening("audit.repaired") as heard:
        audit.tick(0.0)
    assert len(heard) >= 1
    assert native.lease("vm~other:5") is not None
    assert native.redis.pttl("resque:duty:audit") > 0, "so is ours, if we die now"


@pytest.mark.parametrize("path", ["report", "lease"])
def test_others_a_cleanup_is_aborted_by_one_bad_entry(native: Stage, path: str) -> None:
    """Among what a dead worker held are entries that nobody can read, and the registries hold nonsense.

    Failed there: a loop over dead workers that raises at the first such entry, each time anew: whoever comes after it
    in the list is never recovered. One malformed id in `workers` keeps every Ruby worker from starting.
    Safe: nothing is parsed that need not be; what cannot be read is failed whole, and each queue stands for itself.
    """
    bad = [b"", b"\xff\xfe", b"null", b"[1", b'{"class":', b"{" * 5000, b'{"class":"A","args":{}}']
    native.hold(job(1), *bad, job(2))
    native.hold(job(3), queue="r", member="vm~gone2:1")
    native.redis.sadd("resque:workers", "x", "a:b", ":::", b"\xff:1:q")
    native.redis.sadd("resque:queues", b"\xff", "", "a:b")
    native.redis.zadd("resque:leases:q", {"": 1, "x": 1, b"\xff:1": 1, "a:b:c": 1})
    native.redis.set("resque:leases:a:b", "no zset")
    recovery = native.recovery()
    if path == "report":
        recovery.reports.append(report(member=GONE))
    let_time_pass(recovery, 0.0, 8.0, 16.0)
    back = native.waiting()
    assert {job(1, crashes=crashes) for crashes in (None, 1)} & set(back)
    assert {job(2, crashes=crashes) for crashes in (None, 1)} & set(back)
    assert native.waiting("r") == [job(3, crashes=1)]
    assert len(back) + len(failures(native)) == len(bad) + 2, "nothing has vanished"
    assert native.inflight() == 0
