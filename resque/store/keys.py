"""Every key in Redis: a function, its type, its lifetime. The wire direction is decided here and nowhere else.

May be in here: names, and which end of a list is the front. May not: commands, values, anything that connects.
States are what a job rests in: waiting (queue), delayed, in-flight, failed, oversize. See docs/internals.md.

Only queues whose names nobody chooses meet the keys of Ruby's plugins: `delayed:<a number>` and
`delayed:last_enqueued_at` are resque-scheduler's.
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

    # delayed ------------------------------------------------------------------------------------------------------
    def delayed(self, q: str) -> str:
        """Zset: id -> when the job is due, seconds since 1970 with a fraction; until then. Retries wait here too."""
        return f"{self.prefix}:delayed:{q}"

    def payloads(self, q: str) -> str:
        """Hash: id -> payload of a delayed job; as long as it is in `delayed`.

        A second job with an id that is taken is stored under `<id>~1`, the third under `<id>~2`, in both keys.
        """
        return f"{self.prefix}:payloads:{q}"

    def attempts(self, q: str) -> str:
        """Hash: id -> the errors of a job's earlier attempts, in the form of attempts.py; until the job ends."""
        return f"{self.prefix}:attempts:{q}"

    def lock(self, q: str, digest: str) -> str:
        """String: the id of the job that holds a unique lock; freed when it starts or ends, expires in any case."""
        return f"{self.prefix}:lock:{q}:{digest}"

    def cancelled(self, q: str) -> str:
        """Zset: id -> until when (s) a job that is met under this id is not started; bounded, expired ones go."""
        return f"{self.prefix}:cancelled:{q}"

    # periodic -----------------------------------------------------------------------------------------------------
    def cron(self) -> str:
        """Hash: name -> entry, JSON; until removed."""
        return f"{self.prefix}:cron"

    def cron_disabled(self) -> str:
        """Set of names of entries that do not fire; until enabled, also while there is no such entry."""
        return f"{self.prefix}:cron-disabled"

    def cron_runs(self, q: str, name: str) -> str:
        """List of "<tick> <job id>", the last one fired at the left end in both wires, at most 20; never expires.

        Its first tick says what has been fired already.
        """
        return f"{self.prefix}:cron:{q}:{name}"

    # in-flight ----------------------------------------------------------------------------------------------------
    def inflight(self, q: str, w: str) -> str:
        """List of the payloads that worker `w` holds; until settled, never expires."""
        return f"{self.prefix}:inflight:{q}:{w}"

    def audit_pattern(self) -> str:
        """What SCAN is asked for by the audit: jobs that wait, are delayed or in flight."""
        return f"{self.prefix}:[diq]*:*"

    def parse_queue(self, key: str) -> str | None:
        """The queue of a list of waiting jobs, or None."""
        start = f"{self.prefix}:queue:"
        return key[len(start) :] or None if key.startswith(start) else None

    def parse_delayed(self, key: str) -> str | None:
        """The queue of a zset of delayed jobs, or None."""
        start = f"{self.prefix}:delayed:"
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
        """String, an integer: `processed`, `failed` (Resque's names) in all or a worker's; in all alone: `purged`,
        `discarded`, `expired`, `cancelled`, `retried`, `deduplicated`.
        """
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
