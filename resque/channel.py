"""Channel: messages between a supervisor and its children.

May be in here: one JSON object a line over a socket pair, never blocking. May not: what the messages mean.
"""

import socket
from typing import Any

import msgspec

from resque.errors import ResqueError

_AT_ONCE = 65536
_READS = 128


class ChannelClosed(ResqueError):
    """The other side is gone."""


class Channel:
    """One end. Neither side ever waits for the other: a child that is silent must not stop its supervisor."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._in = bytearray()
        self._out = bytearray()

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> bool:
        """Send, as far as the other side takes it; True when nothing is left. Raises ChannelClosed."""
        self._out += msgspec.json.encode(message) + b"\n"
        return self.flush()

    def flush(self) -> bool:
        """Send what is left of earlier messages; True when nothing is."""
        while self._out:
            try:
                sent = self._socket.send(self._out)
            except BlockingIOError:
                return False
            except OSError as error:
                raise ChannelClosed(f"the other process is gone: {error}") from None
            del self._out[:sent]
        return True

    def receive(self) -> list[dict[str, Any]]:
        """All messages that have arrived (of a flood: some of them). Raises ChannelClosed at the other side's end."""
        for _ in range(_READS):  # a bound for one call, not for a message: that would never be complete
            try:
                data = self._socket.recv(_AT_ONCE)
            except BlockingIOError:
                break
            except OSError as error:
                raise ChannelClosed(f"the other process is gone: {error}") from None
            if not data:
                if b"\n" in self._in:
                    break
                raise ChannelClosed("the other process has closed its end")
            self._in += data
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
