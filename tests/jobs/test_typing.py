"""Both type checkers reject exactly the marked lines of tests/typing/jobs_typing.py."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBJECT = ROOT / "tests" / "typing" / "jobs_typing.py"


def marked() -> set[int]:
    lines = SUBJECT.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# E")}


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command, str(SUBJECT)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, f"{command[0]} failed: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_are_wrong_lines_to_find() -> None:
    assert len(marked()) > 30


def test_mypy_strict_finds_the_wrong_lines_and_no_others() -> None:
    output = run("mypy", "--strict", "--no-error-summary", "--cache-dir=.mypy_cache")
    found = {int(line) for line in re.findall(r"jobs_typing\.py:(\d+): error", output)}
    assert len(re.findall(r": error:", output)) == len(re.findall(r"jobs_typing\.py:\d+: error:", output)), output
    assert found == marked(), output


def test_pyright_finds_the_wrong_lines_and_no_others() -> None:
    report = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable))
    errors = [item for item in report["generalDiagnostics"] if item["severity"] == "error"]
    assert {Path(item["file"]) for item in errors} == {SUBJECT}
    assert {item["range"]["start"]["line"] + 1 for item in errors} == marked(), json.dumps(errors, indent=1)
