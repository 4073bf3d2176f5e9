"""waiting -> in-flight: a worker takes jobs, in batches (reserve) or by waiting for one (wait).

May be in here: the two ways in which a job comes into a worker's hands; both leave it in the in-flight list.
May not: deciding how many (worker/batch.py) or in which order of queues (worker/subscription.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resque.store.keys import Keys
from resque.store.operation import Operation, nothing, number, text
from resque.store.scripts import Script

QUEUES_A_CALL = 64
BATCH_BYTES = 256 * 1024
LARGEST_ENTRY = 1024 * 1024 + 160  # a trailer beyond the largest payload


@dataclass(frozen=True, slots=True)
class Taken:
    """What one queue gave: its payloads in reserve order, and how long the in-flight list is now."""

    queue: str
    inflight: int
    payloads: list[bytes]
    error: str = ""
    """What is wrong with this queue."""
    paused: bool = False
    cancelled: bool = False
    """Some jobs of this queue have been cancelled: ask `cancelling.marked` about these before they start."""


def reserve(keys: Keys, queues: Sequence[str], worker: str, want: int, lease: float) -> Operation[list[Taken]]:
    """Take up to `want` jobs from `queues`, in this order (at most 64 queues a call). `lease` in seconds."""
    assert len(queues) <= QUEUES_A_CALL
    named = [keys.pause_all()]
    for q in queues:
        named += [keys.queue(q), keys.inflight(q, worker), keys.leases(q), keys.paused(q), keys.oversize(q)]
        named.append(keys.cancelled(q))
    ends = keys.direction
    args = (ends.front, ends.back, worker, round(lease * 1000), want, LARGEST_ENTRY, BATCH_BYTES)

    def parse(reply: Any) -> list[Taken]:
        return [
            Taken(queues[int(i)], int(length), list(got), text(error), int(length) == -2, bool(cancelled))
            for i, length, got, error, cancelled in reply
        ]

    return Operation(Script("reserve"), tuple(named), args, parse)


def wait(keys: Keys, queue: str, worker: str, lease_end_ms: int, timeout: float) -> list[Operation[Any]]:
    """Lease, block on one queue for up to `timeout` seconds, then ask whether it is (or may be) paused, and whether
    jobs of it have been cancelled.

    BLMOVE is BRPOP that leaves a receipt: a crash between the pop and the reply loses nothing. The third answer is not
    0 when the queue was paused while we waited, or when Resque's own switch exists.
    """
    ends = keys.direction
    return [
        Operation("ZADD", (keys.leases(queue),), (lease_end_ms, worker), nothing),
        Operation("BLMOVE", (keys.queue(queue), keys.inflight(queue, worker)), (ends.front, ends.back, timeout)),
        Operation("EXISTS", (keys.paused(queue), keys.pause_all()), (), number),
        Operation("EXISTS", (keys.cancelled(queue),), (), number),
    ]


def unblock(client_id: int) -> Operation[None]:
    """End another connection's wait; it gets the empty answer of a timeout."""
    return Operation("CLIENT UNBLOCK", (), (client_id, "TIMEOUT"), nothing)


def client_id() -> Operation[int]:
    """The id of this connection, for `unblock`."""
    return Operation("CLIENT ID", (), (), number)


def all_paused(keys: Keys) -> Operation[bool]:
    """Resque's own switch: whether `pause-all-workers` reads "true"."""
    return Operation("GET", (keys.pause_all(),), (), lambda reply: text(reply or "").strip().lower() == "true")
