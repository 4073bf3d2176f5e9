"""`resque queue ls|show|purge|pause|resume`: look at queues, purge them, pause them.

May be in here: columns, words. May not: questions to Redis (admin/queues.py).
"""

import getpass
import socket
from dataclasses import asdict
from typing import Any

import click

from resque.admin import queues
from resque.admin.queues import Waiting
from resque.cli import console, options, render
from resque.cli.confirm import agreed, destructive
from resque.cli.exits import USAGE, Failed
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


@click.group("queue", cls=Noun, invoke_without_command=True, short_help="Look at queues, purge or pause them.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at queues, purge or pause them."""
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


@command.command("pause")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All queues, for Ruby's workers, too: pause-all-workers.")
@options.shared
def pause(name: str | None, everything: bool) -> None:
    """Let no worker start anything from a queue, or from any. What runs goes on; jobs can be enqueued."""
    _check(name, everything)
    with console.opened() as opened:
        if name is None:
            is_news = queues.pause_all(opened)
            click.echo("all workers are paused" if is_news else "all workers were paused already")
            return
        if queues.find(opened, name) is None:
            raise console.no_queue(opened, name)
        said = "is paused" if queues.pause(opened, name, _who()) else "was paused already"
        click.echo(f"the queue {printable(name)} {said}")


@command.command("resume")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="What pause --all has paused.")
@options.shared
def resume(name: str | None, everything: bool) -> None:
    """Let workers go on with a queue, or with all; with --all, queues that were paused by name stay so."""
    _check(name, everything)
    with console.opened() as opened:
        if name is None:
            click.echo("workers go on" if queues.resume_all(opened) else "workers were not paused")
            left = [each.name for each in queues.every(opened) if each.paused]
            if left:
                click.echo(f"resque: still paused by name: {printable(', '.join(left))}", err=True)
            return
        is_news = queues.resume(opened, name)
        if not is_news and queues.find(opened, name) is None:
            raise console.no_queue(opened, name)
        click.echo(f"the queue {printable(name)} {'goes on' if is_news else 'was not paused'}")
        if queues.all_paused(opened):
            click.echo("resque: all workers are paused; 'resque queue resume --all' lets them go on", err=True)


def _check(name: str | None, everything: bool) -> None:
    if (name is not None) == everything:
        raise Failed("say which: one queue, or --all", hint="'resque queue ls' lists the queues", code=USAGE)


def _who() -> str:
    """Who asks, as others may want to know."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = "?"
    return f"{user}@{socket.gethostname()}"


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
