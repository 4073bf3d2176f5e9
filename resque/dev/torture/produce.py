"""Produce: a process that enqueues at a steady pace and writes down what it was told of each job.

May be in here: the loop of one producer. May not: how it is started (crew.py), which jobs (jobs.py).

`python -m resque.dev.torture.produce` reads its orders from stdin, one line of JSON: a URL with a password stands in no
list of processes. It ends on TERM, after the enqueue that is under way.
"""

import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from resque import Resque, clock
from resque.dev.torture import jobs
from resque.dev.torture.journal import ACCEPTED, REFUSED, UNKNOWN, Journal
from resque.errors import EnqueueError

_BATCHES = (1, 1, 1, 1, 5, 20, 60)
_CATCH_UP = 0.5
_STEP = 0.05


class Order(msgspec.Struct):
    """What a producer is told."""

    journal: str
    seed: int
    rate: float
    """Jobs a second."""
    prefix: str
    redis_url: str | None
    """None: as its environment or settings file says."""
    wire: str | None


def produce(order: Order, should_stop: list[bool]) -> None:
    """Enqueue until `should_stop` holds something."""
    app = Resque(order.redis_url, prefix=order.prefix, wire=order.wire)
    book, chance = Journal(Path(order.journal)), random.Random(order.seed)
    due = clock.monotonic()
    while not should_stop:
        calls = [jobs.mixed(chance) for _ in range(chance.choice(_BATCHES))]
        _enqueue(app, calls, book)
        # After an outage it does not make up for all that it has missed: the workers have to catch up, too.
        due = max(due, clock.monotonic() - _CATCH_UP) + len(calls) / order.rate
        while not should_stop and (left := due - clock.monotonic()) > 0:
            clock.sleep(min(left, _STEP))
    app.close()
    book.close()


def _enqueue(app: Resque, calls: list[Any], book: Journal) -> None:
    try:
        handles = [app.client.enqueue(calls[0])] if len(calls) == 1 else app.enqueue_many(*calls)
    except EnqueueError as error:
        book.enqueued(error.stored, ACCEPTED)
        book.enqueued(error.unknown, UNKNOWN)
        book.enqueued(error.missing, REFUSED)
    else:
        book.enqueued([handle.id for handle in handles], ACCEPTED)


def main() -> None:
    """The process."""
    stopping: list[bool] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(True)

    signal.signal(signal.SIGTERM, stop)
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    produce(order, stopping)


if __name__ == "__main__":
    main()
