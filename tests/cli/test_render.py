"""The three forms, and that nothing in them can do harm."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from resque.cli import render
from resque.cli.render import Column
from tests.test_logs import HOSTILE

COLUMNS = [Column("name"), Column("size", render.size, right=True)]


def drawn(rows: list[dict[str, Any]], columns: list[Column] = COLUMNS, **options: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=100, **options).print(render.drawn(rows, columns))
    return stream.getvalue()


def test_a_pipe_gets_tabs_under_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    render.table([{"name": "a", "size": 2048}, {"name": None, "size": True}], COLUMNS)
    assert capsys.readouterr().out == "name\tsize\na\t2048\n\ttrue\n"


def test_json_has_all_that_a_row_holds(capsys: pytest.CaptureFixture[str]) -> None:
    render.table([{"name": "a", "size": 1, "more": [1]}], COLUMNS, as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"name": "a", "size": 1, "more": [1]}]


def test_a_terminal_gets_a_table_for_people() -> None:
    text = drawn([{"name": "mail", "size": 2048}], no_color=True)
    assert "mail" in text
    assert "2 KB" in text
    assert "─" in text


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_is_harmless_in_every_form(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": text, "size": None}
    render.table([row], COLUMNS)
    render.facts({"name": text, "list": (text, text)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert [line for line in lines if not line.replace("\t", "").isprintable()] == []
    render.table([row], COLUMNS, as_json=True)
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert "\x7f" not in out
    table = drawn([row], color_system=None)
    assert [line for line in table.splitlines() if not line.isprintable()] == []


@pytest.mark.parametrize("show", [render.shown, render.cut(10)])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_is_harmless_however_it_is_shown(show: Any, text: str) -> None:
    assert show(text).isprintable()
    assert show([text, {text: text}]).isprintable()


def test_text_is_not_read_as_markup() -> None:
    assert "[red]x[/red] [/bad]" in drawn([{"name": "[red]x[/red] [/bad]", "size": None}], color_system=None)


def test_the_shape_of_a_length_of_time() -> None:
    shown = [render.age(each) for each in (None, 0, 59.4, 60, 3599, 90061, 86400)]
    assert shown == ["-", "0 s", "59 s", "1 m", "59 m 59 s", "1 d 1 h", "1 d"]
    shown = [render.duration(each) for each in (None, 0.000002, 0.25, 2.5, 120)]
    assert shown == ["-", "2 µs", "250 ms", "2.5 s", "2 m"]


def test_the_shape_of_a_size() -> None:
    assert [render.size(each) for each in (None, 0, 1023, 2048, 5 << 20, 3 << 30)] == [
        *("-", "0 B", "1023 B", "2 KB", "5 MB", "3.0 GB")
    ]


def test_a_moment_is_in_utc() -> None:
    assert render.when(1795485321.7) == "2026-11-24 01:55:21 UTC"


def test_cut_takes_the_first_line() -> None:
    show = render.cut(6)
    assert [show("abc\ndef"), show("abcdefgh"), show(None), show([1, 2, 3, 4])] == ["abc", "abcde…", "-", "[1,2,…"]


def test_a_column_that_tells_nothing_is_not_drawn() -> None:
    columns = [Column("name"), Column("crashes", usual=0)]
    assert "crashes" not in drawn([{"name": "a", "crashes": 0}, {"name": "b", "crashes": None}], columns)
    assert "crashes" in drawn([{"name": "a", "crashes": 0}, {"name": "b", "crashes": 1}], columns)
    assert "crashes" in drawn([], columns)
    assert "crashes" not in drawn([{"name": "a", "crashes": 1}], [Column("name"), Column("crashes", only_piped=True)])
