"""`resque demo`: the options reach the demo, and its sums come back as the exit code."""

import os
import subprocess
import sys

from tests.cli.conftest import TOP, Run


def test_a_small_demo_ends_well_where_no_terminal_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resque", "demo", "--files", "60"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_files_at_all_is_exit_2(run: Run) -> None:
    assert run("demo", "--files", "0").code == 2
