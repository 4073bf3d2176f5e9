"""The blocking driver: runs operations, one trip each or many in one pipeline.

May be in here: pooling, fork and thread safety, the trip. May not: what the operations mean.
`aio.py` is its twin; tests/store/test_drivers.py holds both to one behaviour.
"""

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from resque import clock
from resque.config import Settings
from resque.errors import StoreError
from resque.store import connection
from resque.store.operation import Operation
from resque.store.scripts import Dialect, Script

T = TypeVar("T")
_STALE = 0.05
_INFO: Operation[Any] = Operation("INFO", (), ("server",))


class Line:
    """One connection and its conversation: send a pipeline, read as many replies."""

    def __init__(self, settings: Settings, socket_timeout: float | None = None) -> None:
        self._connection: Any = connection.open_sync(settings, socket_timeout)
        self._dialect: Dialect | None = None
        self._used = clock.monotonic()

    def trip(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Run all in one pipeline. Each result is what its operation parses, or the StoreError that it met.

        Raises Unreachable when the conversation broke: then nothing is known of any of them (`sent`); Unavailable when
        the server took none of them (LOADING).
        """
        self._ready()
        if self._dialect is None and any(isinstance(op.command, Script) for op in operations):
            self._dialect = connection.dialect_of(self._exchange([_INFO])[0])
        results = self._exchange(operations)
        missing = [i for i, r in enumerate(results) if isinstance(r, Exception) and connection.lacks_script(r)]
        if missing:
            again = self._exchange([operations[i] for i in missing], whole=True)
            for i, result in zip(missing, again, strict=True):
                results[i] = result
        return [connection.result_of(op, result) for op, result in zip(operations, results, strict=True)]

    def send(self, operation: Operation[Any]) -> None:
        """Send without reading: the reply is read later, by `receive`. A command only, no script."""
        self._ready()
        try:
            self._connection.send_packed_command([connection.pack([operation], None)], check_health=False)
        except connection.CLIENT_ERRORS as error:
            self.close()
            raise connection.translate(error, sent=True) from None

    def receive(self, operation: Operation[T]) -> T | StoreError:
        """The reply of what was sent. Raises Unreachable when the conversation broke."""
        try:
            reply = self._read()
        except connection.CLIENT_ERRORS as error:
            self.close()
            raise connection.translate(error, sent=True) from None
        self._used = clock.monotonic()
        return connection.result_of(operation, reply)  # type: ignore[no-any-return]

    def fileno(self) -> int:
        """For select: readable when a reply has begun to arrive, or the connection has ended. -1 when closed."""
        sock = self._connection._sock
        return -1 if sock is None else int(sock.fileno())

    def close(self) -> None:
        """Drop the connection."""
        self._connection.disconnect()

    def _ready(self) -> None:
        """Connect if need be; a connection that the server has closed meanwhile is replaced before anything is sent."""
        try:
            if clock.monotonic() - self._used > _STALE and connection.is_stale(self._connection):
                self.close()
            self._connection.connect()
        except connection.CLIENT_ERRORS as error:
            self.close()
            raise connection.translate(error, sent=False) from None

    def _exchange(self, operations: Sequence[Operation[Any]], *, whole: bool = False) -> list[Any]:
        try:
            self._connection.send_packed_command(
                [connection.pack(operations, self._dialect, whole=whole)], check_health=False
            )
            replies = [self._read() for _ in operations]
        except connection.CLIENT_ERRORS as error:
            self.close()
            raise connection.translate(error, sent=True) from None
        self._used = clock.monotonic()
        return replies

    def _read(self) -> Any:
        """One reply; an error reply is a value, a broken connection is raised."""
        try:
            return self._connection.read_response()
        except connection.ERROR_REPLY as error:
            return error


class SyncStore:
    """Runs operations over a pool of lines. Safe to share between threads, and to use on both sides of a fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._idle: list[Line] = []
        self._pid = os.getpid()

    def run(self, operation: Operation[T]) -> T:
        """One operation, one trip. Raises StoreError."""
        result = self.run_all([operation])[0]
        if isinstance(result, StoreError):
            raise result
        return result  # type: ignore[no-any-return]

    def run_all(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Many operations in one trip; each result is a value or a StoreError. Raises Unreachable if the trip broke."""
        line = self._take()
        try:
            results = line.trip(operations)
        except BaseException:  # whatever it was: a line in doubt is not given back
            line.close()
            raise
        self._idle.append(line)
        return results

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Line:
        if self._pid != os.getpid():  # after a fork the parent's connections are the parent's
            self._idle, self._pid = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return Line(self.settings)
