"""The jobs that are measured."""

import os
import time

from resque import Job


class NoOp(Job):
    """Does nothing: what is measured is everything around it."""

    queue = "noop"

    def perform(self) -> None:
        return


class Order(Job):
    """Two typed arguments."""

    queue = "noop"

    def perform(self, order_id: int, note: str) -> None:
        return


class Stamp(Job):
    """Writes when it ran into a pipe, so that the measurer hears of it without asking Redis."""

    queue = "q3"

    def perform(self, path: str) -> None:
        now = time.perf_counter()
        handle = os.open(path, os.O_WRONLY)
        os.write(handle, repr(now).encode() + b"\n")
        os.close(handle)
