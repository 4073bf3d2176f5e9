"""Reload: tells a supervisor which Python files have changed, while somebody writes them.

May be in here: watching folders (watchfiles), in a child process of its own: watchfiles needs a thread, and a process
that forks has one only. May not: restarting anything; the supervisor does that when it hears {"changed": [paths]}.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from resque.errors import ConfigError, ResqueError
from resque.worker.privileges import die_with_parent

EXIT_OK, EXIT_ERROR = 0, 1
_QUIET_MS = 300
"""Nothing more may change for so long: editors and git write many files in a row."""
_LONGEST_MS = 3000
_LOOK_UP_MS = 500
"""How often it is looked whether anybody still wants to know."""
_PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "venv"}


class Teller(Protocol):
    """A resque.channel.Channel: this room may not import it, and needs no more of it than this."""

    def send(self, message: dict[str, Any]) -> bool:
        """Send. Raises a ResqueError when the other side is gone."""

    def flush(self) -> bool:
        """Send what is left. Raises a ResqueError when the other side is gone."""

    def receive(self) -> list[dict[str, Any]]:
        """What has arrived. Raises a ResqueError when the other side is gone."""


class Reloader:
    """What `--reload` watches: made, and so checked, before anything is forked. Raises ConfigError."""

    def __init__(self, paths: Sequence[str | Path] = (".",)) -> None:
        if importlib.util.find_spec("watchfiles") is None:
            raise ConfigError("--reload needs the package watchfiles; install it with: pip install 'resque[dev]'")
        self.folders = tuple(Path(path).resolve() for path in paths)
        _check(self.folders)

    def run(self, channel: Teller, parent_pid: int) -> int:
        """The life of the watcher process, forked by `parent_pid`. Returns its exit code."""
        return run_watcher(channel, self.folders, parent_pid)


def run_watcher(channel: Teller, folders: Sequence[Path], parent_pid: int) -> int:
    """Send {"changed": [paths]} until a {"stop": true} comes, the other end closes, TERM, or the parent dies."""
    _settle_in()
    if not die_with_parent(parent_pid):
        return EXIT_OK
    try:
        _check(folders)  # once more: in a folder that is gone watchfiles would wait for ever and say nothing
        for changed in _changes(folders):
            if os.getppid() != parent_pid or not _tell(channel, changed):
                return EXIT_OK
    except (OSError, ConfigError) as error:
        sys.stderr.write(f"resque: --reload has ended: {error}\n")
        return EXIT_ERROR
    return EXIT_OK


def is_source(path: str, folder: Path) -> bool:
    """Whether a change of `path` matters: Python code, in no folder that tools fill, and not an editor's own copy."""
    try:
        *above, name = Path(path).relative_to(folder).parts
    except ValueError:
        return False
    if not name.endswith(".py") or name.startswith("."):
        return False
    return not any(part in _PASSED_OVER or part.startswith(".") for part in above)


def _settle_in() -> None:
    """Own process group, so that Ctrl-C reaches the supervisor alone; TERM and QUIT simply end us."""
    os.setpgid(0, 0)
    wishes = (signal.SIGTERM, signal.SIGQUIT)
    for number in wishes:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*wishes, signal.SIGINT))  # the supervisor blocks them while it forks


def _check(folders: Sequence[Path]) -> None:
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--reload cannot watch {str(folder)!r}: it is no folder")


def _changes(folders: Sequence[Path]) -> Iterator[list[str]]:
    """What has changed, again and again; nothing, when nothing did for a while. Raises OSError."""
    import watchfiles  # here: only who reloads pays for it

    for changed in watchfiles.watch(
        *folders,
        watch_filter=lambda _, path: any(is_source(path, folder) for folder in folders),
        step=_QUIET_MS,
        debounce=_LONGEST_MS,
        rust_timeout=_LOOK_UP_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,  # the data of a database in a container, for example
    ):
        yield sorted({path for _, path in changed})


def _tell(channel: Teller, changed: list[str]) -> bool:
    """False: nobody wants to know any more."""
    try:
        if any(message.get("stop") for message in channel.receive()):
            return False
        if changed:
            channel.send({"changed": changed})
        channel.flush()
    except ResqueError:
        return False
    return True
