"""Just enough of Redis' protocol to tell where a request ends and how many replies have arrived.

May be in here: cutting bytes. May not: sockets, faults.
"""

from typing import Any

import hiredis

_MORE = object()


class Replies:
    """Counts complete replies, RESP2 and RESP3; push messages answer nothing."""

    def __init__(self) -> None:
        self._reader: Any = hiredis.Reader(notEnoughData=_MORE)

    def feed(self, data: bytes) -> int:
        """How many replies `data` completes."""
        self._reader.feed(data)
        count = 0
        while (reply := self._reader.gets()) is not _MORE:
            if not isinstance(reply, hiredis.PushNotification):
                count += 1
        return count


def whole_commands(buffer: bytes) -> tuple[int, int]:
    """Where the last complete command in `buffer` ends, and how many commands end before that."""
    end = count = 0
    while (after := _command_end(buffer, end)) is not None:
        end, count = after, count + 1
    return end, count


def _command_end(buffer: bytes, position: int) -> int | None:
    line_end = buffer.find(b"\r\n", position)
    if line_end < 0:
        return None
    if buffer[position : position + 1] != b"*":
        return line_end + 2  # an inline command: the line is all of it
    position, words = line_end + 2, int(buffer[position + 1 : line_end])
    for _ in range(words):
        line_end = buffer.find(b"\r\n", position)
        if line_end < 0:
            return None
        position = line_end + 2 + int(buffer[position + 1 : line_end]) + 2
    return position if position <= len(buffer) else None
