"""The failed list: found by id, acted on by bytes, each record once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from resque.admin import failures
from resque.admin.console import Console
from resque.config import Settings, Wire
from resque.dev.server import Server
from resque.errors import Refused, WireMismatch
from resque.payload import codec
from resque.payload.payload import Meta, Tries
from tests.admin.conftest import Shop, payload
from tests.conftest import client

RUBY = (
    b'{"failed_at":"2026/11/24 01:55:21 UTC","payload":{"class":"Boom","args":[1]},"exception":"RuntimeError",'
    b'"error":"boom","backtrace":["a.rb:1"],"worker":"vm:1:*","queue":"boom"}'
)


def ignore(count: int) -> None:
    """Nobody watches the progress."""


def test_a_window_goes_from_the_newest(console: Console, shop: Shop) -> None:
    for number in range(5):
        shop.fail(payload(number))
    assert [view.id for view in failures.window(console, 0, 3)] == ["job-4", "job-3", "job-2"]
    assert [(view.id, view.position) for view in failures.window(console, 3, 9)] == [("job-1", 3), ("job-0", 4)]
    assert failures.count(console) == 5


def test_a_window_is_bounded(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "WINDOW", 2)
    for number in range(5):
        shop.fail(payload(number))
    assert len(failures.window(console, 0, 1000)) == 2


def test_a_record_is_found_by_id_wherever_it_is(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "WINDOW", 3)
    for number in range(10):
        shop.fail(payload(number))
    found = failures.find(console, ["job-9", "job-0", "job-77"])
    assert {id: view.position for id, view in found.items()} == {"job-9": 0, "job-0": 9}


def test_the_search_ends_at_its_depth(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "WINDOW", 2)
    monkeypatch.setattr(failures, "DEPTH", 4)
    for number in range(10):
        shop.fail(payload(number))
    assert failures.find(console, ["job-0"]) == {}
    assert list(failures.find(console, ["job-7"])) == ["job-7"]


def test_a_record_without_an_id_has_a_digest_for_a_name(console: Console, shop: Shop) -> None:
    shop.fail(payload(1))
    shop.fail_raw(RUBY)
    shop.fail_raw(b"garbage")
    garbage, ruby, _ = failures.window(console)
    assert ruby.id.startswith("~")
    assert garbage.id != ruby.id
    assert failures.find(console, [ruby.id])[ruby.id].record == RUBY


def test_an_id_with_strange_characters_is_found(console: Console, shop: Shop) -> None:
    shop.fail(codec.encode("A", (), {}, Meta('a"b/c', "mail", 1.0), limit=1000))
    assert list(failures.find(console, ['a"b/c'])) == ['a"b/c']


def test_retry_puts_the_job_back_as_if_it_had_never_been_tried(console: Console, shop: Shop) -> None:
    raw = payload(1, "x")
    tried = codec.with_tries(raw, Tries(None, 3, 2))
    assert tried is not None
    shop.push("mail", payload(0))
    shop.fail(tried)
    assert failures.retry(console, failures.window(console)[0]) == "done"
    assert shop.failed() == 0
    assert shop.waiting("mail") == [payload(0), raw]


def test_retry_makes_the_queue_known_again(console: Console, shop: Shop) -> None:
    shop.fail_raw(RUBY)
    assert failures.retry(console, failures.window(console)[0]) == "done"
    assert shop.waiting("boom") == [b'{"class":"Boom","args":[1]}']
    assert shop.redis.smembers(shop.keys.queues()) == {b"boom"}


def test_an_unreadable_payload_goes_back_byte_for_byte(console: Console, shop: Shop) -> None:
    raw = b"\xff\xfe not json \x00"
    shop.fail(raw)
    (view,) = failures.window(console)
    assert view.job.unreadable
    assert failures.retry(console, view) == "done"
    assert shop.waiting("mail") == [raw]


@pytest.mark.parametrize("record", [b"garbage", b'{"payload":null,"queue":"mail"}', RUBY.replace(b'"boom"}', b'""}')])
def test_a_record_that_holds_no_job_stays(console: Console, shop: Shop, record: bytes) -> None:
    shop.fail_raw(record)
    assert failures.retry(console, failures.window(console)[0]) == "impossible"
    assert shop.failed() == 1


def test_two_operators_retry_a_job_once(console: Console, shop: Shop) -> None:
    shop.fail(payload(1))
    (view,) = failures.window(console)
    assert failures.retry(console, view) == "done"
    assert failures.retry(console, view) == "gone"
    assert failures.discard(console, view) == "gone"
    assert len(shop.waiting("mail")) == 1


def test_the_right_record_is_hit_although_the_list_has_moved(console: Console, shop: Shop) -> None:
    for number in range(3):
        shop.fail(payload(number))
    view = failures.find(console, ["job-1"])["job-1"]
    for number in range(10, 15):
        shop.fail(payload(number))
    assert failures.discard(console, view) == "done"
    assert "job-1" not in [each.id for each in failures.window(console)]
    assert shop.failed() == 7
    assert shop.redis.get(shop.keys.stat("discarded")) == b"1"


@pytest.mark.parametrize("total", [0, 1, 7, 23])
def test_all_are_retried_the_newest_first(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(failures, "WINDOW", 5)
    for number in range(total):
        shop.fail(payload(number))
    seen: list[int] = []
    tally = failures.retry_all(console, seen.append)
    assert (tally.done, tally.gone, tally.impossible, tally.is_broken_off) == (total, 0, 0, False)
    assert sum(seen) == total
    assert shop.failed() == 0
    assert shop.waiting("mail") == [payload(number) for number in reversed(range(total))]


def test_all_are_discarded_and_counted(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "WINDOW", 5)
    for number in range(12):
        shop.fail(payload(number))
    shop.fail_raw(b"garbage")
    assert failures.discard_all(console, ignore).done == 13
    assert shop.failed() == 0
    assert shop.redis.get(shop.keys.stat("discarded")) == b"13"


def test_what_fails_meanwhile_is_left_alone(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every retried job fails again at once: without the account of what was there, this would never end."""
    monkeypatch.setattr(failures, "WINDOW", 5)
    for number in range(23):
        shop.fail(payload(number))

    def fail_again(count: int) -> None:
        for raw in shop.waiting("mail"):
            shop.fail(raw, error="again")
        shop.redis.delete(shop.keys.queue("mail"))

    tally = failures.retry_all(console, fail_again)
    assert (tally.done, tally.gone) == (23, 0)
    assert shop.failed() == 23
    assert {view.failure.error for view in failures.window(console, 0, 5)} == {"again"}


def test_what_others_take_meanwhile_is_told(console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "WINDOW", 5)
    records = [shop.fail(payload(number)) for number in range(20)]

    def take_some(count: int) -> None:
        for record in records[0:8]:
            shop.redis.lrem(shop.keys.failed(), 1, record)

    tally = failures.retry_all(console, take_some)
    assert (tally.done, tally.gone) == (12, 8)
    assert len(shop.waiting("mail")) == 12


def test_a_record_that_the_shift_of_the_list_has_hidden_is_found_in_a_second_pass(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that cannot be retried keep their places at the new end; when they leave, the others move up past us."""
    monkeypatch.setattr(failures, "WINDOW", 5)
    for number in range(10):
        shop.fail(payload(number))
    garbage = [shop.fail_raw(b"garbage %d" % number) for number in range(5)]

    def clean_up(count: int) -> None:
        for record in garbage:
            shop.redis.lrem(shop.keys.failed(), 1, record)

    tally = failures.retry_all(console, clean_up)
    assert (tally.done, tally.impossible, tally.gone) == (10, 5, 0)
    assert shop.failed() == 0


def test_records_that_hold_no_job_are_stepped_over(
    console: Console, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "WINDOW", 4)
    for number in range(20):
        if number % 3:
            shop.fail(payload(number))
        else:
            shop.fail_raw(b"garbage %d" % number)
    tally = failures.retry_all(console, ignore)
    assert (tally.done, tally.impossible) == (13, 7)
    assert shop.failed() == 7


def test_equal_records_are_retried_as_often_as_they_are_there(console: Console, shop: Shop) -> None:
    for _ in range(4):
        shop.fail_raw(RUBY)
    assert failures.retry_all(console, ignore).done == 4
    assert len(shop.waiting("boom")) == 4


def test_a_queue_of_a_wrong_type_stops_no_other(console: Console, shop: Shop) -> None:
    shop.redis.set(shop.keys.queue("bad"), "x")
    for number in range(6):
        shop.fail(payload(number), queue="bad" if number % 2 else "mail")
    tally = failures.retry_all(console, ignore)
    assert (tally.done, tally.impossible, tally.is_broken_off) == (3, 3, False)
    assert "WRONGTYPE" in tally.reason
    assert shop.failed() == 3


def test_a_server_that_has_become_a_replica_breaks_it_off(start_server: Callable[..., Server], wire: Wire) -> None:
    server = start_server()
    plain = client(server)
    with Console(Settings(redis_url=server.url, wire=wire)) as console:
        console.claim()
        for _ in range(3):
            plain.lpush("resque:failed", RUBY)
        plain.replicaof("127.0.0.1", 1)
        tally = failures.retry_all(console, ignore)
    plain.close()
    assert (tally.done, tally.is_broken_off) == (0, True)
    assert "primary" in tally.reason


def test_two_who_retry_all_at_once_retry_each_job_once(console: Console, shop: Shop, url: str) -> None:
    total = 300
    for number in range(total):
        shop.fail(payload(number))
    tallies: list[failures.Tally] = []

    def retry() -> None:
        with Console(Settings(redis_url=url)) as mine:
            tallies.append(failures.retry_all(mine, ignore))

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(tally.done for tally in tallies) == total
    assert sorted(shop.waiting("mail")) == sorted(payload(number) for number in range(total))


def test_nothing_is_moved_in_a_namespace_that_is_somebody_else_s(console: Console, redis: Any) -> None:
    redis.sadd("resque:queues", "boom")
    redis.rpush("resque:failed", RUBY)
    (view,) = failures.window(console)
    for act in (failures.retry, failures.discard):
        with pytest.raises(WireMismatch):
            act(console, view)
    with pytest.raises(WireMismatch):
        failures.retry_all(console, ignore)
    assert redis.lrange("resque:failed", 0, -1) == [RUBY]


def test_a_failed_list_of_a_wrong_type_is_refused(console: Console, redis: Any) -> None:
    redis.set("resque:failed", "x")
    with pytest.raises(Refused):
        failures.window(console)
