"""Commands: what operators ask of our workers, heard the moment they ask.

May be in here: listening. May not: obeying (supervisor.py).

One connection waits in BLPOP for all workers of this supervisor and is watched by its select: it costs nothing while
nobody asks. A command that is lost with a crash is asked again by the person who sees that nothing happened; jobs are
never fetched this way.
"""

from collections.abc import Sequence

from resque import clock, events
from resque.config import Settings
from resque.errors import StoreError
from resque.loop import backoff
from resque.store import workers
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.sync import Line

WAIT = 10.0
_GRACE = 5.0


class Commands:
    """The ear of one supervisor."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._line: Line | None = None
        self._asked: Operation[tuple[str, str] | None] | None = None
        self._ids: list[str] = []
        self._failures = 0
        self._retry_at = 0.0

    def listen(self, keys: Keys, ids: Sequence[str]) -> None:
        """Make sure that a wait for these workers is under way."""
        if self._asked is not None and sorted(ids) != self._ids:
            self.close()  # others than before: the old wait has its keys
        if self._asked is not None or not ids or clock.monotonic() < self._retry_at:
            return
        self._ids = sorted(ids)
        asked = workers.await_command(keys, self._ids, WAIT)
        try:
            self._line = self._line or Line(self._settings, socket_timeout=WAIT + _GRACE)
            self._line.send(asked)
        except StoreError as error:
            self._lost(error)
        else:
            self._asked, self._failures = asked, 0

    def sockets(self) -> list[Line]:
        """For select."""
        return [self._line] if self._line is not None and self._asked is not None and self._line.fileno() >= 0 else []

    def heard(self) -> tuple[str, str] | None:
        """(worker's id, what to do), when select says that there is something to read; None when the wait ended."""
        line, asked = self._line, self._asked
        if line is None or asked is None:
            return None
        self._asked = None
        try:
            found = line.receive(asked)
        except StoreError as error:
            self._lost(error)
            return None
        if isinstance(found, StoreError):
            self._lost(found)
            return None
        return found

    def close(self) -> None:
        """Stop listening."""
        if self._line is not None:
            self._line.close()
        self._line, self._asked = None, None

    def _lost(self, error: StoreError) -> None:
        self.close()
        self._failures += 1
        wait = max(0.5, backoff(self._failures))
        self._retry_at = clock.monotonic() + wait
        events.emit("commands.deaf", error=error, wait=wait)
