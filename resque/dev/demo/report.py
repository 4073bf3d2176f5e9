"""Report: the sums over all files, the checks of the account, and the tables. Pure, but for printing.

May be in here: what the numbers add up to, and everything that is wrong with them. May not: Redis, processes.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.table import Table

from resque.dev.demo.files import short
from resque.dev.demo.numbers import FileNumbers
from resque.dev.demo.watch import FailedFile

_TOP = 10
_EXAMPLES = 5
_BORDERS = 8
_LEAST_OF_AN_ERROR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known when the last job has been settled."""

    found: Sequence[str]
    """The files that were enqueued."""
    counted: Mapping[str, FileNumbers | None]
    """What stands in the report, by file. None: it cannot be read."""
    failed: Sequence[FailedFile]
    runs: Mapping[str, int]
    """How often the counting of each file was begun."""
    recounted: Mapping[str, FileNumbers | None]
    """Some files counted once more, here. None: it does not parse here either."""
    processed: int
    """Resque's own counter of settled jobs, failed ones among them."""
    failures: int
    """Resque's own counter of failed jobs."""

    @property
    def repeated(self) -> int:
        """How many files were begun more than once."""
        return sum(times > 1 for times in self.runs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The report."""

    files: int
    lines: int
    functions: int
    classes: int
    imports: int
    top: Sequence[tuple[str, int]]
    """The modules that most files import, and how many do."""
    longest: tuple[str, str, int]
    """Longest function: file, name, lines."""


def fold(counted: Mapping[str, FileNumbers | None]) -> Sums:
    """Add up. Entries that cannot be read count for nothing (`problems` names them)."""
    files = {path: numbers for path, numbers in sorted(counted.items()) if numbers is not None}
    modules = Counter(module for numbers in files.values() for module in numbers.modules)
    path, longest = max(files.items(), key=lambda item: item[1].longest_lines, default=("", None))
    return Sums(
        files=len(files),
        lines=sum(numbers.lines for numbers in files.values()),
        functions=sum(numbers.functions for numbers in files.values()),
        classes=sum(numbers.classes for numbers in files.values()),
        imports=sum(numbers.imports for numbers in files.values()),
        top=sorted(modules.items(), key=lambda item: (-item[1], item[0]))[:_TOP],
        longest=(path, longest.longest or "", longest.longest_lines) if longest else ("", "", 0),
    )


def problems(facts: Facts) -> list[str]:
    """Everything that does not add up, a line each; [] when every file is accounted for exactly once."""
    return [*_files(facts), *_counters(facts), *_recount(facts)]


def _files(facts: Facts) -> Iterator[str]:
    found, counted, failed = set(facts.found), set(facts.counted), [each.path for each in facts.failed]
    yield from _named("neither counted nor failed", found - counted - set(failed))
    yield from _named("counted and failed at once", counted & set(failed))
    yield from _named("failed more than once", (path for path, times in Counter(failed).items() if times > 1))
    yield from _named("in the report but never enqueued", counted - found)
    yield from _named("failed but never enqueued", set(failed) - found)
    yield from _named("done without ever being begun", found - set(facts.runs))
    yield from _named("unreadable in the report", (path for path, numbers in facts.counted.items() if numbers is None))


def _counters(facts: Facts) -> Iterator[str]:
    if facts.failures != len(facts.failed):
        yield f"Resque's counter says that {facts.failures:,} jobs failed, but there are {len(facts.failed):,} records"
    # Each file is one index job. Each run of it that ended well has enqueued one fold job.
    fewest = len(facts.found) + len(facts.counted)
    most = len(facts.found) + sum(facts.runs.get(path, 0) for path in facts.counted)
    if not fewest <= facts.processed <= most:
        yield f"Resque's counter says that {facts.processed:,} jobs were settled; it must be {fewest:,} to {most:,}"


def _recount(facts: Facts) -> Iterator[str]:
    failed = {each.path for each in facts.failed}
    here = facts.recounted
    wrong = (path for path, numbers in here.items() if path not in failed and facts.counted.get(path) != numbers)
    yield from _named("with other numbers than a second look gives", wrong)
    yield from _named("failed, though they do parse", (path for path in here if path in failed and here[path]))


def _named(what: str, paths: Iterable[str]) -> Iterator[str]:
    every = sorted(paths)
    if every:
        more = f" and {len(every) - _EXAMPLES:,} more" if len(every) > _EXAMPLES else ""
        yield f"{files(len(every))} {what}: {', '.join(every[:_EXAMPLES])}{more}"


def files(number: int) -> str:
    """1 file, 2 files."""
    return f"{number:,} {'file' if number == 1 else 'files'}"


def sums_table(sums: Sums) -> Table:
    """The report as a table."""
    table = _table()
    for name in ("files", "lines", "functions", "classes", "imports"):
        table.add_row(name, f"{getattr(sums, name):,}")
    path, name, lines = sums.longest
    if name:
        table.add_row("longest function", f"{name}, {lines:,} lines, in {short(path)}")
    return table


def modules_table(sums: Sums) -> Table:
    """The modules that are imported most."""
    table = _table("module", "files")
    for module, files in sums.top:
        table.add_row(module, f"{files:,}")
    return table


def failures_table(failed: Sequence[FailedFile], width: int) -> Table:
    """The first five failures, on lines of `width` columns: errors are cut (`resque failed show` has all of each)."""
    table = _table("file", "error")
    shown = [(short(each.path), each.error.replace("\n", " ")) for each in failed[:_EXAMPLES]]
    if len(failed) > _EXAMPLES:
        shown.append((f"… and {len(failed) - _EXAMPLES:,} more", ""))
    room = max(_LEAST_OF_AN_ERROR, width - _BORDERS - max((len(file) for file, _ in shown), default=0))
    for file, error in shown:
        table.add_row(file, error if len(error) <= room else f"{error[: room - 1]}…")
    return table


def commands(url: str, failed: Sequence[FailedFile]) -> list[str]:
    """The commands that show and retry the failures, to be copied into a terminal."""
    words = ["ls", *(f"{verb} {failed[0].id}" for verb in ("show", "retry") if failed)]
    return [f"RESQUE_REDIS_URL={shlex.quote(url)} resque failed {word}" for word in words]


def _table(*columns: str) -> Table:
    table = Table(show_header=bool(columns), box=SIMPLE)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
