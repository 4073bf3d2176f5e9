"""waiting <- new."""

import pytest

from resque.errors import Refused, Unavailable
from resque.store import queues
from tests.transitions.state import Space

pytestmark = pytest.mark.every_server


def test_a_push_names_the_queue_and_goes_to_the_back(space: Space) -> None:
    """FIFO: what came later is further from the front, within one push too."""
    space.load({"queue:q": ["old"]})
    assert space.run_all(queues.enqueue(space.keys, "q", [b"a", b"b", b"c"])) == [1, None]
    assert space.dump() == {"queues": {"q"}, "queue:q": ["old", "a", "b", "c"]}


def test_a_known_queue_is_not_named_again(space: Space) -> None:
    space.load({"queues": {"q", "other"}})
    assert space.run_all(queues.enqueue(space.keys, "q", [b"a"])) == [0, None]
    assert space.dump() == {"queues": {"q", "other"}, "queue:q": ["a"]}


def test_the_name_is_written_before_the_push(space: Space) -> None:
    """Between the two a crash must leave a named queue, never a job that no `*` worker sees."""
    name, push = queues.enqueue(space.keys, "q", [b"a"])
    assert (name.command, name.keys) == ("SADD", ("resque:queues",))
    assert (push.command, push.keys) == (space.keys.direction.push_back, ("resque:queue:q",))


def test_payloads_are_opaque_bytes(space: Space) -> None:
    raw = bytes(range(256)) + b"\r\n$-1\r\n"
    space.run_all(queues.enqueue(space.keys, "q", [raw]))
    assert space.redis.lrange("resque:queue:q", 0, -1) == [raw]


def test_a_key_of_another_type_refuses_the_push_and_is_left_alone(space: Space) -> None:
    space.load({"queue:q": "a string"})
    named, pushed = space.run_all(queues.enqueue(space.keys, "q", [b"a"]))
    assert named == 1
    assert isinstance(pushed, Refused)
    assert not isinstance(pushed, Unavailable)
    assert space.dump() == {"queues": {"q"}, "queue:q": "a string"}


@pytest.mark.parametrize(
    ("start", "count", "found"),
    [(0, 2, "ab"), (1, 2, "bc"), (3, 5, "de"), (4, 1, "e"), (5, 3, ""), (0, 99, "abcde")],
)
def test_a_window_shows_what_will_be_reserved_next_first(space: Space, start: int, count: int, found: str) -> None:
    space.load({"queue:q": list("abcde")})
    window = space.run(queues.window(space.keys, "q", start, count))
    assert window == [letter.encode() for letter in found]


def test_questions_about_queues(space: Space) -> None:
    """Each answers for an absent key, too, and changes nothing."""
    state = {"queues": {"b", "a"}, "queue:a": ["1", "2"], "paused:a": "1", "oversize:a": ["big"]}
    space.load(state)
    keys = space.keys
    assert space.run(queues.names(keys)) == ["a", "b"]
    assert [space.run(queues.length(keys, q)) for q in "ab"] == [2, 0]
    assert [space.run(queues.is_paused(keys, q)) for q in "ab"] == [1, 0]
    assert [space.run(queues.oversize(keys, q)) for q in "ab"] == [1, 0]
    assert space.run(queues.name(keys, "c")) == 1
    assert space.dump() == state | {"queues": {"a", "b", "c"}}
