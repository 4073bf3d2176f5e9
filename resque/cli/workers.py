"""`resque workers ls|quiet|resume|stop|kill|kill-job`: look at workers, tell them what to do.

May be in here: columns, words. May not: questions to Redis (admin/workers.py).
"""

from typing import Any

import click

from resque import clock
from resque.admin import workers
from resque.admin.workers import Order, WorkerView
from resque.cli import console, options, render
from resque.cli.confirm import agreed, destructive
from resque.cli.exits import NOT_FOUND, USAGE, Failed
from resque.cli.options import Noun
from resque.cli.render import Column
from resque.logs import printable

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


@click.group("workers", cls=Noun, invoke_without_command=True, short_help="Look at workers, stop them, end their jobs.")
@options.shared
@click.pass_context
def command(context: click.Context) -> None:
    """Look at workers, stop them, end their jobs."""
    options.show_help(context)


@command.command("ls")
@options.as_json
@options.shared
def ls(as_json: bool) -> None:
    """All registered workers and what each does now; Ruby's, too, though they say less about themselves."""
    with console.opened() as opened:
        render.table([_row(each) for each in workers.every(opened)], _COLUMNS, as_json=as_json)


@command.command("quiet")
@click.argument("worker")
@options.shared
def quiet(worker: str) -> None:
    """Let a worker take nothing more; what it runs goes on."""
    _order(worker, "quiet", "takes nothing more")


@command.command("resume")
@click.argument("worker")
@options.shared
def resume(worker: str) -> None:
    """Let a quiet worker go on."""
    _order(worker, "resume", "goes on")


@command.command("stop")
@click.argument("worker")
@destructive
@options.shared
def stop(worker: str, yes: bool, dry_run: bool) -> None:
    """Let a worker end its running jobs and leave; no other takes its place."""
    if agreed(f"stop the worker {worker} for good", yes=yes, dry_run=dry_run):
        _order(worker, "stop", "ends its jobs and leaves")


@command.command("kill")
@click.argument("worker")
@destructive
@options.shared
def kill(worker: str, yes: bool, dry_run: bool) -> None:
    """End a worker's process now. What it held goes back to the queues; another process takes its place."""
    if agreed(f"kill the worker {worker}; its running jobs start again", yes=yes, dry_run=dry_run):
        _order(worker, "kill", "is killed and replaced")


@command.command("kill-job")
@click.argument("job_id")
@destructive
@options.shared
def kill_job(job_id: str, yes: bool, dry_run: bool) -> None:
    """End one running job: it is in the failed list then. Its process ends with it, its neighbours go back."""
    with console.opened() as opened:
        for worker in workers.every(opened):
            if worker.job is not None and worker.job.id == job_id and not worker.is_foreign:
                if agreed(f"end the job {job_id}", yes=yes, dry_run=dry_run):
                    workers.kill_job(opened, worker, job_id)
                    click.echo(f"asked {printable(worker.id)} to end {printable(job_id)}")
                return
    raise Failed(
        f"no worker shows the job {job_id} as running", hint="'resque workers ls --json' has ids", code=NOT_FOUND
    )


def _order(name: str, what: Order, said: str) -> None:
    with console.opened() as opened:
        found = workers.find(opened, name)
        if not found:
            raise Failed(f"there is no worker {name!r}", hint="'resque workers ls' lists them", code=NOT_FOUND)
        if len(found) > 1:
            raise Failed(f"{name!r} means {len(found)} workers", hint="give the whole id: --json has it", code=USAGE)
        workers.order(opened, found[0], what)
        click.echo(f"{printable(found[0].id)} {said}")


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
