"""`resque failed ls|show|retry|discard`: look at failed jobs, retry or discard them.

May be in here: columns, words, what to ask before. May not: how a record is found and moved (admin/failures.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from resque.admin import failures
from resque.admin.console import Console
from resque.admin.failures import Advance, FailureView, Fate, Tally
from resque.cli import attempts, console, options, render
from resque.cli.confirm import agreed, destructive, progress
from resque.cli.exits import FAILURE, NOT_FOUND, USAGE, Failed
from resque.cli.options import Noun
from resque.cli.render import Column
from resque.logs import printable

_COLUMNS = [
    Column("id"),
    Column("failed_at"),
    Column("queue"),
    Column("job"),
    Column("exception", render.cut(40)),
    Column("error", render.cut(60)),
    Column("attempt", right=True, usual=1),
    Column("crashes", right=True, usual=0),
]


@click.group("failed", cls=Noun, invoke_without_command=True, short_help="Look at failed jobs, retry or discard them.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at failed jobs, retry or discard them.

    A record is named by its job's id; one without (Ruby's have none) by "~" and a digest.
    """
    options.show_help(context)


@command.command("ls")
@click.option("--start", type=click.IntRange(0), default=0, help="The first place shown; 0 is the newest.")
@click.option("--count", type=click.IntRange(1, failures.WINDOW), default=20, help="How many records (20).")
@options.as_json
@options.shared
def ls(start: int, count: int, as_json: bool) -> None:
    """Failed jobs, the newest first."""
    with console.opened() as opened:
        records = failures.window(opened, start, count)
        render.table([_row(each) for each in records], _COLUMNS, as_json=as_json)
        left = failures.count(opened) - start - len(records)
        if left > 0:
            click.echo(f"resque: {left:,} more; see them with --start {start + len(records)}", err=True)


@command.command("show")
@click.argument("id")
@options.as_json
@options.shared
def show(id: str, as_json: bool) -> None:
    """One failed job with its arguments, its error and the backtrace, and the errors of its earlier attempts."""
    with console.opened() as opened:
        (found,) = _find(opened, [id])
        details = _details(found, as_json=as_json)
        if render.is_terminal() and not as_json:
            details["enqueued_at"] = render.when(found.job.enqueued_at)
        render.facts(details, as_json=as_json)


@command.command("retry")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All records that are there now.")
@destructive
@options.as_json
@options.shared
def retry(ids: tuple[str, ...], everything: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Put failed jobs back into their queues, as if never tried. Each goes back once, whoever else retries it."""
    _check(ids, everything)
    with console.opened() as opened:
        if everything:
            total = failures.count(opened)
            if agreed(f"retry {_jobs(total)}", yes=yes, dry_run=dry_run):
                _run_all(opened, "retried", failures.retry_all, as_json=as_json)
            return
        found = _find(opened, ids)
        if not dry_run or agreed(f"retry {_jobs(len(found))}", yes=yes, dry_run=True):
            _run_each(opened, found, "retried", failures.retry, as_json=as_json)


@command.command("discard")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All records that are there now.")
@destructive
@options.as_json
@options.shared
def discard(ids: tuple[str, ...], everything: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Drop failed jobs for good; they are counted as discarded."""
    _check(ids, everything)
    with console.opened() as opened:
        found = [] if everything else _find(opened, ids)
        total = failures.count(opened) if everything else len(found)
        if not agreed(f"discard {_jobs(total)} for good", yes=yes, dry_run=dry_run):
            return
        if everything:
            _run_all(opened, "discarded", failures.discard_all, as_json=as_json)
        else:
            _run_each(opened, found, "discarded", failures.discard, as_json=as_json)


def _check(ids: Sequence[str], everything: bool) -> None:
    if bool(ids) == everything:
        raise Failed("say which: one or more ids, or --all", hint="'resque failed ls' lists them", code=USAGE)


def _find(opened: Console, ids: Sequence[str]) -> list[FailureView]:
    found = failures.find(opened, ids)
    missing = [id for id in dict.fromkeys(ids) if id not in found]
    if missing:
        raise Failed(
            f"not in the failed list: {', '.join(missing)}",
            hint=f"retried or discarded meanwhile, or not among the newest {failures.DEPTH:,}; nothing was changed",
            code=NOT_FOUND,
        )
    return [found[id] for id in dict.fromkeys(ids)]


def _run_each(
    opened: Console,
    found: Sequence[FailureView],
    verb: str,
    act: Callable[[Console, FailureView], Fate],
    *,
    as_json: bool,
) -> None:
    fates = [(view, act(opened, view)) for view in found]
    if as_json:
        render.document([{"id": view.id, "queue": view.failure.queue, "fate": fate} for view, fate in fates])
    for view, fate in fates:
        if fate == "done" and not as_json:
            click.echo(f"{verb} {printable(view.id)} (queue {printable(view.failure.queue or '-')})")
    if any(fate == "impossible" for _, fate in fates):
        named = ", ".join(view.id for view, fate in fates if fate == "impossible")
        raise Failed(f"not {verb}, the record holds no job that could be run: {named}", hint=_UNRETRIABLE)
    if any(fate == "gone" for _, fate in fates):
        named = ", ".join(view.id for view, fate in fates if fate == "gone")
        raise Failed(f"not {verb}, somebody else was faster: {named}", code=NOT_FOUND)


def _run_all(opened: Console, verb: str, act: Callable[[Console, Advance], Tally], *, as_json: bool) -> None:
    with progress(f"{verb} …", failures.count(opened)) as advance:
        tally = act(opened, advance)
    if as_json:
        render.document({verb: tally.done, "gone": tally.gone, "impossible": tally.impossible, "reason": tally.reason})
    else:
        click.echo(f"{verb} {_jobs(tally.done)}")
        if tally.gone:
            click.echo(f"{_jobs(tally.gone)} were taken by somebody else meanwhile", err=True)
    if tally.is_broken_off:
        raise Failed(f"broken off: {tally.reason}", hint="say it again later; what is done is done once", code=FAILURE)
    if tally.impossible:
        raise Failed(f"not {verb}: {_jobs(tally.impossible)}", hint=tally.reason or _UNRETRIABLE)


_UNRETRIABLE = "the record has no payload or no queue: look at it (resque failed show ID), then discard it"


def _jobs(count: int) -> str:
    return "1 failed job" if count == 1 else f"{count:,} failed jobs"


def _row(each: FailureView) -> dict[str, Any]:
    record = each.failure
    return {
        "id": each.id,
        "position": each.position,
        "failed_at": record.failed_at,
        "queue": record.queue,
        "job": each.job.job,
        "exception": record.exception,
        "error": record.error,
        "attempt": record.attempt,
        "crashes": record.crashes,
        "worker": record.worker,
        "retried_at": record.retried_at,
    }


def _details(each: FailureView, *, as_json: bool) -> dict[str, Any]:
    job = each.job
    earlier = [bytes(raw) for raw in each.failure.attempts or ()]
    return _row(each) | {
        "args": job.args,
        "kwargs": job.kwargs,
        "enqueued_at": job.enqueued_at,
        "unreadable": job.unreadable or None,
        "payload": job.raw.decode("utf-8", "backslashreplace"),
        "attempts": attempts.told(earlier, as_json=as_json),
        "backtrace": tuple(each.failure.backtrace),
    }
