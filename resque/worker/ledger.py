"""Ledger: a page shared by the supervisor and its children: who runs what, since when.

May be in here: marking a start and an end, reading a child's marks. May not: payloads, only their hashes.

Two 64-bit numbers a runner: the hash of the payload that it runs (0 = none), and when that began. A runner writes its
own two only; a child that dies in any way leaves its last marks behind, so the supervisor knows which jobs
had started. `hash(bytes)` agrees in parent and child because the children are forked, never spawned: they share the
seed of the hash.
"""

import mmap

_CELL = 8


class Page:
    """The marks of one process. A runner that starts thousands of jobs a second writes its cells itself:

    page.since[runner] = seconds of boot time, then page.marks[runner] = mark_of(payload), and 0 at the end
    """

    def __init__(
        self, marks: memoryview, since: "memoryview[float]", deadlines: "memoryview[float]", idle: memoryview
    ) -> None:
        self.marks = marks
        self.since = since
        self.deadlines = deadlines
        """When the running job's time is over, in seconds of boot time; 0 = never."""
        self._idle = idle

    @property
    def is_idle(self) -> bool:
        """Whether the process holds nothing, and its waits renew their leases themselves."""
        return bool(self._idle[0])

    @is_idle.setter
    def is_idle(self, value: bool) -> None:
        self._idle[0] = int(value)

    def started(self) -> list[int]:
        """The marks of all payloads that run now."""
        return [mark for mark in self.marks.tolist() if mark]

    def late(self, now: float, grace: float) -> list[int]:
        """The marks of payloads whose time has been over for `grace` seconds."""
        found = zip(self.marks.tolist(), self.deadlines.tolist(), strict=True)
        return [mark for mark, deadline in found if mark and deadline and deadline + grace < now]

    def clear(self) -> None:
        """Forget the marks of a process that is gone."""
        for runner in range(len(self.marks)):
            self.marks[runner] = 0
            self.deadlines[runner] = 0.0
        self.is_idle = False


class Ledger:
    """All pages. Made by the supervisor before it forks."""

    def __init__(self, processes: int, runners: int) -> None:
        self._runners = runners
        part = processes * runners * _CELL
        self._memory = mmap.mmap(-1, 3 * part + processes * _CELL)
        cells = memoryview(self._memory)
        self._marks, self._since = cells[:part].cast("q"), cells[part : 2 * part].cast("d")
        self._deadlines = cells[2 * part : 3 * part].cast("d")
        self._idle = cells[3 * part :].cast("q")

    def page(self, process: int) -> Page:
        """The page of the process in slot `process`."""
        place = slice(process * self._runners, (process + 1) * self._runners)
        return Page(self._marks[place], self._since[place], self._deadlines[place], self._idle[process : process + 1])
