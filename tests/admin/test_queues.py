"""Queues as a person sees them."""

from typing import Any

import pytest

from resque import clock
from resque.admin import queues
from resque.admin.console import Console
from tests.admin.conftest import Shop, payload


def test_a_list_has_every_number(console: Console, shop: Shop) -> None:
    for number in range(3):
        shop.push("mail", payload(number, at=1000.0 + number))
    shop.push("idle", b"x")
    shop.redis.delete(shop.keys.queue("idle"))
    for member, count in (("h~1:1", 2), ("h~2:2", 1)):
        shop.redis.zadd(shop.keys.leases("mail"), {member: 1})
        shop.redis.rpush(shop.keys.inflight("mail", member), *["x"] * count)
    shop.redis.set(shop.keys.paused("mail"), "1")
    shop.redis.rpush(shop.keys.oversize("mail"), "big")
    with clock.use(lambda: 1060.0):
        idle, mail = queues.every(console)
    assert (mail.name, mail.waiting, mail.in_flight, mail.oldest, mail.paused, mail.oversize, mail.trouble) == (
        ("mail", 3, 3, 60.0, True, 1, "")
    )
    assert (idle.name, idle.waiting, idle.in_flight, idle.oldest, idle.paused) == ("idle", 0, 0, None, False)


def test_the_age_is_unknown_for_a_payload_that_does_not_say(console: Console, shop: Shop) -> None:
    shop.push("mail", b'{"class":"Echo","args":[]}')
    assert queues.every(console)[0].oldest is None


def test_an_age_is_never_below_zero(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(1, at=2000.0))
    with clock.use(lambda: 1000.0):
        assert queues.every(console)[0].oldest == 0.0


def test_a_key_of_a_wrong_type_is_told_and_spoils_no_other_queue(console: Console, shop: Shop) -> None:
    shop.push("good", payload(1))
    shop.redis.sadd(shop.keys.queues(), "bad")
    shop.redis.set(shop.keys.queue("bad"), "x")
    bad, good = queues.every(console)
    assert bad.waiting is None
    assert "WRONGTYPE" in bad.trouble
    assert (good.waiting, good.trouble) == (1, "")


def test_many_queues_are_asked_in_rounds(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "_QUEUES_A_ROUND", 3)
    for number in range(8):
        for _ in range(number):
            shop.push(f"q{number}", payload(number))
    assert [(view.name, view.waiting) for view in queues.every(console)] == [(f"q{n}", n) for n in range(1, 8)]


def test_show_goes_in_the_order_in_which_workers_take(console: Console, shop: Shop) -> None:
    for number in range(5):
        shop.push("mail", payload(number))
    shown = queues.show(console, "mail", 1, 3)
    assert [(each.position, each.job.id) for each in shown] == [(1, "job-1"), (2, "job-2"), (3, "job-3")]
    assert queues.show(console, "mail", 9, 3) == []


def test_show_is_bounded(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "WINDOW", 2)
    for number in range(5):
        shop.push("mail", payload(number))
    assert len(queues.show(console, "mail", 0, 1000)) == 2


def test_purge_drops_waiting_jobs_counts_them_and_spares_what_runs(console: Console, shop: Shop) -> None:
    for number in range(3):
        shop.push("mail", payload(number))
    shop.push("other", payload(9))
    shop.redis.rpush(shop.keys.inflight("mail", "h~1:1"), "x")
    assert queues.purge(console, "mail") == 3
    assert shop.waiting("mail") == []
    assert len(shop.waiting("other")) == 1
    assert shop.redis.llen(shop.keys.inflight("mail", "h~1:1")) == 1
    assert shop.redis.get(shop.keys.stat("purged")) == b"3"


def test_a_queue_is_found_by_its_name_or_by_what_waits_in_it(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.redis.rpush(shop.keys.queue("nameless"), "x")
    for name, waiting in (("mail", 1), ("nameless", 1)):
        view = queues.find(console, name)
        assert view is not None
        assert view.waiting == waiting
    assert queues.find(console, "mial") is None


def test_looking_changes_nothing(console: Console, redis: Any) -> None:
    redis.sadd("resque:queues", "mail")
    before = redis.keys("*")
    queues.every(console)
    queues.show(console, "mail")
    queues.find(console, "nothing")
    assert redis.keys("*") == before


def test_a_paused_queue_says_who_has_paused_it_and_when(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.push("other", payload(2))
    with clock.use(lambda: 1234.5678):
        assert queues.pause(console, "mail", "ann@host")
    mail, other = queues.every(console)
    assert (mail.paused, mail.paused_by, mail.paused_at) == (True, "ann@host", 1234.568)
    assert (other.paused, other.paused_by, other.paused_at) == (False, None, None)
    assert not queues.pause(console, "mail", "bob@host"), "paused already: the note stays"
    assert queues.every(console)[0].paused_by == "ann@host"
    assert queues.resume(console, "mail")
    assert not queues.resume(console, "mail")
    assert [view.paused for view in queues.every(console)] == [False, False]
    assert shop.waiting("mail") == [payload(1)]


@pytest.mark.parametrize("note", [b"", b"1", b"\xff", b"[" * 100_000, b'{"by":7,"at":"x"}', b"null"], ids=range(6))
def test_what_another_tool_has_written_there_is_a_pause_too(console: Console, shop: Shop, note: bytes) -> None:
    shop.push("mail", payload(1))
    shop.redis.set(shop.keys.paused("mail"), note)
    (mail,) = queues.every(console)
    assert (mail.paused, mail.paused_by, mail.paused_at) == (True, None, None)
    assert not queues.pause(console, "mail", "ann")
    assert queues.resume(console, "mail")


def test_a_pause_of_a_wrong_type_is_a_pause(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.redis.rpush(shop.keys.paused("mail"), "x")
    (mail,) = queues.every(console)
    assert (mail.paused, mail.paused_by, mail.trouble) == (True, None, "")


def test_all_are_paused_by_resques_own_switch(console: Console, shop: Shop) -> None:
    """Byte for byte what Ruby's Resque writes and reads."""
    assert not queues.all_paused(console)
    assert queues.pause_all(console)
    assert shop.redis.get("resque:pause-all-workers") == b"true"
    assert not queues.pause_all(console)
    assert queues.all_paused(console)
    assert queues.resume_all(console)
    assert not queues.resume_all(console)
    assert not shop.redis.exists("resque:pause-all-workers")


def test_a_switch_that_is_not_on_can_be_put_on(console: Console, shop: Shop) -> None:
    shop.redis.set(shop.keys.pause_all(), "false")
    assert not queues.all_paused(console)
    assert queues.pause_all(console)
    assert queues.all_paused(console)


def test_pausing_claims_the_namespace(console: Console, redis: Any) -> None:
    queues.pause(console, "mail", "ann")
    assert redis.get("resque:wire") == b"native"


def test_the_delayed_jobs_of_a_queue_are_counted(console: Console, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.redis.zadd(shop.keys.delayed("mail"), {"a": 1, "b": 2})
    shop.push("bad", payload(2))
    shop.redis.set(shop.keys.delayed("bad"), "x")
    bad, mail = queues.every(console)
    assert (mail.delayed, mail.trouble) == (2, "")
    assert bad.delayed is None
    assert "WRONGTYPE" in bad.trouble
