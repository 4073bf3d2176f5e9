"""A server that says only what it was told to: for what a real one says too rarely (LOADING, MISCONF …).

May be in here: accepting, counting, answering. May not: anything about Redis beyond where a command ends.
"""

import socket
import threading
from contextlib import suppress
from typing import Self

from tests.resp import whole_commands


class Canned:
    """Answers every command with the same reply. `commands` counts them.

    >>> with Canned(b"-LOADING Redis is loading the dataset in memory\\r\\n") as server:
    ...     server.url
    """

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.commands = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        buffer = b""
        with suppress(OSError):
            while data := connection.recv(65536):
                end, commands = whole_commands(buffer := buffer + data)
                buffer = buffer[end:]
                self.commands += commands
                connection.sendall(self.reply * commands)
