"""The console reads without a trace, claims before it changes, and asks in bounded trips."""

from typing import Any

import pytest

from resque.admin import console as room
from resque.admin.console import Console, known
from resque.config import Settings, Wire
from resque.errors import Refused, Unreachable, WireMismatch
from resque.store import queues
from resque.store.keys import Keys


def test_looking_leaves_no_marker(console: Console, redis: Any) -> None:
    assert console.keys.wire == "native"
    assert redis.keys("*") == []


def test_claiming_marks_a_new_namespace(console: Console, redis: Any) -> None:
    console.claim()
    assert redis.get("resque:wire") == b"native"


@pytest.mark.parametrize("marked", ["native", "ruby"])
def test_the_marker_decides_for_reading(console: Console, redis: Any, marked: Wire) -> None:
    redis.set("resque:wire", marked)
    assert console.keys.wire == marked
    assert not console.is_guess


def test_without_a_marker_the_setting_decides(url: str, redis: Any) -> None:
    redis.sadd("resque:queues", "mail")
    with Console(Settings(redis_url=url, wire="ruby")) as console:
        assert console.keys.wire == "ruby"
        assert not console.is_guess


def test_an_unmarked_namespace_in_use_is_a_guess_and_is_not_claimed(console: Console, redis: Any) -> None:
    redis.sadd("resque:queues", "mail")
    assert console.keys.wire == "native"
    assert console.is_guess
    with pytest.raises(WireMismatch, match="somebody else's"):
        console.claim()
    assert redis.get("resque:wire") is None


def test_a_claim_in_the_wrong_direction_is_refused(url: str, redis: Any) -> None:
    redis.set("resque:wire", "native")
    with Console(Settings(redis_url=url, wire="ruby")) as console, pytest.raises(WireMismatch, match="native"):
        console.claim()


def test_a_marker_that_means_nothing_is_an_error(console: Console, redis: Any) -> None:
    redis.set("resque:wire", "sideways")
    with pytest.raises(WireMismatch, match="sideways"):
        _ = console.keys


def test_a_marker_of_a_wrong_type_is_an_error(console: Console, redis: Any) -> None:
    redis.lpush("resque:wire", "x")
    with pytest.raises(Refused):
        _ = console.keys


def test_many_questions_go_in_several_trips_in_order(
    console: Console, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "QUESTIONS_A_TRIP", 2)
    for number in range(5):
        for _ in range(number):
            redis.lpush(f"resque:queue:q{number}", "x")
    assert console.ask([queues.length(console.keys, f"q{number}") for number in range(5)]) == [0, 1, 2, 3, 4]


def test_one_refusal_spoils_no_other_answer(console: Console, redis: Any) -> None:
    redis.set("resque:queue:bad", "x")
    redis.lpush("resque:queue:good", "x")
    bad, good = console.ask([queues.length(console.keys, name) for name in ("bad", "good")])
    assert isinstance(bad, Refused)
    assert known(bad) is None
    assert known(good) == 1


def test_no_server_is_unreachable() -> None:
    with Console(Settings(redis_url="redis://localhost:1")) as console, pytest.raises(Unreachable):
        console.claim()


def test_the_prefix_is_the_setting_s(url: str) -> None:
    with Console(Settings(redis_url=url, prefix="shop")) as console:
        assert console.keys == Keys("shop", "native")
