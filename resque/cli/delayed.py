"""`resque delayed ls|show|run|reschedule|cancel`: look at delayed jobs, give them another time, cancel them.

May be in here: columns, words. May not: how a job is found and moved (admin/delayed.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from resque import clock
from resque.admin import delayed, queues
from resque.admin.console import Console
from resque.admin.delayed import DelayedView
from resque.cli import attempts, console, moments, options, render
from resque.cli.confirm import agreed, destructive
from resque.cli.exits import NOT_FOUND, USAGE, Failed
from resque.cli.options import Noun
from resque.cli.render import Column
from resque.logs import printable

_COLUMNS = [
    Column("id"),
    Column("due", render.until, right=True),
    Column("queue"),
    Column("job"),
    Column("args", render.cut(60)),
    Column("kwargs", render.cut(40), usual={}),
    Column("attempt", right=True, usual=1),
    Column("unreadable", render.cut(40)),
]

_of_queue = click.option("-q", "--queue", metavar="NAME", help="Of this queue only.")


@click.group("delayed", cls=Noun, invoke_without_command=True, short_help="Look at delayed jobs, run or cancel them.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at delayed jobs, run or cancel them.

    Retries wait here, too. An id may be delayed in two queues; then both are meant, or the one that --queue names.
    """
    options.show_help(context)


@command.command("ls")
@_of_queue
@click.option("--match", metavar="TEXT", help="Only those with this in their id or in the name of their class.")
@click.option("--start", type=click.IntRange(0), default=0, help="The first place shown; 0 is the next that is due.")
@click.option("--count", type=click.IntRange(1, delayed.WINDOW), default=20, help="How many jobs (20).")
@options.as_json
@options.shared
def ls(queue: str | None, match: str | None, start: int, count: int, as_json: bool) -> None:
    """Delayed jobs, those that are due soonest first (`due` in seconds since 1970 when piped)."""
    if match and start:
        raise Failed("--match and --start exclude each other", hint="say more with --match", code=USAGE)
    with console.opened() as opened:
        _check_queue(opened, queue)
        page = delayed.search(opened, match, queue, count) if match else delayed.window(opened, queue, start, count)
        render.table([_row(each) for each in page.jobs], _COLUMNS, as_json=as_json)
        if match and not page.is_complete:
            click.echo(f"resque: there may be more than these {len(page.jobs):,}; say more with --match", err=True)
        elif not page.is_complete:
            left = delayed.count(opened, queue) - start - len(page.jobs)
            click.echo(f"resque: {max(1, left):,} more; see them with --start {start + len(page.jobs)}", err=True)


@command.command("show")
@click.argument("id")
@_of_queue
@options.as_json
@options.shared
def show(id: str, queue: str | None, as_json: bool) -> None:
    """One delayed job with its arguments, and the errors of its earlier attempts."""
    with console.opened() as opened:
        found = _find(opened, [id], queue)
        if len(found) > 1:
            named = ", ".join(each.queue for each in found)
            raise Failed(f"{id} is delayed in {len(found)} queues", hint=f"say which with --queue: {named}", code=USAGE)
        details = _details(found[0], delayed.errors(opened, found[0]), as_json=as_json)
        render.facts(details, as_json=as_json)


@command.command("run")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of_queue
@click.option("--front", is_flag=True, help="As the next of its queue, not the last.")
@options.as_json
@options.shared
def run(ids: tuple[str, ...], queue: str | None, front: bool, as_json: bool) -> None:
    """Put delayed jobs into their queues now, before their time."""
    with console.opened() as opened:
        found = _find(opened, ids, queue)
        _each(found, "enqueued", lambda view: delayed.run_now(opened, view, front=front), as_json=as_json)


@command.command("reschedule")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of_queue
@moments.timed
@options.as_json
@options.shared
def reschedule(ids: tuple[str, ...], queue: str | None, delay: str | None, at: str | None, as_json: bool) -> None:
    """Give delayed jobs another time, with --in or --at."""
    due = moments.due(delay, at)
    if due is None:
        raise Failed("say when", hint="--in 5m, or --at 2026-12-01T06:00+01:00", code=USAGE)
    with console.opened() as opened:
        found = _find(opened, ids, queue)
        _each(found, "rescheduled", lambda view: delayed.reschedule(opened, view, due.timestamp()), as_json=as_json)


@command.command("cancel")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of_queue
@destructive
@options.as_json
@options.shared
def cancel(ids: tuple[str, ...], queue: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Drop delayed jobs for good; they are counted as cancelled. For jobs in any state: resque job cancel."""
    with console.opened() as opened:
        found = _find(opened, ids, queue)
        what = "1 delayed job" if len(found) == 1 else f"{len(found):,} delayed jobs"
        if agreed(f"cancel {what} for good", yes=yes, dry_run=dry_run):
            _each(found, "cancelled", lambda view: delayed.cancel(opened, view), as_json=as_json)


def _check_queue(opened: Console, queue: str | None) -> None:
    if queue is not None and queues.find(opened, queue) is None:
        raise console.no_queue(opened, queue)


def _find(opened: Console, ids: Sequence[str], queue: str | None) -> list[DelayedView]:
    """All of these jobs. Nothing is done where one of them is missing."""
    _check_queue(opened, queue)
    found = {id: delayed.find(opened, id, queue) for id in dict.fromkeys(ids)}
    missing = [id for id, views in found.items() if not views]
    if missing:
        raise Failed(
            f"not delayed: {', '.join(missing)}",
            hint="due or cancelled meanwhile? 'resque job show ID' looks everywhere; nothing was changed",
            code=NOT_FOUND,
        )
    return [view for views in found.values() for view in views]


def _each(found: Sequence[DelayedView], verb: str, act: Callable[[DelayedView], bool], *, as_json: bool) -> None:
    done = [(view, act(view)) for view in found]
    if as_json:
        render.document([{"id": view.id, "queue": view.queue, "done": is_done} for view, is_done in done])
    for view, is_done in done:
        if is_done and not as_json:
            click.echo(f"{verb} {printable(view.id)} (queue {printable(view.queue)})")
    gone = [view.id for view, is_done in done if not is_done]
    if gone:
        raise Failed(f"not {verb}, no longer delayed: {', '.join(gone)}", code=NOT_FOUND)


def _row(each: DelayedView) -> dict[str, Any]:
    job = each.job
    return {
        "id": each.id,
        "due": each.due,
        "due_in": round(each.due - clock.now(), 3),
        "queue": each.queue,
        "job": job.job,
        "args": job.args,
        "kwargs": job.kwargs,
        "enqueued_at": job.enqueued_at,
        "attempt": job.attempt,
        "crashes": job.crashes,
        "unreadable": job.unreadable or None,
    }


def _details(each: DelayedView, errors: Sequence[bytes], *, as_json: bool) -> dict[str, Any]:
    details = _row(each) | {
        "payload": each.job.raw.decode("utf-8", "backslashreplace"),
        "attempts": attempts.told(errors, as_json=as_json),
    }
    if render.is_terminal() and not as_json:
        del details["due_in"]
        details["due"] = f"{render.when(each.due)} ({render.until(each.due)})"
        details["enqueued_at"] = render.when(each.job.enqueued_at)
    return details
