"""Asking before something is destroyed, and showing how far long work is.

May be in here: --yes, --dry-run, the question, the progress bar. May not: what is done.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from resque.cli.exits import REFUSED, Failed
from resque.logs import printable

F = TypeVar("F", bound=Callable[..., Any])


def destructive(command: F) -> F:
    """Give a command --yes and --dry-run, as parameters `yes` and `dry_run`."""
    command = click.option("--dry-run", is_flag=True, help="Say what would be done, do nothing.")(command)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")(command)


def agreed(what: str, *, yes: bool, dry_run: bool) -> bool:
    """Whether to go on with `what` ("discard 3 failed jobs"). False for a dry run, which has said so.

    Raises Failed (6) where the answer is no, and where nobody can be asked and --yes was not given.
    """
    shown = printable(what)
    if dry_run:
        click.echo(f"would {shown}; nothing was done (--dry-run)", err=True)
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Failed(f"refused to {shown} without being sure", hint="say --yes, or look first with --dry-run", code=6)
    if not click.confirm(f"{shown[:1].upper()}{shown[1:]}?", err=True):
        raise Failed("nothing was changed", code=REFUSED)
    return True


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, if that is a terminal. Gives the function that moves it on by so many."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
