"""Meter: the progress, a bar on a terminal and a line every two seconds elsewhere.

May be in here: showing how far it is. May not: finding out.
"""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from resque import clock

_EVERY = 2.0


class Meter:
    """Shows how many of `total` files are done, inside a with-block."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._bar: Progress | None = None
        self._began = self._last = clock.monotonic()

    def __enter__(self) -> Self:
        self._began = self._last = clock.monotonic()
        if self._console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn(), TextColumn("left"))
            self._bar = Progress(TextColumn("  "), *columns, TimeRemainingColumn(), console=self._console)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """So many are done now."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
            return
        now = clock.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            rate = done / (now - self._began)
            self._console.print(f"   {done:,} of {self._total:,} files, {rate:,.0f}/s", soft_wrap=True)
