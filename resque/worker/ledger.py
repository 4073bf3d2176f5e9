"""Ledger: a page shared by the supervisor and its children: who runs what, since when.

May be in here: marking a start and an end, reading a child's marks. May not: payloads, only their hashes.

A few 64-bit numbers a cell (a cell is the right to run one job): the hash of the payload that runs in it (0 = none),
when that began, when its time is over, and the process that runs it, if it is another one. Who runs a job writes its
own cell only; a child that dies in any way leaves its last marks behind, so the supervisor knows which jobs had
started. `hash(bytes)` agrees in parent and child because the children are forked, never spawned: they share the seed of
the hash.
"""

import mmap

_NUMBER = 8
_PARTS = 4
_FLAGS = 2
_IDLE, _STOPPING = 0, 1


class Page:
    """The marks of one process. A runner that starts thousands of jobs a second writes its cell itself:

    page.since[cell] = seconds of boot time, then page.marks[cell] = mark_of(payload), and 0 at the end
    """

    def __init__(self, numbers: memoryview, flags: memoryview) -> None:
        cells = len(numbers) // _PARTS // _NUMBER
        parts = [numbers[i * cells * _NUMBER : (i + 1) * cells * _NUMBER] for i in range(_PARTS)]
        self.marks: memoryview = parts[0].cast("q")
        self.since: memoryview[float] = parts[1].cast("d")
        self.deadlines: memoryview[float] = parts[2].cast("d")
        """When the running job's time is over, in seconds of boot time; 0 = never."""
        self.children: memoryview = parts[3].cast("q")
        """The process (and its group) that runs the job of a cell, with --fork; 0 = none."""
        self._flags = flags.cast("q")

    @property
    def is_idle(self) -> bool:
        """Whether the process holds nothing, and its waits renew their leases themselves."""
        return bool(self._flags[_IDLE])

    @is_idle.setter
    def is_idle(self, value: bool) -> None:
        self._flags[_IDLE] = int(value)

    @property
    def is_stopping(self) -> bool:
        """Whether the process wants to end; its jobs may ask."""
        return bool(self._flags[_STOPPING])

    @is_stopping.setter
    def is_stopping(self, value: bool) -> None:
        self._flags[_STOPPING] = int(value)

    def started(self) -> list[int]:
        """The marks of all payloads that run now."""
        return [mark for mark in self.marks.tolist() if mark]

    def late(self, now: float, grace: float) -> list[int]:
        """The marks of payloads whose time has been over for `grace` seconds."""
        found = zip(self.marks.tolist(), self.deadlines.tolist(), strict=True)
        return [mark for mark, deadline in found if mark and deadline and deadline + grace < now]

    def clear(self) -> None:
        """Forget the marks of a process that is gone."""
        for cell in range(len(self.marks)):
            self.marks[cell] = self.children[cell] = 0
            self.deadlines[cell] = 0.0
        self.is_idle = self.is_stopping = False


class Ledger:
    """All pages. Made by the supervisor before it forks."""

    def __init__(self, processes: int, cells: int) -> None:
        self._size = _PARTS * cells * _NUMBER
        self._flags_at = processes * self._size
        self._memory = memoryview(mmap.mmap(-1, self._flags_at + processes * _FLAGS * _NUMBER))

    def page(self, process: int) -> Page:
        """The page of the process in slot `process`."""
        numbers = self._memory[process * self._size : (process + 1) * self._size]
        flags = self._flags_at + process * _FLAGS * _NUMBER
        return Page(numbers, self._memory[flags : flags + _FLAGS * _NUMBER])
