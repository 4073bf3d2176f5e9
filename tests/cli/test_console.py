"""The console of a command."""

from tests.admin.conftest import Shop
from tests.cli.conftest import Run


def test_looking_leaves_no_trace(run: Run, shop: Shop) -> None:
    shop.redis.flushall()
    for words in (("info",), ("queue", "ls"), ("failed", "ls"), ("workers", "ls"), ("queue", "purge", "x", "--yes")):
        run(*words)
    assert shop.redis.keys("*") == []


def test_an_empty_namespace_has_no_queue_to_guess(run: Run, shop: Shop) -> None:
    assert "there are no queues yet" in run("queue", "show", "mail").err
