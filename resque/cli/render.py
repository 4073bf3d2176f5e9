"""Tables and facts on stdout: drawn on a terminal, tab-separated in a pipe, JSON where asked for.

May be in here: the three forms, how times and sizes are written, escaping. May not: what is shown.

Anybody may have put anything into Redis: no text goes to a terminal without `printable`, and none is read as rich's
markup.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from resque import clock
from resque.logs import printable

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]


def shown(value: Any) -> str:
    """A value for a person: one line."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _cell(value)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key in each row, and how a terminal shows it (a pipe gets the bare value)."""

    name: str
    show: Callable[[Any], str] = shown
    right: bool = False
    usual: Any = None
    """A terminal has little room: a column in which every row has this, or nothing, is not drawn."""
    only_piped: bool = False


def table(rows: Sequence[Row], columns: Sequence[Column], *, as_json: bool = False) -> None:
    """Print rows. JSON has all that a row holds, the other forms have the columns."""
    if as_json:
        document([dict(row) for row in rows])
    elif is_terminal():
        draw(drawn(rows, columns))
    else:
        click.echo(separated(rows, columns))


def facts(values: Row, *, as_json: bool = False) -> None:
    """Print one thing: a line for each value, several for one that is a tuple of texts."""
    if as_json:
        document(dict(values))
        return
    pairs = [(name, item) for name, value in values.items() for item in _lines(value)]
    if not is_terminal():
        click.echo("\n".join(f"{_cell(name)}\t{_cell(value)}" for name, value in pairs))
        return
    width = max((len(name) for name in values), default=0)
    for index, (name, value) in enumerate(pairs):
        label = name if index == 0 or pairs[index - 1][0] != name else ""
        for line in value.split("\n") if isinstance(value, str) and value else [value]:
            click.echo(f"{printable(label):<{width}}  {shown(line)}")
            label = ""


def document(value: Any, *, compact: bool = False) -> None:
    """Print JSON, in ASCII: no text in it can do anything to a terminal."""
    click.echo(to_json(value, compact=compact))


def to_json(value: Any, *, compact: bool = True) -> str:
    """JSON in ASCII, on one line if compact."""
    return json.dumps(value, indent=None if compact else 2, separators=(",", ":") if compact else None, default=str)


def separated(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Tab-separated values under a line of names; tabs and line ends inside a value are escaped."""
    lines = ["\t".join(column.name for column in columns)]
    lines += ["\t".join(_cell(row.get(column.name)) for column in columns) for row in rows]
    return "\n".join(lines)


def drawn(rows: Sequence[Row], columns: Sequence[Column]) -> "Table":
    """The table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = [each for each in columns if not rows or any(_tells(row.get(each.name), each) for row in rows)]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.name.replace("_", " "), justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(column.show(row.get(column.name)))) for column in columns))
    return grid


def draw(renderable: Any) -> None:
    """Show something of rich's on stdout. Colours only where the terminal wants them; NO_COLOR is rich's to honour."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False).print(renderable)


def is_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def age(seconds: float | None) -> str:
    """A length of time in its two largest units: "3 m 12 s"."""
    if seconds is None:
        return "-"
    left = round(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def duration(seconds: float | None) -> str:
    """How long a job ran, with the unit that fits."""
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1_000_000:.0f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 100 else age(seconds)


def when(at: float | None) -> str:
    """A moment, in UTC."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def size(count: int | None) -> str:
    """Bytes, with the unit that fits."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GB"


def cut(length: int) -> Callable[[Any], str]:
    """Shows the first line, at most so many characters of it."""

    def show(value: Any) -> str:
        text = shown(value.strip().split("\n", 1)[0] if isinstance(value, str) else value)
        return text if len(text) <= length else text[: length - 1] + "…"

    return show


def ago(at: float | None) -> str:
    """How long ago a moment was."""
    return "-" if at is None else age(max(0.0, clock.now() - at))


def until(at: float | None) -> str:
    """How long until a moment, or how long ago it was."""
    if at is None:
        return "-"
    left = at - clock.now()
    return f"in {age(left)}" if left >= 0 else f"{age(-left)} ago"


def _tells(value: Any, column: Column) -> bool:
    return value is not None and value != column.usual and not column.only_piped


def _lines(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple) and value else [value]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
