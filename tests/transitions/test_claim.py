"""The marker of a namespace, and questions about the server."""

import time

import pytest

from resque.config import Wire
from resque.errors import WireMismatch
from resque.store import namespace
from resque.store.operation import Operation
from tests.transitions.state import Space, State

pytestmark = pytest.mark.every_server


def claim(wire: Wire | None) -> Operation[Wire]:
    return namespace.claim("resque", wire)


@pytest.mark.parametrize(("asked", "becomes"), [(None, "native"), ("native", "native"), ("ruby", "ruby")])
def test_a_new_namespace_is_marked_by_its_first_user(space: Space, asked: Wire | None, becomes: str) -> None:
    space.check({}, claim(asked), becomes, {"wire": becomes})


@pytest.mark.parametrize("marked", ["native", "ruby"])
def test_a_marked_namespace_tells_its_direction_to_who_does_not_mind(space: Space, marked: str) -> None:
    """Whether or not there are queues and workers by now."""
    state: State = {"wire": marked, "queues": {"q"}, "workers": {"w"}}
    space.check(state, claim(None), marked, state)


@pytest.mark.parametrize(("marked", "asked"), [("native", "ruby"), ("ruby", "native")])
def test_a_namespace_of_the_other_direction_is_refused(space: Space, marked: str, asked: Wire) -> None:
    space.load({"wire": marked})
    with pytest.raises(WireMismatch, match=f"marked as '{marked}' but wire='{asked}' was asked for"):
        space.run(claim(asked))
    assert space.dump() == {"wire": marked}


def test_a_marker_that_says_neither_is_refused(space: Space) -> None:
    space.load({"wire": "sideways"})
    for asked in (None, "native", "ruby"):
        with pytest.raises(WireMismatch, match="sideways"):
            space.run(claim(asked))


@pytest.mark.parametrize("trace", [{"queues": {"q"}}, {"workers": {"host:1:q"}}], ids=["queues", "workers"])
def test_an_unmarked_namespace_in_use_is_somebody_elses(space: Space, trace: State) -> None:
    """A Ruby Resque was here first: guessing would turn its order around."""
    space.load(trace)
    with pytest.raises(WireMismatch, match="already used by somebody else's Resque"):
        space.run(claim(None))
    assert space.dump() == trace


@pytest.mark.parametrize("asked", ["native", "ruby"])
def test_an_unmarked_namespace_in_use_is_taken_by_who_says_how(space: Space, asked: Wire) -> None:
    space.check(
        {"queues": {"q"}, "workers": {"w"}}, claim(asked), asked, {"queues": {"q"}, "workers": {"w"}, "wire": asked}
    )
    assert space.run(claim(None)) == asked


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ({}, [None, False]),
        ({"wire": "ruby"}, ["ruby", False]),
        ({"workers": {"w"}}, [None, True]),
        ({"wire": "native", "queues": {"q"}}, ["native", True]),
    ],
)
def test_who_only_looks_marks_nothing(space: Space, state: State, seen: list[object]) -> None:
    space.load(state)
    assert space.run_all(namespace.look("resque")) == seen
    assert space.dump() == state


def test_prefixes_are_namespaces_of_their_own(space: Space) -> None:
    space.load({"queues": {"q"}})
    assert space.run(namespace.claim("shop", None)) == "native"
    assert space.dump() == {"queues": {"q"}, "shop:wire": "native"}


def test_the_servers_clock(space: Space) -> None:
    assert space.run(namespace.time()) == pytest.approx(time.time(), abs=2)


def test_a_duty_is_taken_once_until_its_time_is_over(space: Space) -> None:
    taken = namespace.take_duty(space.keys, "audit", "me", 0.2)
    assert space.run(taken) is True
    assert space.run(namespace.take_duty(space.keys, "audit", "you", 0.2)) is False
    assert space.run(namespace.take_duty(space.keys, "cron", "you", 0.2)) is True
    assert space.dump() == {"duty:audit": "me", "duty:cron": "you"}
    assert 0 < space.redis.pttl("resque:duty:audit") <= 200
