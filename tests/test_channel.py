"""Messages between a supervisor and its children: whole, in order, never blocking, and an end that is noticed."""

import socket
from collections.abc import Iterator

import pytest

from resque import channel
from resque.channel import Channel, ChannelClosed


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = channel.pair()
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_in_order_both_ways(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    for number in range(100):
        assert one.send({"number": number})
    assert other.send({"ready": True})
    assert other.receive() == [{"number": number} for number in range(100)]
    assert one.receive() == [{"ready": True}]


def test_nothing_to_receive_is_no_wait(ends: tuple[Channel, Channel]) -> None:
    assert ends[0].receive() == []


def test_any_text_travels(ends: tuple[Channel, Channel]) -> None:
    """Line ends inside a message do not cut it."""
    message = {"why": "a\nb\r\n\x00 ü 日本", "marks": [-(2**63), 2**63 - 1], "deep": {"x": [None, 1.5, True]}}
    ends[0].send(message)
    assert ends[1].receive() == [message]


def test_half_a_line_is_kept_until_its_end_comes() -> None:
    raw, end = socket.socketpair()
    other = Channel(end)
    raw.send(b'{"a":1}\n{"b"')
    assert other.receive() == [{"a": 1}]
    assert other.receive() == []
    raw.send(b":2")
    assert other.receive() == []
    raw.send(b'}\n{"c":3}\n')
    assert other.receive() == [{"b": 2}, {"c": 3}]
    raw.close()
    other.close()


def test_a_full_buffer_never_blocks_and_loses_nothing(ends: tuple[Channel, Channel]) -> None:
    """The other side does not read: send says False; once it reads, flush gets the rest through, in order."""
    one, other = ends
    sent = 0
    while one.send({"number": sent, "text": "x" * 1000}):
        sent += 1
        assert sent < 100_000, "the buffer never fills"
    for number in range(sent + 1, sent + 20):
        assert not one.send({"number": number, "text": ""})
    received = []
    while len(received) < sent + 20:
        received += other.receive()
        one.flush()
    assert [message["number"] for message in received] == list(range(sent + 20))
    assert one.flush()


def test_what_was_sent_before_the_end_is_received_first(ends: tuple[Channel, Channel]) -> None:
    """A child's last words count; only then is it gone."""
    one, other = ends
    one.send({"queues": ["mail"]})
    one.send({"ready": True})
    one.close()
    assert other.receive() == [{"queues": ["mail"]}, {"ready": True}]
    with pytest.raises(ChannelClosed):
        other.receive()


def test_half_a_line_at_the_end_is_nothing() -> None:
    """The other side was killed while it wrote."""
    raw, end = socket.socketpair()
    other = Channel(end)
    raw.send(b'{"a":1}\n{"b":')
    raw.close()
    assert other.receive() == [{"a": 1}]
    with pytest.raises(ChannelClosed):
        other.receive()
    other.close()


def test_sending_to_a_closed_end_is_told(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    with pytest.raises(ChannelClosed):
        one.send({"a": 1})


def test_flushing_to_a_closed_end_is_told(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    while one.send({"text": "x" * 10_000}):
        pass
    other.close()
    with pytest.raises(ChannelClosed):
        one.flush()


def test_a_message_larger_than_any_buffer_arrives(ends: tuple[Channel, Channel]) -> None:
    """Also one beyond what a single receive takes in: the reader must not wait for an end that it has no room for."""
    one, other = ends
    message = {"text": "x" * (9 * 1024 * 1024)}
    one.send(message)
    received: list[dict[str, object]] = []
    for _ in range(1000):
        received += other.receive()
        if one.flush() and received:
            break
    assert received == [message]


def test_its_number_is_for_select(ends: tuple[Channel, Channel]) -> None:
    assert ends[0].fileno() != ends[1].fileno()
    assert ends[0].fileno() > 2
