"""Entries of cron as a person sees them, whatever is in Redis; switching them, firing one by hand."""

import json
from typing import Any

import pytest

from resque import clock
from resque.admin import schedules
from resque.admin.console import Console
from resque.config import Settings
from resque.errors import NotEnqueued, PayloadTooLarge
from tests.admin.conftest import Shop
from tests.admin.times import entry, fired, raw_entry

MORNING = 1_795_500_000.0
"""2026-11-24 06:00 UTC, a Tuesday."""


def test_an_entry_is_shown_with_what_was_and_what_will_be(console: Console, shop: Shop) -> None:
    entry(shop, "nightly", cron="0 6 * * mon-fri", tz="Europe/Berlin", args=[1], description="sums up")
    fired(shop, "nightly", 100, 200)
    (view,) = schedules.every(console)
    assert view.entry is not None
    assert (view.name, view.entry.job, view.entry.queue, view.entry.args) == ("nightly", "Report", "reports", [1])
    assert (view.enabled, view.trouble, view.entry.description) == (True, "", "sums up")
    assert [(run.tick, run.id) for run in view.runs] == [(200.0, "run-200"), (100.0, "run-100")]
    with clock.use(lambda: MORNING):
        assert view.next(2) == [1_795_582_800.0, 1_795_669_200.0]


def test_entries_are_sorted_by_name(console: Console, shop: Shop) -> None:
    for name in ("b", "a", "c"):
        entry(shop, name, every=300)
    assert [view.name for view in schedules.every(console)] == ["a", "b", "c"]


def test_an_interval(console: Console, shop: Shop) -> None:
    entry(shop, "often", every=300)
    (view,) = schedules.every(console)
    with clock.use(lambda: MORNING + 1):
        assert view.next(2) == [MORNING + 300, MORNING + 600]


def test_what_is_told_ahead_is_bounded(console: Console, shop: Shop) -> None:
    entry(shop, "often", every=1)
    assert len(schedules.every(console)[0].next(10_000)) == schedules.NEXT


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b" " * 200_000, "bytes"),
        (b'{"name":"bad","class":"A"}', "queue"),
        (b'{"name":"bad","class":1,"queue":"q","cron":"@daily"}', "cannot be read"),
        (b'{"name":"good","class":"A","queue":"q","cron":"@daily"}', "calls itself"),
        (b'{"name":"bad","class":"A","queue":"q"}', "needs a cron line"),
        (b'{"name":"bad","class":"A","queue":"q","cron":"* * *"}', "3 fields"),
        (b'{"name":"bad","class":"A","queue":"q","cron":"0 6 * * *","tz":"Mars/Base"}', "Mars/Base"),
        (b'{"name":"bad","class":"A","queue":"a b","cron":"@daily"}', "blanks"),
    ],
    ids=range(12),
)
def test_an_entry_that_means_nothing_is_told_and_spoils_no_other(
    console: Console, shop: Shop, raw: bytes, words: str
) -> None:
    entry(shop, "good", every=300)
    shop.redis.hset(shop.keys.cron(), "bad", raw)
    bad, good = schedules.every(console)
    assert words in bad.trouble
    assert (bad.entry, bad.schedule, bad.next(5)) == (None, None, [])
    assert (good.trouble, len(good.next(5))) == ("", 5)


def test_runs_of_another_type_are_none(console: Console, shop: Shop) -> None:
    entry(shop, "odd", every=300)
    shop.redis.set(shop.keys.cron_runs("reports", "odd"), "x")
    assert schedules.every(console)[0].runs == []


def test_the_time_in_which_it_was_disabled_is_not_made_up_for(console: Console, shop: Shop) -> None:
    """Also where a scheduler starts afterwards: the entry itself says since when it counts."""
    entry(shop, "nightly", cron="@hourly", missed="all", since=1000.0)
    before = schedules.every(console)[0].entry
    assert not schedules.enable(console, "nightly"), "it was enabled: nothing is changed"
    assert schedules.every(console)[0].entry == before
    assert schedules.disable(console, "nightly")
    assert schedules.enable(console, "nightly")
    seconds, micros = shop.redis.time()
    found = schedules.every(console)[0].entry
    assert before is not None
    assert found is not None
    assert abs(seconds + micros / 1e6 - found.since) < 10
    assert found.changed(since=before.since) == before


def test_one_that_cannot_be_read_is_enabled_all_the_same(console: Console, shop: Shop) -> None:
    raw_entry(shop, "broken", cron="soon")
    before = shop.redis.hget(shop.keys.cron(), "broken")
    assert schedules.disable(console, "broken")
    assert schedules.enable(console, "broken")
    assert shop.redis.hget(shop.keys.cron(), "broken") == before


def test_disabled_and_enabled_again(console: Console, shop: Shop) -> None:
    entry(shop, "nightly", every=86400)
    entry(shop, "other", every=86400)
    assert schedules.disable(console, "nightly")
    assert not schedules.disable(console, "nightly")
    view = schedules.find(console, "nightly")
    assert view is not None
    assert (view.enabled, view.next(3)) == (False, [])
    assert schedules.every(console)[1].enabled
    assert schedules.enable(console, "nightly")
    assert not schedules.enable(console, "nightly")
    assert schedules.every(console)[0].enabled


def test_an_entry_is_found_by_its_name(console: Console, shop: Shop) -> None:
    entry(shop, "nightly", every=86400)
    found = schedules.find(console, "nightly")
    assert found is not None
    assert found.name == "nightly"
    assert schedules.find(console, "nightl") is None


def test_run_now_is_a_plain_enqueue_beside_the_ticks(console: Console, shop: Shop) -> None:
    entry(shop, "nightly", every=86400, args=["a", 2], kwargs={"loud": True})
    fired(shop, "nightly", 86400)
    schedules.disable(console, "nightly")
    view = schedules.find(console, "nightly")
    assert view is not None
    ids = [schedules.run_now(console, view) for _ in range(2)]
    jobs = [json.loads(raw) for raw in shop.waiting("reports")]
    assert [job["meta"]["id"] for job in jobs] == ids
    assert len(set(ids)) == 2
    assert (jobs[0]["class"], jobs[0]["args"], jobs[0]["kwargs"]) == ("Report", ["a", 2], {"loud": True})
    assert shop.redis.smembers(shop.keys.queues()) == {b"reports"}
    again = schedules.find(console, "nightly")
    assert again is not None
    assert [run.id for run in again.runs] == ["run-86400"]


def test_run_now_stamps_what_a_tick_would(console: Console, shop: Shop) -> None:
    entry(shop, "brief", every=300, expires=60.0, deadline=600.0)
    view = schedules.find(console, "brief")
    assert view is not None
    with clock.use(lambda: 1000.0):
        id = schedules.run_now(console, view)
    meta = {"id": id, "queue": "reports", "enqueued_at": 1000.0, "expires_at": 1060.0, "deadline_at": 1600.0}
    assert json.loads(shop.waiting("reports")[0])["meta"] == meta


def test_run_now_of_what_is_no_entry_enqueues_nothing(console: Console, shop: Shop) -> None:
    shop.redis.hset(shop.keys.cron(), "bad", b"[]")
    view = schedules.find(console, "bad")
    assert view is not None
    assert schedules.run_now(console, view) is None
    assert not shop.redis.exists(shop.keys.queues())


def test_run_now_raises_what_an_enqueue_raises(url: str, console: Console, shop: Shop) -> None:
    entry(shop, "large", every=86400, args=["x" * 3000])
    entry(shop, "refused", every=86400, queue="broken")
    shop.redis.set(shop.keys.queue("broken"), "x")
    large, refused = schedules.every(console)
    with Console(Settings(redis_url=url, max_payload=2000)) as narrow, pytest.raises(PayloadTooLarge):
        schedules.run_now(narrow, large)
    with pytest.raises(NotEnqueued, match="WRONGTYPE"):
        schedules.run_now(console, refused)


def test_looking_changes_nothing(console: Console, redis: Any) -> None:
    schedules.every(console)
    schedules.find(console, "x")
    assert redis.keys("*") == []
