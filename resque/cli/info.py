"""`resque info`: everything at a glance, once or again and again.

May be in here: how the numbers are laid out, watching. May not: the numbers (admin/stats.py).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click
from rich.console import Group
from rich.live import Live

from resque import clock, durations
from resque.admin import stats
from resque.admin.console import Console
from resque.admin.stats import Overview
from resque.cli import console, options, render
from resque.cli.exits import USAGE, Failed
from resque.cli.render import Column
from resque.errors import StoreError
from resque.logs import printable

_NUMBERS = [Column("what"), Column("number", right=True)]
_MINUTE = [
    Column("job"),
    Column("done", right=True),
    Column("failed", right=True),
    Column("p50", render.duration, right=True),
    Column("p95", render.duration, right=True),
]


@click.command("info", short_help="Everything at a glance.")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--interval", default="2s", metavar="TIME", help="How often --watch looks (2s).")
@options.as_json
@options.shared
def command(watch: bool, interval: str, as_json: bool) -> None:
    """Everything at a glance: what waits, runs, failed; the last whole minute for each job, with run times."""
    try:
        pause = durations.seconds(interval)
    except ValueError as error:
        raise Failed(f"--interval: {error}", code=USAGE) from None
    with console.opened() as opened:
        if watch:
            with suppress(KeyboardInterrupt):  # the way to end it
                _watch(opened, max(0.1, pause), as_json=as_json)
        elif as_json:
            render.document(asdict(stats.overview(opened)))
        else:
            _print(stats.overview(opened))


def _watch(opened: Console, pause: float, *, as_json: bool) -> None:
    if render.is_terminal() and not as_json:
        with Live(_drawn(stats.overview(opened)), auto_refresh=False) as live:
            _repeat(opened, pause, lambda overview: live.update(_drawn(overview), refresh=True))
    elif as_json:
        _repeat(opened, pause, lambda overview: render.document(asdict(overview), compact=True))
    else:
        _repeat(opened, pause, _print)


def _repeat(opened: Console, pause: float, show: Callable[[Overview], None]) -> None:
    """Redis may go and come back while somebody watches; only the first look must succeed."""
    show(stats.overview(opened))
    while True:
        clock.sleep(pause)
        try:
            show(stats.overview(opened))
        except StoreError as error:
            click.echo(f"resque: {printable(str(error))}; trying again", err=True)


def _print(overview: Overview) -> None:
    if render.is_terminal():
        render.draw(_drawn(overview))
        return
    click.echo(render.separated(_numbers(overview), _NUMBERS))
    if overview.minute:
        click.echo("\n" + render.separated([asdict(each) for each in overview.minute], _MINUTE))
    click.echo()


def _drawn(overview: Overview) -> Group:
    parts = [render.drawn(_numbers(overview), _NUMBERS)]
    if overview.minute:
        parts.append(render.drawn([asdict(each) for each in overview.minute], _MINUTE))
    return Group(*parts)


def _numbers(overview: Overview) -> list[dict[str, Any]]:
    values = asdict(overview)
    del values["minute"]
    values["paused"] = ", ".join(overview.paused)
    return [{"what": name.replace("_", " "), "number": number} for name, number in values.items()]
