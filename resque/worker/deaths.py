"""Deaths: what is known of children that have died, until somebody has brought back what they held.

May be in here: why a child died, which of its jobs are to blame, the reports to the scheduler. May not: signals, forks.
"""

import os
import signal
from typing import Any

from resque.worker.nursery import Child
from resque.worker.privileges import OomCounter, why_died


class Deaths:
    """The reports of one supervisor. A scheduler that comes after one that died is told all that are left."""

    def __init__(self) -> None:
        self._oom = OomCounter()
        self._reports: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """At every turn: kills for want of memory that the kernel has counted."""
        self._oom.look()

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Of those whose jobs are not back yet."""
        return list(self._reports.values())

    def why(self, status: int) -> str:
        """What the wait status of a child says."""
        code = os.waitstatus_to_exitcode(status)
        return why_died(status, is_oom=self._oom.claim() if code == -signal.SIGKILL else None)

    def add(self, child: Child, why: str) -> dict[str, Any]:
        """The report on a child that has been reaped. What it held comes back; who was running is to blame."""
        report = {
            "died": child.who.member,
            "id": child.who.id,
            "queues": sorted(child.queues),
            "started": [] if child.is_killed else child.page.started(),
            "late": child.late,
            "killed": child.killed,
            "why": why,
        }
        self._reports[child.who.member] = report
        return report

    def recovered(self, member: str) -> None:
        """Its jobs are back."""
        self._reports.pop(member, None)
