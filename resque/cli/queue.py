"""`resque queue ls|show|purge`: look at queues, purge them.

May be in here: columns, words. May not: questions to Redis (admin/queues.py).
"""

from dataclasses import asdict
from typing import Any

import click

from resque.admin import queues
from resque.admin.queues import Waiting
from resque.cli import console, options, render
from resque.cli.confirm import agreed, destructive
from resque.cli.options import Noun
from resque.cli.render import Column
from resque.logs import printable

_QUEUES = [
    Column("name"),
    Column("waiting", right=True),
    Column("in_flight", right=True),
    Column("oldest", render.age, right=True),
    Column("paused"),
    Column("oversize", right=True, usual=0),
    Column("trouble", render.cut(40), usual=""),
]
_JOBS = [
    Column("position", right=True),
    Column("id"),
    Column("job"),
    Column("args", render.cut(60)),
    Column("kwargs", render.cut(40), usual={}),
    Column("enqueued_at", render.ago, right=True),
    Column("attempt", right=True, usual=1),
    Column("crashes", right=True, usual=0),
    Column("unreadable", render.cut(40)),
]


@click.group("queue", cls=Noun, invoke_without_command=True, short_help="Look at queues, purge them.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at queues, purge them."""
    options.show_help(context)


@command.command("ls")
@options.as_json
@options.shared
def ls(as_json: bool) -> None:
    """All queues: what waits, what is in flight, how old the next job is (seconds when piped)."""
    with console.opened() as opened:
        render.table([asdict(each) for each in queues.every(opened)], _QUEUES, as_json=as_json)


@command.command("show")
@click.argument("name")
@click.option("--start", type=click.IntRange(0), default=0, help="The first place shown; 0 is the next to run.")
@click.option("--count", type=click.IntRange(1, queues.WINDOW), default=20, help="How many jobs (20).")
@options.as_json
@options.shared
def show(name: str, start: int, count: int, as_json: bool) -> None:
    """The waiting jobs of a queue, in the order in which workers will take them."""
    with console.opened() as opened:
        if queues.find(opened, name) is None:
            raise console.no_queue(opened, name)
        render.table([_row(each) for each in queues.show(opened, name, start, count)], _JOBS, as_json=as_json)


@command.command("purge")
@click.argument("name")
@destructive
@options.as_json
@options.shared
def purge(name: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Drop all waiting jobs of a queue, for good. Jobs that run go on."""
    with console.opened() as opened:
        found = queues.find(opened, name)
        if found is None:
            raise console.no_queue(opened, name)
        purged = 0
        if agreed(f"drop {found.waiting or 0:,} waiting jobs of the queue {name}", yes=yes, dry_run=dry_run):
            purged = queues.purge(opened, name)
        if as_json:
            render.document({"queue": name, "purged": purged})
        elif not dry_run:
            click.echo(f"dropped {purged:,} waiting jobs of the queue {printable(name)}")


def _row(each: Waiting) -> dict[str, Any]:
    job = each.job
    return {
        "position": each.position,
        "id": job.id,
        "job": job.job,
        "args": job.args,
        "kwargs": job.kwargs,
        "enqueued_at": job.enqueued_at,
        "attempt": job.attempt,
        "crashes": job.crashes,
        "bytes": len(job.raw),
        "unreadable": job.unreadable or None,
    }
