"""Signals become flags; nothing else happens in a handler.

May be in here: which signal means what, and how the news reaches a loop. May not: acting on it.

A handler in Python runs between two bytecodes of the main thread, which may be in a job: it must do nothing there. The
number of the signal is written into a socket by the C part of the interpreter, and read where it is wanted.
"""

import signal
import socket
from types import FrameType
from typing import Literal

Wish = Literal["drain", "finish"]

WISHES: dict[int, Wish] = {signal.SIGTERM: "drain", signal.SIGINT: "drain", signal.SIGQUIT: "finish"}
"""TERM and INT: let running jobs end, for a while. QUIT: let them end, however long it takes. Twice: now."""


SIGNALLED: dict[int, dict[str, object]] = {
    signal.SIGUSR2: {"quiet": True},
    signal.SIGCONT: {"quiet": False},
    signal.SIGUSR1: {"kill-job": "*"},
    signal.SIGTTIN: {"stacks": True},
}
"""What a supervisor passes on to its workers: USR2 take nothing more, CONT go on, USR1 end the running jobs, TTIN write
the stacks of all threads to stderr. Resque's meanings."""


class Signals:
    """The signals of this process, readable from `socket`. Make one in the main thread."""

    def __init__(self, *more: int) -> None:
        self.socket, self._writer = socket.socketpair()
        self.socket.setblocking(False)
        self._writer.setblocking(False)
        self._before = {number: signal.signal(number, _nothing) for number in (*WISHES, *more)}
        self._before_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def filenos(self) -> list[int]:
        """The files of this object."""
        return [self.socket.fileno(), self._writer.fileno()]

    def read(self) -> list[int]:
        """The signals that have come since the last time."""
        try:
            return list(self.socket.recv(4096))
        except BlockingIOError:
            return []

    def restore(self) -> None:
        """Put everything back as it was."""
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.socket.close()
        self._writer.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    """The interpreter has written the number into the socket already."""
