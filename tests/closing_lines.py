"""What pytest prints at the end: one line for each server leg, and every process that a test has left behind.

May be in here: counting, printing, making the session fail. May not: fixtures.

With CI=true a leg that could not run fails the session: nobody reads the closing lines there.
"""

import os
from collections import Counter
from typing import Any

import pytest

from tests import leftovers, servers


class ClosingLines:
    """A pytest plugin; in an xdist worker it only looks for leftovers and reports them to the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.chosen: str | None = config.getoption("leg")
        self.missing = {
            name: command
            for name, command in servers.available().items()
            if command is not None and self.chosen in (None, name)
        }
        self.tests: Counter[str] = Counter()
        self.leftovers: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and report.failed):
            self.tests.update(str(value) for name, value in report.user_properties if name == "leg")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """xdist: a worker has ended."""
        self.leftovers += getattr(node, "workeroutput", {}).get("leftovers", [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["leftovers"] = leftovers.kill_all()
            return
        if not self.config.getoption("numprocesses", None):  # else our children are the xdist workers
            self.leftovers += leftovers.kill_all()
        if self.leftovers or (self.missing and os.environ.get("CI") == "true"):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("servers")
        for name in servers.LEGS:
            terminalreporter.line(self._line(name), red=name in self.missing and os.environ.get("CI") == "true")
        if self.leftovers:
            terminalreporter.section("PROCESSES LEFT BEHIND BY TESTS (killed now; the session fails)", red=True)
            for line in self.leftovers:
                terminalreporter.line(line, red=True)

    def _line(self, name: str) -> str:
        if name in self.missing:
            return f"leg {name} did not run: {self.missing[name]}"
        if self.chosen not in (None, name):
            return f"leg {name} did not run: --leg={self.chosen} was asked for"
        return f"leg {name}: {self.tests[name]} tests"
