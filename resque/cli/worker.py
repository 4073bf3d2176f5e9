"""`resque worker`: run jobs until told to stop.

May be in here: options, the checks before the start. May not: how work is done (worker/).
"""

import click

from resque import __version__, events, logs
from resque.cli import options
from resque.cli.exits import USAGE, Failed
from resque.cli.options import setting
from resque.config import Settings
from resque.dev.reload import Reloader
from resque.jobs import schedules
from resque.jobs.registry import default as registry
from resque.worker.privileges import is_root
from resque.worker.supervisor import Supervisor


@click.command("worker", short_help="Run jobs until told to stop.")
@setting("-q", "--queues", metavar="QUEUES", help="critical,mail (strict order), mail:3,default:1 (weights), *, !name.")
@setting("--processes", metavar="N", help="Worker processes (1).")
@setting("--concurrency", metavar="N", help="Jobs at once in one process: threads, async tasks, forks (1).")
@setting("--fork", is_flag=True, default=None, help="A process for each job: leaks and limits end with it.")
@setting("--preload", is_flag=True, default=None, help="Import the application once, for all processes.")
@setting("--burst", is_flag=True, default=None, help="End when all queues are empty.")
@click.option("--reload", is_flag=True, help="Fresh processes when a .py file below this folder changes.")
@setting("--max-jobs", metavar="N", help="Replace a process after so many jobs (never).")
@setting("--max-rss", metavar="SIZE", help="Replace a process that takes more memory, for example 512M (never).")
@setting("--user", metavar="NAME", help="Whom the processes become, when started as root.")
@setting("--group", metavar="NAME", help="The same for the group (the user's own).")
@setting("--drain", metavar="TIME", help="How long running jobs may go on after TERM (25s).")
@setting("--lease", metavar="TIME", help="How long the jobs of a vanished host stay reserved (20s).")
@setting("--log-level", type=click.Choice(logs.LEVELS), help="What is logged (info).")
@setting("--log-format", type=click.Choice(["text", "json"]), help="How it is logged, on stderr (text).")
@options.shared
def command(reload: bool) -> None:
    """Run jobs until told to stop.

    TERM and Ctrl-C: take no more, let running jobs end (for --drain), release the rest, exit. QUIT: the same, however
    long it takes. Twice: at once. A killed worker loses nothing: its jobs are run by another.
    """
    settings = options.settings()
    if not settings.app:
        raise Failed(
            "a worker must know which module defines the jobs",
            hint="say for example -A shop.jobs, or set RESQUE_APP",
            code=USAGE,
        )
    schedules.from_tables(settings.cron)  # a wrong entry is told here, where somebody sees it
    if reload and settings.preload:
        raise Failed("--reload goes without --preload: code that is imported once never changes", code=USAGE)
    watcher = Reloader() if reload else None
    supervisor = Supervisor(settings, registry, __version__, watcher)
    logs.setup(settings)
    for warning in [*settings.check(), *_rights(settings)]:
        events.emit("settings.risky", what=warning)
    click.get_current_context().exit(supervisor.run())


def _rights(settings: Settings) -> list[str]:
    if not is_root() or settings.user is not None:
        return []
    return ["the workers run as root: a job may do everything on this machine; start as another user, or say --user"]
