"""`resque demo`: see it work.

May be in here: options. May not: the demo (dev/demo/).
"""

import sys

import click

from resque.cli import options
from resque.dev.demo import run


@click.command("demo", short_help="See it work: a server, workers, jobs, and a crash.")
@click.option("--exit", "exits", is_flag=True, help="Do not wait for Ctrl-C at the end.")
@click.option("--keep", is_flag=True, help="Leave the server running and its folder in place.")
@click.option("--files", type=click.IntRange(1), metavar="N", help="At most so many files.")
@options.shared
def command(exits: bool, keep: bool, files: int | None) -> None:
    """See it work: a server of its own, workers, jobs on real files, a worker killed half way, and the sums."""
    stay = not exits and sys.stdout.isatty()
    click.get_current_context().exit(run.main(keep=keep, stay=stay, files=files))
