"""`resque worker`: run jobs until told to stop.

May be in here: options, the checks before the start. May not: how work is done (worker/).
"""

import click

from resque import __version__, logs
from resque.cli import options
from resque.cli.exits import USAGE, Failed
from resque.cli.options import setting
from resque.jobs.registry import default as registry
from resque.worker.supervisor import Supervisor


@click.command("worker", short_help="Run jobs until told to stop.")
@setting("-q", "--queues", metavar="QUEUES", help="critical,mail (strict order), mail:3,default:1 (weights), *, !name.")
@setting("--processes", metavar="N", help="Worker processes (1).")
@setting("--concurrency", metavar="N", help="Threads that run jobs in one process (1).")
@setting("--drain", metavar="TIME", help="How long running jobs may go on after TERM (25s).")
@setting("--lease", metavar="TIME", help="How long the jobs of a vanished host stay reserved (20s).")
@setting("--log-level", type=click.Choice(logs.LEVELS), help="What is logged (info).")
@setting("--log-format", type=click.Choice(["text", "json"]), help="How it is logged, on stderr (text).")
@options.shared
def command() -> None:
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
    for warning in settings.check():
        click.echo(f"resque: warning: {warning}", err=True)
    logs.setup(settings)
    click.get_current_context().exit(Supervisor(settings, registry, __version__).run())
