"""`resque cron ls|next|show|run|enable|disable`: look at what runs again and again, switch it off and on.

May be in here: columns, words. May not: questions to Redis, reading entries (admin/schedules.py).
"""

import heapq
from typing import Any

import click

from resque.admin import schedules
from resque.admin.console import Console
from resque.admin.schedules import EntryView
from resque.cli import console, options, render
from resque.cli.exits import FAILURE, NOT_FOUND, Failed, near
from resque.cli.options import Noun
from resque.cli.render import Column
from resque.logs import printable

_ENTRIES = [
    Column("name"),
    Column("enabled", usual=True),
    Column("schedule"),
    Column("queue"),
    Column("job"),
    Column("next", render.until, right=True),
    Column("last", render.ago, right=True),
    Column("last_id", only_piped=True),
    Column("description", render.cut(40), usual=""),
    Column("trouble", render.cut(60), usual=""),
]
_TICKS = [Column("at", render.when), Column("name"), Column("job"), Column("queue")]


@click.group("cron", cls=Noun, invoke_without_command=True, short_help="Look at periodic jobs, switch them off and on.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at periodic jobs, switch them off and on."""
    options.show_help(context)


@command.command("ls")
@options.as_json
@options.shared
def ls(as_json: bool) -> None:
    """All entries: when they fire next, when they fired last (seconds since 1970 when piped)."""
    with console.opened() as opened:
        render.table([_row(each) for each in schedules.every(opened)], _ENTRIES, as_json=as_json)


@command.command("next")
@click.argument("name", required=False)
@click.option("--count", type=click.IntRange(1, schedules.NEXT), default=10, help="How many (10).")
@options.as_json
@options.shared
def upcoming(name: str | None, count: int, as_json: bool) -> None:
    """What fires next, of one entry or of all that are enabled."""
    with console.opened() as opened:
        entries = schedules.every(opened) if name is None else [_find(opened, name)]
        ticks = heapq.merge(*([(at, each) for at in each.next(count)] for each in entries), key=lambda tick: tick[0])
        rows = [_tick(at, each) for at, each in list(ticks)[:count]]
        render.table(rows, _TICKS, as_json=as_json)


@command.command("show")
@click.argument("name")
@options.as_json
@options.shared
def show(name: str, as_json: bool) -> None:
    """One entry with its next five ticks, and its last ones with the ids of their jobs."""
    with console.opened() as opened:
        render.facts(_details(_find(opened, name), as_json=as_json), as_json=as_json)


@command.command("run")
@click.argument("name")
@options.as_json
@options.shared
def run(name: str, as_json: bool) -> None:
    """Enqueue the job of an entry once, now, also while it is disabled; print its id. Its ticks stay as they are."""
    with console.opened() as opened:
        found = _find(opened, name)
        id = schedules.run_now(opened, found)
        if id is None or found.entry is None:
            raise Failed(found.trouble, hint="nothing was enqueued", code=FAILURE)
        if as_json:
            render.document({"id": id, "queue": found.entry.queue, "job": found.entry.job})
        else:
            click.echo(id)


@command.command("enable")
@click.argument("name")
@options.shared
def enable(name: str) -> None:
    """Let an entry fire again."""
    with console.opened() as opened:
        _find(opened, name)
        said = "fires again" if schedules.enable(opened, name) else "was enabled already"
        click.echo(f"{printable(name)} {said}")


@command.command("disable")
@click.argument("name")
@options.shared
def disable(name: str) -> None:
    """Let an entry fire no more, on all hosts, until it is enabled. Jobs that it has enqueued run."""
    with console.opened() as opened:
        _find(opened, name)
        said = "fires no more" if schedules.disable(opened, name) else "was disabled already"
        click.echo(f"{printable(name)} {said}")


def _find(opened: Console, name: str) -> EntryView:
    found = schedules.find(opened, name)
    if found is None:
        names = [each.name for each in schedules.every(opened)]
        hint = near(name, names, otherwise="'resque cron ls' lists them" if names else "there are no entries yet")
        raise Failed(f"there is no cron entry {name!r}", hint=hint, code=NOT_FOUND)
    return found


def _row(each: EntryView) -> dict[str, Any]:
    entry, last = each.entry, each.runs[0] if each.runs else None
    return {
        "name": each.name,
        "enabled": each.enabled,
        "schedule": _schedule(each),
        "queue": None if entry is None else entry.queue,
        "job": None if entry is None else entry.job,
        "next": next(iter(each.next()), None),
        "last": None if last is None else last.tick,
        "last_id": None if last is None else last.id,
        "description": "" if entry is None else entry.description,
        "trouble": each.trouble,
    }


def _schedule(each: EntryView) -> str | None:
    """As it was written, or nearly so."""
    entry = each.entry
    if entry is None:
        return None
    if entry.every is not None and each.schedule is not None:
        return each.schedule.explain().lower()
    return f"{entry.cron} ({entry.tz})" if entry.tz != "UTC" else entry.cron


def _tick(at: float, each: EntryView) -> dict[str, Any]:
    entry = each.entry
    return {
        "at": at,
        "name": each.name,
        "job": None if entry is None else entry.job,
        "queue": None if entry is None else entry.queue,
    }


def _details(each: EntryView, *, as_json: bool) -> dict[str, Any]:
    entry, row = each.entry, _row(each)
    del row["next"], row["last"], row["last_id"]
    details = row | {
        "explained": None if each.schedule is None else each.schedule.explain(),
        "args": None if entry is None else entry.args,
        "kwargs": None if entry is None else entry.kwargs,
        "missed": None if entry is None else entry.missed,
        "source": None if entry is None else entry.source,
        "since": None if entry is None else entry.since,
    }
    if as_json:
        return details | {"next": each.next(5), "runs": [{"tick": run.tick, "id": run.id} for run in each.runs]}
    is_seen = render.is_terminal()
    if is_seen:
        details["since"] = None if entry is None else render.when(entry.since)
    ticks = tuple(render.when(at) if is_seen else at for at in each.next(5))
    runs = tuple(f"{render.when(run.tick)} {run.id}" if is_seen else f"{run.tick:.15g} {run.id}" for run in each.runs)
    return details | {"next": ticks or None, "runs": runs or None}
