"""Every key in Redis: a function, its type, its lifetime. The wire direction is decided here and nowhere else.

May be in here: names, and which end of a list is the front. May not: commands, values, anything that connects.
States are lists that a job rests in: waiting (queue), in-flight, failed, oversize. See docs/internals.md.
"""

from dataclasses import dataclass
from typing import Literal

from resque.config import Wire

Side = Literal["LEFT", "RIGHT"]
Push = Literal["LPUSH", "RPUSH"]


@dataclass(frozen=True, slots=True)
class Direction:
    """Which end is which. FIFO in both wires: in at the back, out at the front; the oldest entry is at the front."""

    front: Side
    back: Side
    push_back: Push
    push_front: Push
    from_front: int
    """LREM's count that searches from the front (the oldest entry first)."""
    from_back: int


_DIRECTIONS: dict[Wire, Direction] = {
    "native": Direction("RIGHT", "LEFT", "LPUSH", "RPUSH", -1, 1),
    "ruby": Direction("LEFT", "RIGHT", "RPUSH", "LPUSH", 1, -1),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one namespace. `w` is a worker's member name (`host~nonce:pid`), `id` its whole id (`…:queues`)."""

    prefix: str = "resque"
    wire: Wire = "native"

    @property
    def direction(self) -> Direction:
        """The ends of every list of this namespace."""
        return _DIRECTIONS[self.wire]

    # waiting ------------------------------------------------------------------------------------------------------
    def queues(self) -> str:
        """Set of queue names; written before the first push, kept until the queue is removed."""
        return f"{self.prefix}:queues"

    def queue(self, q: str) -> str:
        """List of waiting payloads; gone when empty."""
        return f"{self.prefix}:queue:{q}"

    def paused(self, q: str) -> str:
        """String; exists while the queue is paused."""
        return f"{self.prefix}:paused:{q}"

    def pause_all(self) -> str:
        """String; Resque's own switch: workers pause while it reads "true"."""
        return f"{self.prefix}:pause-all-workers"

    def oversize(self, q: str) -> str:
        """List of foreign payloads above the limit, moved aside unread."""
        return f"{self.prefix}:oversize:{q}"

    # in-flight ----------------------------------------------------------------------------------------------------
    def inflight(self, q: str, w: str) -> str:
        """List of the payloads that worker `w` holds; until settled, never expires."""
        return f"{self.prefix}:inflight:{q}:{w}"

    def audit_pattern(self) -> str:
        """What SCAN is asked for by the audit: lists of waiting jobs and of jobs in flight."""
        return f"{self.prefix}:[iq]*:*"

    def parse_queue(self, key: str) -> str | None:
        """The queue of a list of waiting jobs, or None."""
        start = f"{self.prefix}:queue:"
        return key[len(start) :] or None if key.startswith(start) else None

    def parse_inflight(self, key: str) -> tuple[str, str] | None:
        """(queue, member) of an in-flight key, or None. Read from the right: a queue name may hold colons."""
        start = f"{self.prefix}:inflight:"
        parts = key[len(start) :].rsplit(":", 2) if key.startswith(start) else []
        return (parts[0], f"{parts[1]}:{parts[2]}") if len(parts) == 3 and all(parts) else None

    def leases(self, q: str) -> str:
        """Zset: member -> lease end, ms of the server's clock."""
        return f"{self.prefix}:leases:{q}"

    # workers ------------------------------------------------------------------------------------------------------
    def workers(self) -> str:
        """Set of worker ids, `host~nonce:pid:queues`, until unregistered or pruned."""
        return f"{self.prefix}:workers"

    def worker(self, id: str) -> str:
        """String: JSON of the job in hand; absent while idle. Resque's form."""
        return f"{self.prefix}:worker:{id}"

    def worker_started(self, id: str) -> str:
        """String: when the worker started. Resque's form."""
        return f"{self.prefix}:worker:{id}:started"

    def worker_info(self, id: str) -> str:
        """Hash: state, supervisor, concurrency, rss, version, jobs in hand, beat; expires soon after the last beat."""
        return f"{self.prefix}:worker:{id}:info"

    def worker_command(self, id: str) -> str:
        """List: what an operator asked this worker to do (quiet, resume, stop, kill, kill-job <id>); a minute."""
        return f"{self.prefix}:worker:{id}:command"

    # the end ------------------------------------------------------------------------------------------------------
    def failed(self) -> str:
        """List of failure records."""
        return f"{self.prefix}:failed"

    def stat(self, name: str, id: str = "") -> str:
        """String, an integer: `processed`, `failed` (Resque's names), `purged`, `discarded`; in all or a worker's."""
        return f"{self.prefix}:stat:{name}:{id}" if id else f"{self.prefix}:stat:{name}"

    def metrics(self, q: str, minute: int) -> str:
        """Hash of counts and time buckets of one minute; 3 days."""
        return f"{self.prefix}:metrics:{q}:{minute}"

    # the namespace ------------------------------------------------------------------------------------------------
    def marker(self) -> str:
        """String: `native` or `ruby`, written by the first process that uses the namespace."""
        return f"{self.prefix}:wire"

    def duty(self, name: str) -> str:
        """String with a short life: which host does a periodic duty just now. Saves work, protects nothing."""
        return f"{self.prefix}:duty:{name}"
