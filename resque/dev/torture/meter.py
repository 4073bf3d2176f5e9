"""Meter: how far the torture is, one line that changes on a terminal and a line now and then elsewhere.

May be in here: showing. May not: finding out.
"""

from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from resque import clock

_EVERY = 5.0


class Meter:
    """Shows a line inside a with-block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line: Progress | None = None
        self._last = clock.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (TextColumn("  "), SpinnerColumn(), TextColumn("{task.description}", markup=False))
            self._line = Progress(*columns, console=self._console, transient=True)
            self._line.start()
            self._task = self._line.add_task("", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.stop()

    def show(self, text: str) -> None:
        """This is how it is now."""
        if self._line is not None:
            self._line.update(self._task, description=text)
            return
        now = clock.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._console.print(f"   {text}", soft_wrap=True)
