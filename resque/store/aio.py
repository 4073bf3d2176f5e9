"""The asyncio driver: runs operations, one trip each or many in one pipeline.

May be in here: pooling per event loop, the trip. May not: what the operations mean.
`sync.py` is its twin; tests/store/test_drivers.py holds both to one behaviour.

A read that is cancelled or late closes the connection: what the server still answers must never reach the next reader.
`read_response(timeout=…)` is therefore never used: it returns None and leaves the late reply behind. Once connected, a
trip has one timer of ours for all its replies: redis-py's own make a task a send (and in Python 3.11 may lose a cancel)
and a timer a reply.
"""

import asyncio
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


class AsyncLine:
    """One connection and its conversation: send a pipeline, read as many replies."""

    def __init__(self, settings: Settings, socket_timeout: float | None = None) -> None:
        self._connection: Any = connection.open_aio(settings, socket_timeout)
        self._timeout = self._connection.socket_timeout
        self._dialect: Dialect | None = None
        self._used = clock.monotonic()

    async def trip(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Run all in one pipeline. Each result is what its operation parses, or the StoreError that it met.

        Raises Unreachable when the conversation broke: then nothing is known of any of them (`sent`); Unavailable when
        the server took none of them (LOADING).
        """
        await self._ready()
        if self._dialect is None and any(isinstance(op.command, Script) for op in operations):
            self._dialect = connection.dialect_of((await self._exchange([_INFO]))[0])
        results = await self._exchange(operations)
        missing = [i for i, r in enumerate(results) if isinstance(r, Exception) and connection.lacks_script(r)]
        if missing:
            again = await self._exchange([operations[i] for i in missing], whole=True)
            for i, result in zip(missing, again, strict=True):
                results[i] = result
        return [connection.result_of(op, result) for op, result in zip(operations, results, strict=True)]

    async def send(self, operations: Sequence[Operation[Any]]) -> None:
        """Send without reading: the replies are read later, one `receive` each. Commands only, no scripts."""
        await self._ready()
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(operations, whole=False)
        except connection.CLIENT_ERRORS as error:
            await self.close()
            raise connection.translate(error, sent=True) from None

    async def receive(self, operation: Operation[T]) -> T | StoreError:
        """The next reply of what was sent. Raises Unreachable when the conversation broke."""
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._read()
        except connection.CLIENT_ERRORS as error:
            await self.close()
            raise connection.translate(error, sent=True) from None
        self._used = clock.monotonic()
        return connection.result_of(operation, reply)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Drop the connection without waiting for anybody."""
        writer = self._connection._writer
        if writer is not None:
            writer.transport.abort()  # a TLS connection would wait half a minute for the server's good-bye
        await self._connection.disconnect(nowait=True)

    async def _ready(self) -> None:
        try:
            if clock.monotonic() - self._used > _STALE and await connection.is_stale_aio(self._connection):
                await self.close()
            if not self._connection.is_connected:
                self._connection.socket_timeout = self._timeout  # for the handshake
                await self._connection.connect()
                self._connection.socket_timeout = None
        except connection.CLIENT_ERRORS as error:
            await self.close()
            raise connection.translate(error, sent=False) from None

    async def _exchange(self, operations: Sequence[Operation[Any]], *, whole: bool = False) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(operations, whole=whole)
                replies = [await self._read() for _ in operations]
        except connection.CLIENT_ERRORS as error:
            await self.close()
            raise connection.translate(error, sent=True) from None
        except BaseException:  # cancelled half way: the rest of the replies must not meet the next reader
            await self.close()
            raise
        self._used = clock.monotonic()
        return replies

    async def _send(self, operations: Sequence[Operation[Any]], *, whole: bool) -> None:
        packed = connection.pack(operations, self._dialect, whole=whole)
        await self._connection.send_packed_command([packed], check_health=False)

    async def _read(self) -> Any:
        """One reply; an error reply is a value, a broken connection is raised."""
        try:
            return await self._connection.read_response()
        except connection.ERROR_REPLY as error:
            return error


class AsyncStore:
    """Runs operations over a pool of lines for each event loop. Safe to share between tasks and loops."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._idle: dict[asyncio.AbstractEventLoop, list[AsyncLine]] = {}

    async def run(self, operation: Operation[T]) -> T:
        """One operation, one trip. Raises StoreError."""
        result = (await self.run_all([operation]))[0]
        if isinstance(result, StoreError):
            raise result
        return result  # type: ignore[no-any-return]

    async def run_all(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Many operations in one trip; each result is a value or a StoreError. Raises Unreachable if the trip broke."""
        idle = self._lines()
        line = idle.pop() if idle else AsyncLine(self.settings)
        try:
            results = await line.trip(operations)
        except BaseException:  # whatever it was, a cancelled connect too: a line in doubt is not given back
            await line.close()
            raise
        idle.append(line)
        return results

    async def aclose(self) -> None:
        """Close the idle connections of the running loop."""
        for line in self._idle.pop(asyncio.get_running_loop(), []):
            await line.close()

    def _lines(self) -> list[AsyncLine]:
        """The idle lines of the running loop. A new loop lets go of the closed ones: each line holds on to its loop, so
        without this every `asyncio.run` would leave a connection behind."""
        loop = asyncio.get_running_loop()
        if loop not in self._idle:
            for other in list(self._idle):
                if other.is_closed():
                    self._idle.pop(other, None)
        return self._idle.setdefault(loop, [])
