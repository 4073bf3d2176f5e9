"""Ledger: a page shared by the supervisor and its children: who runs what, since when.

May be in here: marking a start and an end, reading a child's marks. May not: payloads, only their hashes.

One pair of 64-bit numbers a runner: the hash of the payload that it runs (0 = none), and when that began. A runner
writes its own pair only; a child that dies in any way leaves its last marks behind, so the supervisor knows which jobs
had started. `hash(bytes)` agrees in parent and child because the children are forked, never spawned: they share the
seed of the hash.
"""

import mmap

_PAIR = 2


class Page:
    """The marks of one process."""

    def __init__(self, cells: memoryview, runners: int) -> None:
        self._cells = cells
        self._runners = runners

    def start(self, runner: int, payload: bytes, now: float) -> None:
        """This runner is about to read and run `payload`; `now` in seconds of boot time."""
        cells, place = self._cells, runner * _PAIR
        cells[place + 1] = int(now * 1000)
        cells[place] = hash(payload) or 1

    def end(self, runner: int) -> None:
        """This runner runs nothing now."""
        self._cells[runner * _PAIR] = 0

    def started(self) -> list[int]:
        """The marks of all payloads that run now."""
        return [mark for mark in self._cells[: self._runners * _PAIR : _PAIR].tolist() if mark]

    def clear(self) -> None:
        """Forget the marks of a process that is gone."""
        for runner in range(self._runners):
            self._cells[runner * _PAIR] = 0


class Ledger:
    """All pages. Made by the supervisor before it forks."""

    def __init__(self, processes: int, runners: int) -> None:
        self._runners = runners
        size = processes * runners * _PAIR * 8
        self._memory = mmap.mmap(-1, max(size, mmap.PAGESIZE))
        self._cells = memoryview(self._memory).cast("q")

    def page(self, process: int) -> Page:
        """The page of the process in slot `process`."""
        first = process * self._runners * _PAIR
        return Page(self._cells[first : first + self._runners * _PAIR], self._runners)
