"""Options that every command takes, before or after its name, and the settings that come out of them.

May be in here: options that are settings; the shape of a group of commands. May not: commands, anything that imports
redis.

An option is remembered in the context that all commands of one call share; the one that stands last wins. Settings.load
converts and checks, so that a flag, a variable and the file mean the same.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from resque.cli.exits import USAGE, Failed, near
from resque.config import Settings

F = TypeVar("F", bound=Callable[..., Any])
_ARGUMENTS, _VERBOSE = "resque.arguments", "resque.verbose"


def setting(*names: str, **attributes: Any) -> Callable[[F], F]:
    """An option that is a setting: its long name is the setting's; the command does not get it as a parameter."""
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


def shared(command: F) -> F:
    """Give a command the options that all have."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def as_json(command: F) -> F:
    """Give a command --json, as parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def arguments() -> dict[str, Any]:
    """The settings that were given as options of this call."""
    found: dict[str, Any] = click.get_current_context().meta.setdefault(_ARGUMENTS, {})
    return found


def settings() -> Settings:
    """The settings of this call. Raises ConfigError. Warns where a password stands in the command line."""
    given = arguments()
    loaded = Settings.load(**given)
    if given.get("redis_url") and _holds_password(given["redis_url"]):
        click.echo(
            "resque: warning: everybody on this machine can read the password in --redis-url (ps); "
            "set RESQUE_REDIS_URL instead",
            err=True,
        )
    return loaded


def is_verbose(context: click.Context) -> bool:
    """Whether -v was given."""
    return bool(context.meta.get(_VERBOSE))


class Noun(click.Group):
    """A group of commands that knows what somebody may have meant, and shows its help when nothing is said."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one is like it."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and name not in self.list_commands(ctx):
            commands = self.list_commands(ctx)
            known = f"there are: {', '.join(commands)}"
            raise Failed(
                f"{ctx.command_path} has no command {name!r}", hint=near(name, commands, otherwise=known), code=USAGE
            )
        return super().resolve_command(ctx, args)


def show_help(context: click.Context) -> None:
    """For a group that was called without a command."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(USAGE)


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value != ():
        context.meta.setdefault(_ARGUMENTS, {})[parameter.name] = value


def _remember_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_VERBOSE] = True


def _holds_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


_SHARED = (
    setting("-A", "--app", multiple=True, metavar="MODULE", help="Module that defines the jobs. May be repeated."),
    setting("--redis-url", metavar="URL", help="redis://, rediss:// or unix://; with a password: RESQUE_REDIS_URL."),
    setting("--prefix", metavar="NAME", help="What every key begins with (resque)."),
    setting("--wire", type=click.Choice(["native", "ruby"]), help="Whose queues: ours, or shared with Ruby's Resque."),
    click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=_remember_verbose, help="Tracebacks of errors."
    ),
)
