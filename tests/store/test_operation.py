"""Reading replies: what RESP2 and RESP3 give means the same."""

from typing import Any

import pytest

from resque.store import operation, stats


@pytest.mark.parametrize(
    ("parse", "reply", "value"),
    [
        (operation.as_is, b"x", b"x"),
        (operation.nothing, b"OK", None),
        (operation.number, 3, 3),
        (operation.number, b"3", 3),
        (operation.number, None, 0),
        (operation.text, b"\xc3\xbc", "ü"),
        (operation.text, b"\xff", "\ufffd"),
        (operation.text, "x", "x"),
        (operation.texts, [b"b", b"a"], ["a", "b"]),
        (operation.texts, {b"b", b"a"}, ["a", "b"]),
        (operation.scores, [b"a", b"1.5", b"b", b"2"], [("a", 1.5), ("b", 2.0)]),
        (operation.scores, [[b"a", 1.5], [b"b", 2.0]], [("a", 1.5), ("b", 2.0)]),
        (operation.scores, [], []),
        (operation.mapping, [b"a", b"1", b"b", b"2"], {"a": b"1", "b": b"2"}),
        (operation.mapping, {b"a": b"1", b"b": b"2"}, {"a": b"1", "b": b"2"}),
        (operation.mapping, [], {}),
    ],
)
def test_a_reply_means(parse: Any, reply: Any, value: Any) -> None:
    assert parse(reply) == value


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(-1, 0), (0, 0), (0.0000009, 0), (0.000001, 1), (0.000002, 2), (0.000003, 2), (0.001, 10), (1, 20), (2200, 32)],
)
def test_a_bucket_holds_times_up_to_a_power_of_two_microseconds(seconds: float, bucket: int) -> None:
    assert stats.bucket(seconds) == bucket
    assert seconds <= stats.upper(bucket)


def test_names_of_fields() -> None:
    """A job that is not registered is counted under one name: hostile ones would fill the hash."""
    assert stats.done_fields("A", 3, 5) == ("A|done", "A|w3", "A|r5")
    assert stats.done_fields("A", -1, 5) == ("A|done", "", "A|r5")
    assert stats.failed_fields("A", 5) == ("A|failed", "A|r5")
    assert stats.failed_fields("", 5) == ("?|failed", "")
