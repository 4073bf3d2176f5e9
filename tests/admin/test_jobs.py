"""A payload can be shown whatever its bytes are; a job is found and cancelled by its id."""

import json
from pathlib import Path
from typing import Any

import pytest

from resque.admin import jobs
from resque.admin.console import Console
from resque.client import whereabouts
from resque.client.whereabouts import Status
from resque.payload import codec
from resque.payload.payload import Meta, Tries
from tests.admin.conftest import Shop, payload
from tests.admin.times import LOCK, delay

BAD = Path(__file__).parents[1] / "data" / "bad_payloads.jsonl"


def test_our_own_payload_is_shown_in_full() -> None:
    raw = codec.with_tries(payload(1, "a@example.org", at=1000.5), Tries(None, 2, 1))
    assert raw is not None
    view = jobs.view(raw)
    assert (view.id, view.job, view.args, view.enqueued_at) == ("job-1", "SendMail", ["a@example.org"], 1000.5)
    assert (view.attempt, view.crashes, view.unreadable, view.raw) == (2, 1, "", raw)


def test_a_foreign_payload_says_what_it_has() -> None:
    view = jobs.view(b'{"class":"Echo","args":["x"]}')
    assert (view.id, view.job, view.args, view.enqueued_at) == (None, "Echo", ["x"], None)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[]", b'{"class":1}', b"{" * 1000, b'{"class":"A","args":[NaN]}'])
def test_bytes_that_cannot_be_read_are_shown_with_the_reason(raw: bytes) -> None:
    view = jobs.view(raw)
    assert view.job is None
    assert view.unreadable
    assert view.raw == raw


def test_no_known_bad_payload_breaks_the_view() -> None:
    lines = BAD.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10
    for line in lines:
        jobs.view(json.dumps(json.loads(line)).encode())
        jobs.view(line.encode())


# by its id ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["by queue", "anywhere"])
def named(request: pytest.FixtureRequest) -> str | None:
    """The queue of the job, or None: then it has to be found."""
    return "mail" if request.param == "by queue" else None


def hold(shop: Shop, raw: bytes, queue: str = "mail", member: str = "h~1:1") -> None:
    """A worker has it."""
    shop.redis.sadd(shop.keys.queues(), queue)
    shop.redis.sadd(shop.keys.workers(), f"{member}:*")
    shop.redis.zadd(shop.keys.leases(queue), {member: 1e15})
    shop.redis.rpush(shop.keys.inflight(queue, member), raw)


def place(shop: Shop, state: str) -> None:
    """The job job-1 in this state, with others around it."""
    for number, queue in ((7, "a"), (8, "mail"), (9, "z")):
        shop.push(queue, payload(number, queue=queue))
        delay(shop, number + 10, 1e10, queue=queue)
        hold(shop, payload(number + 20, queue=queue), queue, f"h~{number}:1")
        shop.fail(payload(number + 30, queue=queue), queue=queue)
    match state:
        case "delayed":
            delay(shop, 1, 2e9)
        case "waiting":
            shop.push("mail", payload(1))
        case "running":
            hold(shop, payload(1))
        case "failed":
            shop.fail(payload(1))


@pytest.mark.parametrize("state", ["delayed", "waiting", "running", "failed", "ended"])
def test_a_job_is_found_where_it_is(console: Console, shop: Shop, named: str | None, state: str) -> None:
    place(shop, state)
    found = jobs.locate(console, named, "job-1")
    assert found.status.state == state
    assert found.queue == ("mail" if state != "ended" or named else None)
    assert found.status.due == (2e9 if state == "delayed" else None)
    assert found.status.worker == ("h~1:1" if state == "running" else None)
    assert found.status.error == ("ValueError: no" if state == "failed" else None)
    if state in ("delayed", "waiting", "running"):
        assert jobs.view(found.status.raw).id == "job-1"


@pytest.mark.parametrize("state", ["delayed", "waiting", "running", "failed", "ended"])
def test_cancel_says_where_it_was(console: Console, shop: Shop, named: str | None, state: str) -> None:
    place(shop, state)
    found = jobs.cancel(console, named, "job-1")
    assert found.was == state
    assert found.queue == ("mail" if state != "ended" or named else None)
    gone = state in ("delayed", "waiting")
    assert jobs.locate(console, named, "job-1").status.state == ("ended" if gone else state)
    assert int(shop.redis.get(shop.keys.stat("cancelled")) or 0) == gone
    asked = shop.redis.lrange(shop.keys.worker_command("h~1:1:*"), 0, -1)
    assert asked == ([b"cancel-job job-1"] if state == "running" else [])
    for number, queue in ((7, "a"), (8, "mail"), (9, "z")):
        assert payload(number, queue=queue) in shop.waiting(queue), "no other job is touched"


def test_a_long_list_is_searched_so_far_and_what_is_found_there_is_told(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One queue is searched less far than all are: who looked for the queue has seen the job, and says so."""
    monkeypatch.setattr(whereabouts, "SEARCH", 3)
    monkeypatch.setattr(whereabouts, "_WINDOW", 3)
    for number in range(10):
        shop.push("mail", payload(number))
    assert jobs.locate(console, "mail", "job-8").status.state == "unknown"
    assert jobs.locate(console, None, "job-8").status.state == "waiting"
    assert jobs.cancel(console, None, "job-8").was == "marked"
    assert shop.redis.zrange(shop.keys.cancelled("mail"), 0, -1) == [b"job-8"]


def test_the_search_over_all_queues_is_bounded(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SEARCH", 4)
    monkeypatch.setattr(jobs, "_WINDOW", 2)
    for number in range(6):
        shop.push("ab"[number % 2], payload(number))
    assert jobs.locate(console, None, "job-1").status.state == "waiting"
    assert jobs.locate(console, None, "job-5").status.state == "unknown"
    assert jobs.cancel(console, None, "job-5") == jobs.CancelledJob(None, "unknown")
    assert not shop.redis.keys("resque:cancelled*"), "an id without a queue marks nothing"


def test_a_failed_list_that_is_too_long_leaves_it_unknown(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SEARCH", 2)
    monkeypatch.setattr(jobs, "_WINDOW", 2)
    for number in range(5):
        shop.fail(payload(number))
    assert jobs.locate(console, None, "job-4").status.state == "failed"
    assert jobs.locate(console, None, "job-0").status.state == "unknown"


def test_one_broken_queue_hides_no_job(console: Console, shop: Shop) -> None:
    for name, key in (("a1", "delayed"), ("b1", "queue"), ("c1", "leases")):
        shop.redis.sadd(shop.keys.queues(), name)
        shop.redis.set(getattr(shop.keys, key)(name), "x")
    for state in ("delayed", "waiting", "running"):
        place(shop, state)
        assert jobs.locate(console, None, "job-1").status.state == state
        jobs.cancel(console, "mail", "job-1")


def test_an_id_inside_another_payload_is_not_that_job(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(2, "job-1"))
    shop.fail(payload(3, "job-1"))
    hold(shop, payload(4, "job-1"))
    assert jobs.locate(console, None, "job-1") == jobs.Located(None, Status("ended"))
    shop.fail(payload(1))
    shop.fail(payload(5, "job-1"), queue="other")
    found = jobs.locate(console, None, "job-1")
    assert (found.queue, found.status.state) == ("mail", "failed")


def test_a_job_that_got_its_id_from_a_worker_is_found(console: Console, shop: Shop) -> None:
    """A foreign payload that was put back once has an id in its trailer."""
    raw = codec.with_tries(b'{"class":"Echo","args":[]}', Tries("abc-1", 1, 1))
    assert raw is not None
    shop.push("mail", raw)
    found = jobs.locate(console, None, "abc-1")
    assert (found.queue, found.status.state) == ("mail", "waiting")


@pytest.mark.parametrize("lock", [None, f"ttl:{LOCK}", f"done:{LOCK}", f"start:{LOCK}"])
def test_the_lock_that_ends_with_a_job_is_seen(lock: str | None) -> None:
    raw = codec.encode("A", [], {}, Meta("i", "q", 1.0, lock=lock), limit=1000)
    assert jobs.view(raw).lock == (LOCK if lock is not None and not lock.startswith("ttl") else "")


def test_looking_changes_nothing(console: Console, redis: Any) -> None:
    redis.sadd("resque:queues", "mail")
    before = redis.keys("*")
    jobs.locate(console, None, "x")
    jobs.locate(console, "mail", "x")
    assert redis.keys("*") == before
