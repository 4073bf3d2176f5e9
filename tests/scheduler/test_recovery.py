"""In-flight jobs of workers that are gone come back: when, in which order, with which counts. Nobody sleeps here."""

import base64
import json
import re

import pytest

from resque import events
from resque.payload import codec
from tests.fault_proxy import FaultProxy, call
from tests.scheduler.conftest import GONE, MakeStore, Stage
from tests.scheduler.lost import ID, LEASE, failures, job, let_time_pass, report, sha

# a reported death ---------------------------------------------------------------------------------------------------


def test_a_reported_worker_is_recovered_at_once(stage: Stage) -> None:
    """Long before its lease ends, to the front of the queue; only what had started counts a crash."""
    stage.hold(job(1), job(2), job(3), ends_in=20)
    stage.wait(job(4))
    recovery = stage.recovery()
    recovery.reports.append(report(job(2)))
    with events.listening("job.recovered") as heard:
        assert recovery.tick(0.0) == LEASE / 4
    assert stage.waiting() == [job(1), job(2, crashes=1), job(3), job(4)]
    assert stage.inflight() == 0
    assert recovery.recovered == [GONE]
    assert recovery.reports == []
    ((_, data),) = heard
    assert (data["released"], data["failed"], data["worker"]) == (3, 0, GONE)


def test_of_equal_jobs_as_many_count_a_crash_as_had_started(stage: Stage) -> None:
    stage.hold(job(1), job(1), job(1), ends_in=20)
    recovery = stage.recovery()
    recovery.reports.append(report(job(1), job(1)))
    recovery.tick(0.0)
    assert stage.waiting() == [job(1, crashes=1), job(1, crashes=1), job(1)]


def test_a_reported_worker_leaves_the_registry(native: Stage) -> None:
    native.redis.sadd("resque:workers", f"{GONE}:q", "other:1:q")
    native.redis.set(f"resque:worker:{GONE}:q", "{}")
    native.redis.set(f"resque:stat:processed:{GONE}:q", 5)
    recovery = native.recovery()
    recovery.reports.append(report())
    recovery.tick(0.0)
    assert native.redis.smembers("resque:workers") == {b"other:1:q"}
    assert native.redis.keys(f"resque:*{GONE}*") == []


def test_a_report_without_queues_means_all_of_them(native: Stage) -> None:
    """The child died before it could say which."""
    native.hold(job(1), queue="a", ends_in=20)
    native.hold(job(2), queue="b", ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report(queues=()))
    recovery.tick(0.0)
    assert (native.waiting("a"), native.waiting("b")) == ([job(1)], [job(2)])


def test_every_payload_is_marked_before_it_is_read(native: Stage) -> None:
    """One that kills its reader must be known as started; afterwards nothing is marked."""
    native.hold(job(1), b"no json", ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report())
    recovery.tick(0.0)
    assert native.marks == [job(1), b"no json", None]


# a host that vanished -----------------------------------------------------------------------------------------------


def test_an_ended_lease_is_watched_before_anything_is_taken(stage: Stage) -> None:
    """For 0.4 of a lease: after an outage living supervisors renew first, whoever comes back first."""
    stage.hold(job(1), job(2))
    stage.wait(job(3))
    recovery = stage.recovery()
    let_time_pass(recovery, 100.0, 102.0, 107.9)
    assert stage.held() == [job(1), job(2)]
    recovery.tick(108.0)
    assert stage.waiting() == [job(1, crashes=1), job(2, crashes=1), job(3)], "nobody can tell what had started: all"
    assert stage.inflight() == 0


def test_a_lease_that_has_not_ended_is_left_alone(native: Stage) -> None:
    native.hold(job(1), ends_in=30)
    let_time_pass(native.recovery(), 0.0, 50.0, 100.0, 1000.0)
    assert native.held() == [job(1)]


def test_a_renewed_lease_is_not_touched(native: Stage) -> None:
    native.hold(job(1))
    recovery = native.recovery()
    recovery.tick(0.0)
    native.hold(ends_in=20)
    let_time_pass(recovery, 8.0, 100.0)
    assert native.held() == [job(1)]


def test_a_lease_that_was_renewed_and_has_ended_again_is_watched_anew(native: Stage) -> None:
    native.hold(job(1), ends_in=-5)
    recovery = native.recovery()
    let_time_pass(recovery, 0.0, 7.0)
    native.hold(ends_in=-1)
    let_time_pass(recovery, 8.0, 15.9)
    assert native.held() == [job(1)]
    recovery.tick(16.0)
    assert native.inflight() == 0


def test_a_lease_that_is_renewed_at_the_last_moment_is_not_touched(
    native: Stage, proxy: FaultProxy, through: MakeStore
) -> None:
    """Between our look at the leases and the adoption."""
    native.hold(job(1))
    recovery = native.recovery(store=through(proxy.url))
    recovery.tick(0.0)
    renewal = proxy.on(b"resque:leases:q", call(lambda: native.hold(ends_in=20)))
    recovery.tick(8.0)
    assert renewal.hits == 1
    assert native.held() == [job(1)]
    let_time_pass(recovery, 9.0, 100.0)
    assert native.held() == [job(1)]


def test_two_recoverers_bring_back_everything_once(stage: Stage) -> None:
    jobs = [job(number) for number in range(350)]
    stage.hold(*jobs)
    one, other = stage.recovery("one"), stage.recovery("other")
    for now in (0.0, 8.0, 16.0):
        one.tick(now)
        other.tick(now)
    assert stage.waiting() == [job(number, crashes=1) for number in range(350)]
    assert stage.inflight() == 0


def test_two_recoverers_at_the_same_moment(native: Stage, proxy: FaultProxy, through: MakeStore) -> None:
    """The other one adopts and settles in the middle of our adoption."""
    native.hold(*(job(number) for number in range(250)))
    one, other = native.recovery("one", through(proxy.url)), native.recovery("other")
    let_time_pass(one, 0.0)
    let_time_pass(other, 0.0)
    trigger = proxy.on(sha("adopt"), call(lambda: other.tick(8.0)), after=1)
    one.tick(8.0)
    assert trigger.hits == 1
    assert sorted(native.waiting()) == sorted(job(number, crashes=1) for number in range(250))
    assert native.inflight() == 0


def test_it_never_adopts_from_itself(native: Stage) -> None:
    native.hold(job(1), member="vm~r:1")
    let_time_pass(native.recovery("r"), 0.0, 8.0, 16.0)
    assert native.held(member="vm~r:1") == [job(1)]


def test_another_host_recovers_a_recoverer_that_died(native: Stage) -> None:
    """Its lease was written before the first job moved into its list."""
    native.hold(job(1), ends_in=20)
    dying = native.recovery("dying")
    dying.reports.append(report())
    native.redis.hset("resque:queue:q", "x", "y")  # it cannot settle: as if it died here
    dying.tick(0.0)
    assert native.held(member="vm~dying:1") == [job(1)]
    lease = native.lease("vm~dying:1")
    assert lease is not None
    assert lease > native.now_ms() + 15_000
    native.redis.delete("resque:queue:q")
    native.redis.zadd("resque:leases:q", {"vm~dying:1": native.now_ms() - 1})
    let_time_pass(native.recovery("second"), 0.0, 8.0)
    assert native.waiting() == [job(1, crashes=1)]


# what comes back ----------------------------------------------------------------------------------------------------


def test_order_is_kept_over_many_chunks(stage: Stage) -> None:
    stage.hold(*(job(number) for number in range(431)), ends_in=20)
    stage.wait(job(1000))
    recovery = stage.recovery()
    recovery.reports.append(report())
    recovery.tick(0.0)
    assert stage.waiting() == [*(job(number) for number in range(431)), job(1000)]


@pytest.mark.parametrize(("crashes", "fails"), [(None, False), (0, False), (1, False), (2, True), (7, True)])
def test_the_third_crash_is_a_failure(stage: Stage, crashes: int | None, fails: bool) -> None:
    raw = job(1, crashes)
    stage.hold(raw, ends_in=20)
    recovery = stage.recovery()
    recovery.reports.append(report(raw))
    recovery.tick(0.0)
    assert stage.inflight() == 0
    if not fails:
        assert stage.waiting() == [job(1, (crashes or 0) + 1)]
        assert failures(stage) == []
        return
    assert stage.waiting() == []
    (record,) = failures(stage)
    assert record["exception"] == "WorkerDied"
    assert "signal 9 (SIGKILL)" in record["error"]
    assert record["payload"] == json.loads(raw)
    assert (record["queue"], record["worker"], record["id"]) == ("q", GONE, ID)
    assert int(stage.redis.get("resque:stat:failed")) == int(stage.redis.get("resque:stat:processed")) == 1


def test_a_failed_list_goes_the_way_of_the_wire(stage: Stage) -> None:
    """Newest at the end where Ruby looks for it, or where we do."""
    for number in (1, 2):
        stage.hold(job(number, 2), ends_in=20)
        recovery = stage.recovery()
        recovery.reports.append(report(job(number, 2)))
        recovery.tick(0.0)
    numbers = [record["payload"]["args"][0] for record in failures(stage)]
    assert numbers == ([1, 2] if stage.keys.wire == "ruby" else [2, 1])


@pytest.mark.parametrize("raw", [b"no json", b"[1,2]", b"\xff\xfe\x00", b""])
def test_bytes_that_no_crash_can_be_written_into(native: Stage, raw: bytes) -> None:
    """Started: one death is enough, and its bytes are kept whole. Not started: back as they are."""
    native.hold(raw, ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report())
    recovery.tick(0.0)
    assert native.waiting() == [raw]
    native.redis.delete("resque:queue:q")
    native.hold(raw, ends_in=20)
    recovery.reports.append(report(raw))
    recovery.tick(1.0)
    assert native.waiting() == []
    (record,) = failures(native)
    assert record["payload"] is None
    assert base64.b64decode(record["raw"]) == raw
    assert record["id"]


def test_an_unreadable_object_counts_crashes_like_any_other(native: Stage) -> None:
    """It can be written into, although its class is none."""
    native.hold(b'{"class":7}', ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report(b'{"class":7}'))
    recovery.tick(0.0)
    (raw,) = native.waiting()
    assert codec.tries_of(raw).crashes == 1


def test_a_payload_from_elsewhere_gets_an_id_with_its_first_crash(native: Stage) -> None:
    """In tries; the bytes before stay as they were. The next crash keeps the id."""
    foreign = b'{ "class": "Foreign", "args": [ 1.50 ] }'
    native.hold(foreign, ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report(foreign))
    recovery.tick(0.0)
    (once,) = native.waiting()
    found = re.fullmatch(
        rb'\{ "class": "Foreign", "args": \[ 1\.50 \] ,"tries":\{"id":"([0-9a-f-]{36})","attempt":1,"crashes":1\}\}',
        once,
    )
    assert found
    native.redis.delete("resque:queue:q")
    native.hold(once, ends_in=20)
    recovery.reports.append(report(once))
    recovery.tick(1.0)
    (twice,) = native.waiting()
    assert codec.tries_of(twice).id == found[1].decode()
    assert codec.tries_of(twice).crashes == 2


def test_a_payload_from_elsewhere_that_had_not_started_stays_as_it_is(native: Stage) -> None:
    foreign = b'{ "class": "Foreign", "args": [] }'
    native.hold(foreign, ends_in=20)
    recovery = native.recovery()
    recovery.reports.append(report())
    recovery.tick(0.0)
    assert native.waiting() == [foreign]
