"""`resque workers ls`: look at workers.

May be in here: columns, words. May not: questions to Redis (admin/workers.py).
"""

from typing import Any

import click

from resque import clock
from resque.admin import workers
from resque.admin.workers import WorkerView
from resque.cli import console, options, render
from resque.cli.options import Noun
from resque.cli.render import Column

_COLUMNS = [
    Column("host"),
    Column("pid", lambda pid: "-" if pid is None else str(pid), right=True),
    Column("kind", usual="ours"),
    Column("queues"),
    Column("state"),
    Column("queue", only_piped=True),
    Column("job"),
    Column("job_id", only_piped=True),
    Column("runs_for", render.age, right=True),
    Column("concurrency", right=True, usual=1),
    Column("rss", render.size, right=True),
    Column("beat_age", render.age, right=True),
    Column("supervisor", only_piped=True),
]


@click.group("workers", cls=Noun, invoke_without_command=True, short_help="Look at workers.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at workers."""
    options.show_help(context)


@command.command("ls")
@options.as_json
@options.shared
def ls(as_json: bool) -> None:
    """All registered workers and what each does now; Ruby's, too, though they say less about themselves."""
    with console.opened() as opened:
        render.table([_row(each) for each in workers.every(opened)], _COLUMNS, as_json=as_json)


def _row(worker: WorkerView) -> dict[str, Any]:
    job = worker.job
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "kind": "foreign" if worker.is_foreign else "ours",
        "queues": worker.queues,
        "state": worker.state,
        "queue": worker.queue,
        "job": None if job is None else job.job or "(unreadable)",
        "job_id": None if job is None else job.id,
        "since": worker.since,
        "runs_for": None if worker.since is None else max(0.0, round(clock.now() - worker.since, 3)),
        "started": worker.started,
        "beat_age": worker.beat_age,
        "rss": worker.rss,
        "concurrency": worker.concurrency,
        "jobs_in_hand": worker.jobs_in_hand,
        "supervisor": worker.supervisor,
        "version": worker.version,
    }
