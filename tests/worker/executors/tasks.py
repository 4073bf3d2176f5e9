"""Crew: threads and tasks at work without a worker; the test plays the worker's loop.

May be in here: building and waiting. May not: tests.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.registry import Registry
from resque.worker.executors.threads import Threads
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Ledger


class Crew:
    """Threads and tasks at work; the test plays the worker's loop."""

    def __init__(self, cells: int) -> None:
        self.news = threading.Event()
        self.hand = Hand("vm~n:1:q", self.news.set, cells)
        self.registry = Registry()
        self.page = Ledger(1, cells).page(0)
        self.threads = Threads(cells, self.hand, self.registry, self.page)
        self.main = threading.Thread(target=self.threads.run, daemon=True)
        self.main.start()

    def define(self, name: str, function: Callable[..., Any], **options: Any) -> None:
        self.registry.add(Definition(function, name=name, options=JobOptions(**options)))

    def add(self, *payloads: bytes) -> None:
        self.hand.add("q", payloads, None)

    def until(self, condition: Callable[[], Any], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s"
            self.threads.tick()
            time.sleep(0.0005)

    def ended(self, count: int) -> list[Entry]:
        """The first `count` that have ended, in the order in which they came."""
        self.until(lambda: len(self.hand.ended) >= count)
        return sorted(self.hand.ended, key=lambda entry: entry.reserved_at)

    def stop(self) -> None:
        self.threads.stop()
        self.main.join(10)
        assert not self.main.is_alive()
