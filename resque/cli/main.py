"""The command `resque`: finds the sub-command, imports it, ends with the right exit code.

May be in here: the list of commands, the lazy loader, the last catch of errors. May not: what a command does; an import
of redis: `resque --help` and the completion of a shell answer at once.
"""

import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from resque import __version__
from resque.cli import options
from resque.cli.exits import explained
from resque.cli.options import Noun

COMMANDS = {
    # module of resque.cli: its short help, so that showing it imports nothing
    "worker": "Run jobs until told to stop.",
    "enqueue": "Put one job into its queue; print its id.",
    "info": "Everything at a glance.",
    "queue": "Look at queues, purge or pause them.",
    "job": "Find one job by its id, cancel it.",
    "delayed": "Look at delayed jobs, run or cancel them.",
    "cron": "Look at periodic jobs, switch them off and on.",
    "failed": "Look at failed jobs, retry or discard them.",
    "workers": "Look at workers, stop them, end their jobs.",
    "demo": "See it work: a server, workers, jobs, and a crash.",
    "torture": "Kill workers under load and prove that nothing is lost.",
}


class Root(Noun):
    """`resque` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, in the order of the list."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is wanted."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"resque.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands and options, without importing the commands."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise explained(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What it raises becomes two lines and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            failed = explained(error)
            failed.is_verbose = options.is_verbose(ctx)
            if failed is error:
                raise
            raise failed from error


@click.group("resque", cls=Root, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@options.shared
@click.version_option(__version__, message="resque %(version)s")
@click.pass_context
def command(context: click.Context) -> None:
    """Background jobs as JSON in Redis lists.

    Settings come from options, from RESQUE_… variables, and from resque.toml or [tool.resque] in pyproject.toml.
    """
    options.show_help(context)


def main() -> None:
    """The entry point of the script `resque` and of `python -m resque`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end the command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    command(prog_name="resque")
