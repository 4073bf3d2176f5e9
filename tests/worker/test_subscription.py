"""The language of -q: strict order, weights, patterns, exclusions, what cannot be read."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from resque.errors import ConfigError
from resque.worker.subscription import Subscription

KNOWN = ["alpha", "critical", "mail", "mail_fast", "mail_slow", "zebra"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("critical", ["critical"]),
        ("critical,mail", ["critical", "mail"]),
        ("mail,critical", ["mail", "critical"]),
        (" critical , mail ,", ["critical", "mail"]),
        ("mail,mail,critical,mail", ["mail", "critical"]),
        ("unheard_of", ["unheard_of"]),
        ("*", KNOWN),
        ("zebra,*", ["zebra", "alpha", "critical", "mail", "mail_fast", "mail_slow"]),
        ("*,alpha", ["critical", "mail", "mail_fast", "mail_slow", "zebra", "alpha"]),
        ("mail*", ["mail", "mail_fast", "mail_slow"]),
        ("mail_????", ["mail_fast", "mail_slow"]),
        ("mail_[f]*", ["mail_fast"]),
        ("*,!mail_slow", ["alpha", "critical", "mail", "mail_fast", "zebra"]),
        ("!mail*,*", ["alpha", "critical", "zebra"]),
        ("mail,mail_slow,!mail_slow", ["mail"]),
        ("critical:1,!critical,mail", ["mail"]),
        ("zebra,mail*,*,!alpha", ["zebra", "mail", "mail_fast", "mail_slow", "critical"]),
        ("nothing*", []),
        ("a:b:1,c:d", ["a:b", "c:d"]),
        ("jobs:12345", ["jobs:12345"]),
        ("Mail", ["Mail"]),
        ("größe,日本", ["größe", "日本"]),
    ],
)
def test_order(text: str, expected: list[str]) -> None:
    """Which queues are looked at, first things first; the known ones are in KNOWN."""
    assert Subscription(text).order(KNOWN) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no queue"),
        (" , ,", "names no queue"),
        ("!mail", "names no queue"),
        ("two words", "blanks"),
        ("tab\tname", "control"),
        ("nul\x00", "control"),
        ("{slot}", "braces"),
        ("mail:0", "at least 1"),
        ("mail*:3", "plain name"),
        ("*:3", "plain name"),
        ("good,ba d", "blanks"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Subscription(text)


def shares(text: str, looks: int = 4000) -> dict[str, float]:
    """How often each queue comes first."""
    subscription, rng = Subscription(text), random.Random(7)
    first = Counter(subscription.order(KNOWN, rng)[0] for _ in range(looks))
    return {name: count / looks for name, count in first.items()}


def test_a_weight_is_the_share_of_being_first() -> None:
    """mail:3,default:1: three looks out of four begin with mail."""
    found = shares("mail:3,default:1")
    assert found["mail"] == pytest.approx(0.75, abs=0.03)
    assert found["default"] == pytest.approx(0.25, abs=0.03)


def test_three_weights() -> None:
    found = shares("a:5,b:3,c:2")
    assert found == {
        "a": pytest.approx(0.5, abs=0.03),
        "b": pytest.approx(0.3, abs=0.03),
        "c": pytest.approx(0.2, abs=0.03),
    }


def test_equal_weights_are_fair_in_every_place() -> None:
    """Each of three is last as often as first."""
    subscription, rng = Subscription("a:9,b:9,c:9"), random.Random(1)
    last = Counter(subscription.order([], rng)[-1] for _ in range(3000))
    assert all(count == pytest.approx(1000, abs=120) for count in last.values())


def test_a_look_has_every_weighted_queue_once() -> None:
    """Shuffled, not drawn: a queue that comes last is still looked at."""
    subscription, rng = Subscription("a:9999,b:1,c:1"), random.Random(3)
    for _ in range(200):
        assert sorted(subscription.order([], rng)) == ["a", "b", "c"]


def test_strict_and_weighted_mixed() -> None:
    """critical,mail:3,low:1,last: what stands around a weighted group keeps its place."""
    subscription, rng = Subscription("critical,mail:3,low:1,last"), random.Random(5)
    looks = [subscription.order([], rng) for _ in range(400)]
    assert all(look[0] == "critical" and look[-1] == "last" for look in looks)
    seconds = Counter(look[1] for look in looks)
    assert seconds["mail"] / 400 == pytest.approx(0.75, abs=0.08)


def test_two_weighted_groups_do_not_mix() -> None:
    subscription, rng = Subscription("a:1,b:1,middle,c:1,d:1"), random.Random(5)
    for _ in range(100):
        look = subscription.order([], rng)
        assert {*look[:2]} == {"a", "b"}
        assert look[2] == "middle"
        assert {*look[3:]} == {"c", "d"}


def test_without_a_generator_of_its_own_a_look_is_still_shuffled() -> None:
    subscription = Subscription("a:1,b:1")
    looks = [tuple(subscription.order([])) for _ in range(200)]
    assert any(one != other for one, other in pairwise(looks))


@pytest.mark.parametrize(
    ("text", "named", "is_fixed", "label"),
    [
        ("critical,mail", ["critical", "mail"], True, "critical,mail"),
        ("mail:3,default:1", ["mail", "default"], True, "mail,default"),
        ("*", [], False, "*"),
        ("zebra,mail*,!mail_slow", ["zebra"], False, "zebra,mail*"),
        ("a,b,!b", ["a"], True, "a,b"),
    ],
)
def test_what_others_ask(text: str, named: list[str], is_fixed: bool, label: str) -> None:
    """named: without asking Redis; is_fixed: nothing must be asked; label: the third part of a worker's id."""
    subscription = Subscription(text)
    assert subscription.named == named
    assert subscription.is_fixed is is_fixed
    assert subscription.label == label


def test_the_text_is_kept_without_blanks() -> None:
    assert Subscription(" a , b:2,, !c ").text == "a,b:2,!c"
