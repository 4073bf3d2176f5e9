"""Events reach those who want them and never harm the one who emits."""

from typing import Any

import pytest

from resque import events as room
from resque.events import Events


@pytest.fixture
def events() -> Events:
    return Events()


class Listener:
    """A subscriber that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, data: dict[str, Any]) -> None:
        self.heard.append((name, data))


def broken(name: str, data: dict[str, Any]) -> None:
    raise RuntimeError("subscriber broke")


def test_a_subscriber_gets_its_event_with_the_data(events: Events) -> None:
    listener = Listener()
    events.subscribe("job.started", listener)
    events.emit("job.started", id="1", queue="q")
    events.emit("job.finished", id="1")
    assert listener.heard == [("job.started", {"id": "1", "queue": "q"})]


def test_the_star_gets_everything(events: Events) -> None:
    listener = Listener()
    events.subscribe("*", listener)
    events.emit("job.started")
    events.emit("worker.died", pid=1)
    assert [name for name, _ in listener.heard] == ["job.started", "worker.died"]


def test_subscribers_are_called_in_the_order_they_came_and_the_star_last(events: Events) -> None:
    order: list[str] = []
    events.subscribe("*", lambda name, data: order.append("star"))
    events.subscribe("e", lambda name, data: order.append("first"))
    events.subscribe("e", lambda name, data: order.append("second"))
    events.emit("e")
    assert order == ["first", "second", "star"]


def test_emit_without_subscribers_does_nothing(events: Events) -> None:
    events.emit("job.started", id="1")


def test_unsubscribe_ends_it_and_may_be_repeated(events: Events) -> None:
    listener, other = Listener(), Listener()
    end = events.subscribe("e", listener)
    events.subscribe("e", other)
    end()
    end()
    events.emit("e")
    assert (len(listener.heard), len(other.heard)) == (0, 1)


def test_a_subscriber_may_unsubscribe_while_it_is_called(events: Events) -> None:
    """Nobody is left out because the list changed under the loop."""
    heard: list[str] = []

    def once(name: str, data: dict[str, Any]) -> None:
        heard.append("once")
        end()

    end = events.subscribe("e", once)
    events.subscribe("e", lambda name, data: heard.append("always"))
    events.emit("e")
    events.emit("e")
    assert heard == ["once", "always", "always"]


def test_wanted_tells_whether_anybody_listens(events: Events) -> None:
    assert not events.wanted("e")
    end = events.subscribe("e", Listener())
    assert events.wanted("e")
    assert not events.wanted("other")
    end()
    assert not events.wanted("e")
    events.subscribe("*", Listener())
    assert events.wanted("other")


def test_a_broken_subscriber_harms_nobody(events: Events, capsys: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    events.subscribe("e", broken)
    events.subscribe("e", listener)
    events.emit("e")
    assert len(listener.heard) == 1
    assert "an event subscriber failed and is ignored from now on" in capsys.readouterr().err


def test_a_broken_subscriber_is_reported_once_with_its_traceback(
    events: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must not flood the log of a busy worker."""
    events.subscribe("e", broken)
    for _ in range(100):
        events.emit("e")
    printed = capsys.readouterr().err
    assert printed.count("RuntimeError: subscriber broke") == 1


def test_listening_collects_the_events_of_a_block(events: Events) -> None:
    with events.listening() as seen:
        events.emit("a", x=1)
        events.emit("b")
    events.emit("c")
    assert seen == [("a", {"x": 1}), ("b", {})]
    assert not events.wanted("a")


def test_listening_to_one_name(events: Events) -> None:
    with events.listening("b") as seen:
        events.emit("a")
        events.emit("b")
    assert seen == [("b", {})]


def test_listening_ends_also_after_an_error(events: Events) -> None:
    with pytest.raises(KeyError), events.listening():
        raise KeyError
    assert not events.wanted("a")


def test_the_functions_of_the_room_are_those_of_the_default() -> None:
    with room.default.listening("test.only") as seen:
        room.emit("test.only", n=1)
        assert room.wanted("test.only")
    with room.listening("test.only") as others:
        room.default.emit("test.only", n=2)
    assert seen + others == [("test.only", {"n": 1}), ("test.only", {"n": 2})]
