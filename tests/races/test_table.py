"""The table of races is complete, and every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import tests.races

TOP = Path(__file__).parents[2]
OTHERS = {"deaf", "prefetch", "starved", "lock", "bad", "orphan"}


def table() -> dict[str, list[str]]:
    """Race -> the tests that show it."""
    found: dict[str, list[str]] = {}
    race = ""
    for line in (tests.races.__doc__ or "").splitlines():
        if row := re.match(r"(R\d+|[a-z]+)  +\S", line):
            race = row[1]
            found[race] = []
        elif line.strip().startswith("tests/"):
            found[race].append(line.strip())
    return found


TABLE = table()


@cache
def functions(file: str) -> dict[str, str]:
    """The functions of a file and their docstrings."""
    tree = ast.parse((TOP / file).read_text())
    return {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_race_has_a_row() -> None:
    assert set(TABLE) == {f"R{n}" for n in range(1, 30)} | OTHERS


@pytest.mark.parametrize("race", TABLE)
def test_its_tests_exist(race: str) -> None:
    assert TABLE[race]
    for test in TABLE[race]:
        file, name = test.split("::")
        assert name in functions(file), f"{race} is shown by {test}, which is not there"


@pytest.mark.parametrize("file", sorted(file.name for file in Path(__file__).parent.glob("test_*.py")))
def test_each_test_of_a_race_stands_in_its_row_and_says_why_we_are_safe(file: str) -> None:
    path = f"tests/races/{file}"
    for name, docstring in functions(path).items():
        if row := re.match(r"test_(?:r(\d\d)|others)_", name):
            rows = [f"R{int(row[1])}"] if row[1] else sorted(OTHERS)
            assert any(f"{path}::{name}" in TABLE[race] for race in rows)
            assert "Failed there:" in docstring
            assert "Safe:" in docstring
