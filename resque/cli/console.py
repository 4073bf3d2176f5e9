"""The console of a command: connected by its settings, closed at its end.

May be in here: opening, and the note for a namespace whose direction is a guess. May not: what is asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from resque.admin import queues
from resque.admin.console import Console
from resque.cli import options
from resque.cli.exits import NOT_FOUND, Failed, near


@contextmanager
def opened() -> Iterator[Console]:
    """A console by the settings of this call."""
    with Console(options.settings()) as console:
        assert console.keys
        if console.is_guess:
            click.echo(
                f"resque: note: the namespace '{console.keys.prefix}:' is in use but has no marker of ours; shown as "
                "native. If Ruby's Resque uses it, say --wire ruby: otherwise oldest and newest are swapped",
                err=True,
            )
        yield console


def no_queue(console: Console, name: str) -> Failed:
    """The error for a queue that nobody knows."""
    known = queues.names(console)
    hint = near(name, known, otherwise="'resque queue ls' lists the queues" if known else "there are no queues yet")
    return Failed(f"there is no queue {name!r}", hint=hint, code=NOT_FOUND)
