"""The numbers of the whole, and of the last minute."""

import pytest

from resque import clock
from resque.admin import stats
from resque.admin.console import Console
from tests.admin.conftest import Shop, payload


def test_an_empty_namespace_is_all_zero(console: Console, shop: Shop) -> None:
    found = stats.overview(console)
    assert (found.processed, found.failed, found.waiting, found.in_flight, found.failed_now, found.workers) == (0,) * 6
    assert (found.queues, found.paused, found.minute) == (0, [], [])


def test_everything_is_added_up(console: Console, shop: Shop) -> None:
    for name, value in {"processed": 10, "failed": 2, "purged": 3, "discarded": 1}.items():
        shop.redis.set(shop.keys.stat(name), value)
    for number in range(3):
        shop.push("mail" if number else "slow", payload(number))
    shop.redis.set(shop.keys.paused("slow"), "1")
    shop.redis.zadd(shop.keys.leases("mail"), {"h~1:1": 1})
    shop.redis.rpush(shop.keys.inflight("mail", "h~1:1"), "a", "b")
    shop.fail(payload(8))
    shop.redis.sadd(shop.keys.workers(), "vm:1:*", "vm:2:*")
    shop.redis.set(shop.keys.worker("vm:1:*"), '{"queue":"mail","payload":{"class":"A","args":[]}}')
    found = stats.overview(console)
    assert (found.processed, found.failed, found.purged, found.discarded) == (10, 2, 3, 1)
    assert (found.waiting, found.in_flight, found.failed_now, found.queues, found.paused) == (3, 2, 1, 2, ["slow"])
    assert (found.workers, found.working) == (2, 1)


def test_the_last_whole_minute_is_summed_over_queues(console: Console, shop: Shop) -> None:
    shop.redis.sadd(shop.keys.queues(), "a", "b")
    shop.redis.hset(shop.keys.metrics("a", 99), mapping={"Mail|done": 90, "Mail|r10": 90, "Mail|w5": 90, "?|failed": 1})
    shop.redis.hset(shop.keys.metrics("b", 99), mapping={"Mail|done": 5, "Mail|failed": 5, "Mail|r20": 10, "X|done": 2})
    shop.redis.hset(shop.keys.metrics("a", 100), mapping={"Mail|done": 1000})
    with clock.use(lambda: 100 * 60 + 30.0):
        mail, x, unknown = stats.overview(console).minute
    assert (mail.job, mail.done, mail.failed) == ("Mail", 95, 5)
    assert (mail.p50, mail.p95) == (2**10 / 1e6, 2**20 / 1e6)
    assert (x.job, x.done, x.failed, x.p50) == ("X", 2, 0, None)
    assert (unknown.job, unknown.failed) == ("?", 1)


def test_fields_that_mean_nothing_do_no_harm(console: Console, shop: Shop) -> None:
    shop.redis.sadd(shop.keys.queues(), "a")
    shop.redis.hset(shop.keys.metrics("a", 99), mapping={"done": 1, "A|r9999": 5, "A|rx": 1, "A|done": "many"})
    with clock.use(lambda: 100 * 60 + 30.0):
        found = {each.job: each for each in stats.last_minute(console, ["a"])}
    assert (found["A"].done, found["A"].p50) == (0, None)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ([], 0.5, None),
        ([(0, 1)], 0.5, 0.000001),
        ([(10, 50), (20, 50)], 0.5, 2**10 / 1e6),
        ([(10, 49), (20, 51)], 0.5, 2**20 / 1e6),
        ([(10, 95), (20, 5)], 0.95, 2**10 / 1e6),
        ([(10, 94), (20, 6)], 0.95, 2**20 / 1e6),
    ],
)
def test_percentiles_are_upper_ends(buckets: list[tuple[int, int]], share: float, expected: float | None) -> None:
    assert stats.percentile(buckets, share) == expected


def test_what_time_has_to_do_with_is_counted(console: Console, shop: Shop) -> None:
    for name, value in {"retried": 1, "expired": 2, "cancelled": 3, "deduplicated": 4}.items():
        shop.redis.set(shop.keys.stat(name), value)
    shop.redis.sadd(shop.keys.queues(), "a", "b", "bad")
    shop.redis.zadd(shop.keys.delayed("a"), {"x": 1, "y": 2})
    shop.redis.zadd(shop.keys.delayed("b"), {"z": 1})
    shop.redis.set(shop.keys.delayed("bad"), "x")
    shop.redis.set(shop.keys.pause_all(), "true")
    found = stats.overview(console)
    assert (found.retried, found.expired, found.cancelled, found.deduplicated) == (1, 2, 3, 4)
    assert (found.delayed, found.all_paused, found.paused) == (3, True, [])
