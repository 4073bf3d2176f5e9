"""The demo's account: the sums, and that each false number is named."""

import io
from typing import Any

import pytest
from rich.console import Console

from resque.dev.demo import report
from resque.dev.demo.numbers import FileNumbers, count
from resque.dev.demo.report import Facts
from resque.dev.demo.watch import FailedFile

NUMBERS = FileNumbers(
    lines=14, functions=3, classes=1, imports=6, modules=("json", "os", "re"), longest="long", longest_lines=3
)


def facts(**other: Any) -> Facts:
    """Two files counted (one of them begun twice), one failed; with `other` in place of what it names."""
    true: dict[str, Any] = {
        "found": ["/a.py", "/b.py", "/bad.py"],
        "counted": {"/a.py": NUMBERS, "/b.py": NUMBERS},
        "failed": [FailedFile("id-1", "/bad.py", "SyntaxError: no")],
        "runs": {"/a.py": 1, "/b.py": 2, "/bad.py": 1},
        "recounted": {"/a.py": NUMBERS, "/bad.py": None},
        "processed": 5,
        "failures": 1,
    }
    return Facts(**{**true, **other})


def test_an_account_that_adds_up() -> None:
    assert report.problems(facts()) == []
    assert report.problems(facts(processed=6)) == [], "the second run of b.py has enqueued a second fold job"
    assert facts().repeated == 1


WRONG = {
    "1 file neither counted nor failed: /b.py": {"counted": {"/a.py": NUMBERS}, "processed": 4},
    "counted and failed at once": {"counted": dict.fromkeys(["/a.py", "/b.py", "/bad.py"], NUMBERS), "processed": 6},
    "failed more than once": {"failed": [FailedFile(str(n), "/bad.py", "") for n in range(2)], "failures": 2},
    "in the report but never enqueued": {"counted": dict.fromkeys(["/a.py", "/b.py", "/c.py"], NUMBERS)},
    "failed but never enqueued": {"found": ["/a.py", "/b.py"]},
    "done without ever being begun": {"runs": {"/a.py": 1, "/b.py": 1}},
    "unreadable in the report": {"counted": {"/a.py": NUMBERS, "/b.py": None}},
    "2 jobs failed, but there are 1 records": {"failures": 2},
    "4 jobs were settled; it must be 5 to 6": {"processed": 4},
    "7 jobs were settled; it must be 5 to 6": {"processed": 7},
    "with other numbers than a second look gives": {"recounted": {"/a.py": count(b"x")}},
    "failed, though they do parse": {"recounted": {"/bad.py": NUMBERS}},
}


@pytest.mark.parametrize(("says", "other"), WRONG.items(), ids=list(WRONG))
def test_each_number_that_is_wrong_is_named(says: str, other: dict[str, Any]) -> None:
    assert says in "\n".join(report.problems(facts(**other)))


def test_the_sums() -> None:
    sums = report.fold({"/b.py": NUMBERS, "/a.py": count(b"import os"), "/unreadable.py": None})
    assert (sums.files, sums.lines, sums.functions, sums.classes, sums.imports) == (2, 15, 3, 1, 7)
    assert sums.top == [("os", 2), ("json", 1), ("re", 1)]
    assert sums.longest == ("/b.py", "long", 3)
    assert report.fold({}).longest == ("", "", 0)


def test_the_failures_fit_on_a_line_and_the_rest_are_counted() -> None:
    failed = [FailedFile(f"id-{number}", f"/bad{number}.py", "SyntaxError:\n" + "x" * 300) for number in range(7)]
    output = io.StringIO()
    Console(width=60, file=output).print(report.failures_table(failed, 60))
    lines = output.getvalue().splitlines()
    assert sum("/bad" in line and "SyntaxError: xxx" in line and "…" in line for line in lines) == 5
    assert any("… and 2 more" in line for line in lines)
    assert len(lines) == 10


def test_the_commands_name_the_server_and_a_failure() -> None:
    failed = [FailedFile("id-1", "/bad.py", "")]
    assert report.commands("redis://127.0.0.1:1/0", failed) == [
        f"RESQUE_REDIS_URL=redis://127.0.0.1:1/0 resque failed {words}" for words in ("ls", "show id-1", "retry id-1")
    ]
    assert report.commands("unix:///s?db=0", []) == ["RESQUE_REDIS_URL='unix:///s?db=0' resque failed ls"]
