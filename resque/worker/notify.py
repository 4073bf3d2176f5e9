"""Notify: what systemd, or whoever started us with a NOTIFY_SOCKET, is told (sd_notify).

May be in here: the protocol. May not: deciding when a worker is ready or healthy.

Nothing in here fails or holds up its caller for long: a service that works must not end because nobody listened.
"""

import os
import socket
from contextlib import suppress

from resque import config

_PATIENCE = 0.5
"""Seconds that a full socket may hold us up. READY must arrive, so it is worth some."""
_LONGEST = 500


class Notifier:
    """Make one before the environment is scrubbed. Without a NOTIFY_SOCKET it does nothing."""

    def __init__(self) -> None:
        self._address = _address(config.environment("NOTIFY_SOCKET") or "")
        self._watchdog = config.environment("WATCHDOG_USEC") or ""
        self._watched = config.environment("WATCHDOG_PID")

    @property
    def is_on(self) -> bool:
        """Whether somebody wants to be told."""
        return self._address is not None

    def ready(self) -> None:
        """The service does its work from now on, and this process is its main one."""
        self._send(f"READY=1\nMAINPID={os.getpid()}")

    def stopping(self) -> None:
        """The service has begun to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={' '.join(text.split())[:_LONGEST]}")  # a second line would be a second message

    def watchdog_interval(self) -> float | None:
        """Seconds from one `beat` to the next: half of what is allowed. None: nobody waits for this process."""
        if self._address is None or not (self._watchdog.isascii() and self._watchdog.isdigit()):
            return None
        if self._watched is not None and self._watched != str(os.getpid()):
            return None  # somebody else's, inherited
        return int(self._watchdog) / 2_000_000 or None

    def beat(self) -> None:
        """Alive. Without it systemd kills the service."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_PATIENCE)
            sender.sendto(message.encode(errors="replace"), self._address)


def _address(name: str) -> bytes | None:
    """A path, or @name in the abstract namespace, which has no file. Other kinds (vsock) are not for us."""
    if name.startswith("@") and len(name) > 1:
        return b"\0" + os.fsencode(name[1:])
    return os.fsencode(name) if name.startswith("/") else None
