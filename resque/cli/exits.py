"""How a command ends badly: exit codes, one line that says what is wrong, one that says what to do.

May be in here: exit codes, errors -> lines. May not: anything that imports redis; `resque --help` comes by here.
"""

import difflib
import traceback
from collections.abc import Iterable
from typing import IO, Any, Final

import click

from resque.errors import AppNotFound, ConfigError, EnqueueUnknown, JobError, NotEnqueued, Refused, StoreError
from resque.errors import ResqueError as OurError
from resque.logs import printable

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NO_APP: Final = 4
NOT_FOUND: Final = 5
REFUSED: Final = 6


class Failed(click.ClickException):
    """A command failed in a way that a person can do something about.

    >>> raise Failed("there is no queue 'mial'", hint="did you mean 'mail'?", code=NOT_FOUND)
    """

    def __init__(self, message: str, *, hint: str = "", code: int = FAILURE) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = code  # type: ignore[misc]  # click's own sub-classes do so, too
        self.is_verbose = False

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the two lines to stderr, behind a traceback where one was asked for."""
        if self.is_verbose and self.__cause__ is not None:
            for line in "".join(traceback.format_exception(self.__cause__)).splitlines():
                click.echo(printable(line), file, err=True)
        click.echo(f"resque: {printable(self.message)}", file, err=True)
        if self.hint:
            click.echo(f"  {printable(self.hint)}", file, err=True)


def explained(error: Exception) -> Failed:
    """Any exception as a message, a hint and an exit code."""
    if isinstance(error, Failed):
        return error
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx is not None else "resque"
        hint = f"see '{command} --help'"
        if isinstance(error, click.NoSuchOption):
            hint += "; put -- before an argument that begins with a dash"
        return Failed(error.format_message(), hint=hint, code=USAGE)
    if isinstance(error, click.ClickException):
        return Failed(error.format_message(), code=error.exit_code)
    if isinstance(error, OurError):
        code, hint = _of_ours(error)
        return Failed(str(error), hint=hint, code=code)
    if isinstance(error, UnicodeEncodeError):  # how Python hands on an argument that is none
        return Failed(f"{ascii(error.object)[:80]} is not UTF-8", hint="nothing was changed", code=USAGE)
    text = f"unexpected {type(error).__name__}: {error}"
    return Failed(text, hint="that is a fault of ours: please report it with the traceback that -v shows")


def near(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """The hint for a name that does not exist: the ones that look like it.

    >>> near("mial", ["mail", "default"])
    "did you mean 'mail'?"
    """
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(each) for each in close)}?" if close else otherwise


def _of_ours(error: OurError) -> tuple[int, str]:
    if isinstance(error, AppNotFound):
        return NO_APP, "-v shows where the import failed"
    if isinstance(error, ConfigError):
        return USAGE, "settings come from options, RESQUE_… variables, and resque.toml or [tool.resque]"
    if isinstance(error, JobError):
        return USAGE, "nothing was sent"
    if isinstance(error, NotEnqueued) and isinstance(error.__cause__, StoreError):
        return _of_ours(error.__cause__)
    if isinstance(error, EnqueueUnknown):
        return FAILURE, f"look for it before you repeat: {error.job_id}"
    if isinstance(error, Refused):
        return REFUSED, "Redis answered, but does not let us do this: look at user, rights and the type of the key"
    if isinstance(error, StoreError):
        return UNREACHABLE, "is the server up? say where it is with --redis-url or RESQUE_REDIS_URL"
    return FAILURE, ""
