"""`resque job show|cancel`: one job by its id, wherever it is.

May be in here: words. May not: where a job may be, and what cancelling means there (admin/jobs.py).
"""

from typing import Any

import click

from resque.admin import jobs, queues
from resque.admin.console import Console
from resque.admin.jobs import CancelledJob, Located
from resque.cli import console, options, render
from resque.cli.confirm import agreed, destructive
from resque.cli.exits import FAILURE, NOT_FOUND, Failed
from resque.cli.options import Noun
from resque.logs import printable

_of_queue = click.option(
    "-q", "--queue", metavar="NAME", help="Its queue, if you know it: quicker where there are many."
)


@click.group("job", cls=Noun, invoke_without_command=True, short_help="Find one job by its id, cancel it.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Find one job by its id, cancel it.

    Delayed and running jobs are found at once. Waiting and failed ones are looked for in their lists, and only so far.
    """
    options.show_help(context)


@command.command("show")
@click.argument("id")
@_of_queue
@options.as_json
@options.shared
def show(id: str, queue: str | None, as_json: bool) -> None:
    """Where a job is: delayed, waiting, running or failed. Exit code 5 if it is nowhere."""
    with console.opened() as opened:
        _check_queue(opened, queue)
        found = jobs.locate(opened, queue, id)
        if as_json or found.status.state not in ("ended", "unknown"):
            render.facts(_details(id, found, as_json=as_json), as_json=as_json)
        if found.status.state in ("ended", "unknown"):
            raise _nowhere(id, found.queue, found.status.state)


@command.command("cancel")
@click.argument("id")
@_of_queue
@destructive
@options.as_json
@options.shared
def cancel(id: str, queue: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Cancel a job, wherever it is. One that waits or is delayed is dropped, one that runs is asked to end."""
    with console.opened() as opened:
        _check_queue(opened, queue)
        if agreed(f"cancel the job {id}", yes=yes, dry_run=dry_run):
            _tell(id, jobs.cancel(opened, queue, id), as_json=as_json)


def _tell(id: str, found: CancelledJob, *, as_json: bool) -> None:
    if as_json:
        render.document({"id": id, "queue": found.queue, "was": found.was})
    match found.was:
        case "ended" | "unknown":
            raise _nowhere(id, found.queue, found.was)
        case "failed":
            hint = f"'resque failed discard {id}' drops its record"
            raise Failed(f"the job {id} has failed: there is nothing to cancel", hint=hint, code=FAILURE)
    if not as_json:
        click.echo(f"{_SAID[found.was]} {printable(id)} (queue {printable(found.queue or '-')})")


_SAID = {
    "delayed": "cancelled the delayed job",
    "waiting": "cancelled the waiting job",
    "running": "asked its worker to end the running job",
    "marked": "not found near the front of its long queue, but dropped when a worker comes to it: the job",
}


def _nowhere(id: str, queue: str | None, state: str) -> Failed:
    where = f"in the queue {queue}" if queue is not None else "in any queue"
    if state == "unknown":
        hint = "a list is too long to be searched to its end; say its queue with --queue" if queue is None else ""
        return Failed(f"the job {id} was not found {where}", hint=hint or "its list is too long", code=NOT_FOUND)
    return Failed(f"the job {id} is not {where}", hint="done, dropped, or never there", code=NOT_FOUND)


def _check_queue(opened: Console, queue: str | None) -> None:
    if queue is not None and queues.find(opened, queue) is None:
        raise console.no_queue(opened, queue)


def _details(id: str, found: Located, *, as_json: bool) -> dict[str, Any]:
    status = found.status
    details: dict[str, Any] = {
        "id": id,
        "state": status.state,
        "queue": found.queue,
        "due": status.due,
        "worker": status.worker,
        "error": status.error,
        "attempt": status.attempt,
    }
    if status.raw:
        seen = jobs.view(status.raw)
        details |= {
            "job": seen.job,
            "args": seen.args,
            "kwargs": seen.kwargs,
            "enqueued_at": seen.enqueued_at,
            "crashes": seen.crashes,
            "unreadable": seen.unreadable or None,
        }
        if render.is_terminal() and not as_json:
            details["enqueued_at"] = render.when(seen.enqueued_at)
    if render.is_terminal() and not as_json and status.due is not None:
        details["due"] = f"{render.when(status.due)} ({render.until(status.due)})"
    return details
