"""A forked child in which something is tried that may end the process.

May be in here: forking, waiting with a bound, killing what is left. May not: what is tried.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

PATIENCE = 10.0


@dataclass(frozen=True)
class Fate:
    """What a child said, and how it ended."""

    said: str
    status: int

    @property
    def signal(self) -> int:
        return max(0, -os.waitstatus_to_exitcode(self.status))


def forked(life: Callable[[], object]) -> Fate:
    """Run `life()` in a child with a process group of its own; what it returns or raises comes back as text.

    Whatever is left of the group is killed at the end, the child itself after PATIENCE.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _live(life, theirs)
    os.close(theirs)
    try:
        said = _read(ours, time.monotonic() + PATIENCE)
    finally:
        os.close(ours)
        status = _end(pid)
    return Fate(said.decode(), status)


def _live(life: Callable[[], object], pipe: int) -> None:
    """In the child: never returns."""
    os.setpgid(0, 0)
    try:
        said = str(life())
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    with suppress(BaseException):
        os.write(pipe, said.encode()[:4000])
    os._exit(0)


def _read(pipe: int, deadline: float) -> bytes:
    """Until all that hold the other end are gone."""
    said = b""
    while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(pipe, 4096)
        if not part:
            break
        said += part
    return said


def _end(pid: int) -> int:
    """The child's status. It is given a moment to end by itself: the pipe closes just before."""
    deadline = time.monotonic() + 1
    done, status = os.waitpid(pid, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.005)
        done, status = os.waitpid(pid, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return status if done else os.waitpid(pid, 0)[1]
