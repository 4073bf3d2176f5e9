"""View: what an operator can see of this worker process: registry, current job, signs of life.

May be in here: the operations that show it, and when they are due. May not: sending; anything that a job's fate
hangs on.

`worker:<id>` is written when a turn finds a job running, and again for any job that runs for over 50 ms: right for all
that a person can see, free for what nobody can.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
import psutil

from resque import clock
from resque.config import Settings
from resque.errors import Unreadable
from resque.payload import codec
from resque.store import workers
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.worker.hand import Entry, Hand

VISIBLE = 0.050


class View:
    """The public face of one worker process."""

    def __init__(self, settings: Settings, identity: Identity, hand: Hand, supervisor: int, version: str) -> None:
        self._settings = settings
        self.identity = identity
        self._id = identity.id
        self._hand = hand
        self._supervisor = supervisor
        self._version = version
        self._shown: Entry | None = None
        self._is_shown = False
        self._beat_due = 0.0
        self._process = psutil.Process()

    def register(self, keys: Keys) -> list[Operation[Any]]:
        """Appear (again)."""
        started = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
        self._beat_due = 0.0
        return [*workers.register(keys, self._id, started), *self._beat(keys)]

    def unregister(self, keys: Keys) -> list[Operation[Any]]:
        """Disappear."""
        return workers.unregister(keys, self._id)

    def due_in(self) -> float:
        """Seconds until `operations` has something to say."""
        due = self._beat_due - clock.monotonic()
        running = self._running()
        if running is not None and running is not self._shown:
            due = min(due, running.started_at + VISIBLE - clock.boottime())
        return max(0.0, due)

    def hasten(self) -> None:
        """Show the state with the next turn."""
        self._beat_due = 0.0

    def operations(self, keys: Keys) -> list[Operation[Any]]:
        """What changed since the last time; goes out with a turn."""
        found = []
        running = self._running()
        if running is not None and running is not self._shown:
            self._shown, self._is_shown = running, True
            found.append(workers.working(keys, self._id, _status(running)))
        if self._beat_due <= clock.monotonic():
            found += self._beat(keys)
        return found

    def idle(self, keys: Keys) -> list[Operation[Any]]:
        """The worker has nothing in hand now."""
        if not self._is_shown:
            return []
        self._shown, self._is_shown = None, False
        return [workers.idle(keys, self._id)]

    def _running(self) -> Entry | None:
        """The one that is shown: the first that has begun (a runner takes a job an instant before it begins it)."""
        return next((entry for entry in self._hand.current if entry is not None and entry.started_at), None)

    def _beat(self, keys: Keys) -> list[Operation[Any]]:
        period = self._settings.lease / 2
        self._beat_due = clock.monotonic() + period
        info = {
            "state": "quiet" if self._hand.is_quiet else "working" if self._hand.running else "idle",
            "supervisor": self._supervisor,
            "concurrency": self._settings.concurrency,
            "rss": self._process.memory_info().rss,
            "version": self._version,
            "jobs": len(self._hand),
            "beat": round(clock.now(), 3),
        }
        return workers.beat(keys, self._id, info, life=period * 6)


def _status(entry: Entry) -> bytes:
    """Resque's form. A payload that cannot be read is named, not shown: Ruby's page would not survive its bytes."""
    try:
        codec.decode(entry.raw)
        payload = msgspec.Raw(entry.raw)
    except Unreadable:
        payload = msgspec.Raw(b'{"class":"(unreadable)","args":[]}')
    at = clock.now() - (clock.boottime() - entry.started_at)
    run_at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode({"queue": entry.queue, "run_at": run_at, "payload": payload})
