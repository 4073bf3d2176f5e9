"""Delayed jobs as a person sees them, and the three things that can be done to one."""

from collections.abc import Callable
from typing import Any

import pytest

from resque import clock
from resque.admin import delayed
from resque.admin.console import Console
from resque.admin.delayed import DelayedView
from resque.errors import ConfigError, Refused
from resque.store.settle import METRICS_LIFE
from tests.admin.conftest import Shop, payload
from tests.admin.times import LOCK, delay, put_delayed

NOW = 1_900_000_000.0


def ids(views: list[DelayedView]) -> list[str]:
    return [view.id for view in views]


def only(console: Console, id: str = "job-1") -> DelayedView:
    (view,) = delayed.find(console, id)
    return view


def test_those_due_soonest_come_first_over_all_queues(console: Console, shop: Shop) -> None:
    for number, due in ((1, 30.0), (2, 10.0), (3, 20.5)):
        delay(shop, number, due)
    delay(shop, 4, 15.0, queue="bills", job="SendBill")
    page = delayed.window(console)
    assert [(view.queue, view.id, view.due, view.job.job) for view in page.jobs] == [
        ("mail", "job-2", 10.0, "SendMail"),
        ("bills", "job-4", 15.0, "SendBill"),
        ("mail", "job-3", 20.5, "SendMail"),
        ("mail", "job-1", 30.0, "SendMail"),
    ]
    assert page.is_complete
    assert delayed.count(console) == 4
    assert ids(delayed.window(console, "mail").jobs) == ["job-2", "job-3", "job-1"]
    assert delayed.count(console, "mail") == 3


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
@pytest.mark.parametrize("queue", [None, "a"])
def test_pages_are_the_whole_without_gaps(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch, chunk: int, queue: str | None
) -> None:
    """Whatever is read at once, and wherever its ends fall."""
    monkeypatch.setattr(delayed, "_CHUNK", chunk)
    for number in range(13):
        delay(shop, number, 100.0 + number, queue="abc"[number % 3])
    expected = [f"job-{n}" for n in range(13) if queue is None or n % 3 == 0]
    seen: list[str] = []
    for start in range(0, len(expected), 2):
        page = delayed.window(console, queue, start, 2)
        assert page.is_complete == (start + 2 >= len(expected))
        seen += ids(page.jobs)
    assert seen == expected
    assert delayed.window(console, queue, 99, 2).jobs == []


def test_a_page_is_bounded(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed, "WINDOW", 2)
    for number in range(5):
        delay(shop, number, 1.0)
    assert len(delayed.window(console, size=1000).jobs) == 2


def test_the_depth_over_several_queues_is_bounded(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further than that the pages of one queue are to be asked for: Redis steps over what is not wanted."""
    monkeypatch.setattr(delayed, "DEPTH", 4)
    for number in range(10):
        delay(shop, number, float(number), queue="ab"[number % 2])
    assert ids(delayed.window(console, start=3, size=5).jobs) == ["job-3"]
    assert not delayed.window(console, start=8, size=5).is_complete
    assert ids(delayed.window(console, "a", start=3, size=5).jobs) == ["job-6", "job-8"]


def test_a_queue_of_another_type_spoils_no_other(console: Console, shop: Shop) -> None:
    delay(shop, 1, 10.0)
    shop.redis.sadd(shop.keys.queues(), "bad")
    shop.redis.set(shop.keys.delayed("bad"), "x")
    assert ids(delayed.window(console).jobs) == ["job-1"]
    assert delayed.count(console) == 1
    assert ids(delayed.find(console, "job-1")) == ["job-1"]
    with pytest.raises(Refused):
        delayed.find(console, "job-1", "bad")


def test_a_payload_that_cannot_be_read_is_shown_and_can_be_cancelled(console: Console, shop: Shop) -> None:
    put_delayed(shop, "bad", 5.0, b"\xff")
    put_delayed(shop, "empty", 6.0, b"")
    bad, empty = delayed.window(console).jobs
    assert bad.job.job is None
    assert "UTF-8" in bad.job.unreadable
    assert empty.job.unreadable
    assert delayed.cancel(console, bad)
    assert ids(delayed.window(console).jobs) == ["empty"]


# search ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("job-1", ["job-1"]),
        ("Bill", ["job-2", "job-12"]),
        ("SendMail", ["job-1", "job-3", "other"]),
        ("job-", ["job-1", "job-2", "job-3", "job-12"]),
        ("secret", []),
        ("nothing", []),
    ],
)
def test_a_search_looks_at_ids_and_classes_alone(console: Console, shop: Shop, text: str, expected: list[str]) -> None:
    """Not at arguments: a class is a filter, an argument may hold the text by chance. A whole id is that one only."""
    for number, job in ((1, "SendMail"), (2, "SendBill"), (3, "SendMail"), (12, "SendBill")):
        delay(shop, number, float(number), queue=job.lower(), job=job)
    raw = payload(9, "secret", queue="sendmail")
    put_delayed(shop, "other", 99.0, raw, queue="sendmail")
    assert ids(delayed.search(console, text).jobs) == expected


def test_a_search_says_whether_it_has_seen_everything(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        delay(shop, number, float(number))
    page = delayed.search(console, "SendMail", size=4)
    assert (len(page.jobs), page.is_complete) == (4, False)
    assert delayed.search(console, "SendMail", size=10).is_complete
    monkeypatch.setattr(delayed, "DEPTH", 5)
    page = delayed.search(console, "SendMail", size=10)
    assert (len(page.jobs), page.is_complete) == (5, False)
    assert ids(delayed.search(console, "job-9").jobs) == ["job-9"], "a whole id needs no search"


def test_an_id_may_be_delayed_in_two_queues(console: Console, shop: Shop) -> None:
    delay(shop, 1, 10.0, queue="a")
    delay(shop, 1, 20.0, queue="b")
    assert [view.queue for view in delayed.find(console, "job-1")] == ["a", "b"]
    assert [view.queue for view in delayed.find(console, "job-1", "b")] == ["b"]
    assert delayed.find(console, "job-2") == []


@pytest.mark.parametrize("id", ["", "x" * 10_000, "*", "\0", "é"], ids=ascii)
def test_an_odd_id_is_one_that_is_not_there(console: Console, shop: Shop, id: str) -> None:
    delay(shop, 1, 10.0)
    assert delayed.find(console, id) == []


# what can be done -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("front", [False, True])
def test_run_now_goes_to_the_back_or_to_the_front(console: Console, shop: Shop, front: bool) -> None:
    shop.push("mail", payload(8))
    raw = delay(shop, 1, NOW)
    assert delayed.run_now(console, only(console), front=front)
    assert shop.waiting("mail") == ([raw, payload(8)] if front else [payload(8), raw])
    assert delayed.count(console) == 0
    assert not shop.redis.exists(shop.keys.payloads("mail"))


def test_reschedule_changes_the_time_and_nothing_else(console: Console, shop: Shop) -> None:
    raw = delay(shop, 1, NOW)
    with clock.use(lambda: NOW):
        assert delayed.reschedule(console, only(console), NOW + 60)
    view = only(console)
    assert (view.due, view.job.raw) == (NOW + 60, raw)


@pytest.mark.parametrize("due", [-1.0, NOW + 11 * 365 * 86400, float("inf"), float("nan")])
def test_reschedule_refuses_what_no_delay_may_be(console: Console, shop: Shop, due: float) -> None:
    delay(shop, 1, NOW)
    view = only(console)
    with clock.use(lambda: NOW), pytest.raises(ConfigError, match="ten years"):
        delayed.reschedule(console, view, due)
    assert only(console).due == NOW


def test_cancel_counts_and_leaves_nothing_of_the_job(console: Console, shop: Shop) -> None:
    delay(shop, 1, NOW, lock=f"done:{LOCK}", attempt=2)
    delay(shop, 2, NOW)
    shop.redis.hset(shop.keys.attempts("mail"), "job-1", '{"error":"no"}')
    shop.redis.set(shop.keys.lock("mail", LOCK), "job-1")
    view = only(console)
    assert delayed.errors(console, view) == [b'{"error":"no"}']
    with clock.use(lambda: 600.0):
        assert delayed.cancel(console, view)
    assert ids(delayed.window(console).jobs) == ["job-2"]
    assert shop.redis.hkeys(shop.keys.payloads("mail")) == [b"job-2"]
    assert not shop.redis.exists(shop.keys.attempts("mail"))
    assert not shop.redis.exists(shop.keys.lock("mail", LOCK))
    assert shop.redis.get(shop.keys.stat("cancelled")) == b"1"
    assert shop.redis.hgetall(shop.keys.metrics("mail", 10)) == {b"SendMail|cancelled": b"1"}
    assert 0 < shop.redis.ttl(shop.keys.metrics("mail", 10)) <= METRICS_LIFE


@pytest.mark.parametrize(
    ("lock", "holder", "is_kept"),
    [("start", "job-1", False), ("done", "job-2", True), ("ttl", "job-1", True)],
    ids=["its own", "of another job", "held for a time whatever becomes of the job"],
)
def test_cancel_frees_the_lock_that_ends_with_the_job(
    console: Console, shop: Shop, lock: str, holder: str, is_kept: bool
) -> None:
    delay(shop, 1, NOW, lock=f"{lock}:{LOCK}")
    shop.redis.set(shop.keys.lock("mail", LOCK), holder)
    assert delayed.cancel(console, only(console))
    assert shop.redis.exists(shop.keys.lock("mail", LOCK)) == is_kept


@pytest.mark.parametrize(
    "act",
    [delayed.run_now, delayed.cancel, lambda console, view: delayed.reschedule(console, view, 5.0)],
    ids=["run now", "cancel", "reschedule"],
)
def test_who_comes_too_late_changes_nothing(
    console: Console, shop: Shop, act: Callable[[Console, DelayedView], bool]
) -> None:
    """It has become due, or somebody else was faster."""
    raw = delay(shop, 1, NOW)
    view = only(console)
    assert delayed.run_now(console, view)
    assert not act(console, view)
    assert shop.waiting("mail") == [raw]
    assert delayed.count(console) == 0
    assert not shop.redis.exists(shop.keys.stat("cancelled"))


def test_looking_changes_nothing(console: Console, redis: Any) -> None:
    redis.sadd("resque:queues", "mail")
    before = redis.keys("*")
    delayed.window(console)
    delayed.search(console, "x")
    delayed.find(console, "x")
    delayed.count(console)
    assert redis.keys("*") == before
