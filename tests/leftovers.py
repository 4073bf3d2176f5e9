"""Processes that the tests start: ended with their test, and looked for once more when the session ends.

May be in here: starting, killing and finding such processes. May not: what they do.
"""

import os
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from typing import Any

import psutil

RUN = "RESQUE_TEST_RUN"
_sessions: set[int] = set()


def mark_this_run() -> None:
    """Give this process a mark that everything started from it inherits, so that orphans can be told from strangers."""
    os.environ[RUN] = uuid.uuid4().hex


class Spawner:
    """Starts processes, each in a session of its own; `end()` kills whatever is left of those sessions.

    A session holds all that the process forks, also children whose parent has died (they belong to nobody's tree).
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    def __call__(self, *command: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[Any]:
        """Popen for tests. `env` is added to the environment; output goes where the test's goes (pytest shows it)."""
        environment = {**os.environ, **(env or {})}
        process = subprocess.Popen([str(word) for word in command], env=environment, start_new_session=True, **options)
        self._started.append(process)
        _sessions.add(process.pid)
        return process

    def end(self) -> None:
        """Kill what still runs and close the pipes. Twice: a supervisor may fork while the first round goes on."""
        for _ in range(2):
            for process in _of_sessions({each.pid for each in self._started}):
                _kill(process)
        for process in self._started:
            process.wait(10)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def is_gone(pid: int) -> bool:
    """Ended; or a corpse, which its own parent has to collect (in a container perhaps nobody ever does)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def find() -> list[psutil.Process]:
    """Processes that the tests started and that still run: our children, theirs, and marked or spawned orphans."""
    found = set(psutil.Process().children(recursive=True))
    found.update(_of_sessions(_sessions))
    mark = os.environ.get(RUN)
    found.update(each for each in psutil.process_iter() if mark and _mark(each) == mark and each.pid != os.getpid())
    return [each for each in found if _counts(each)]


def describe(process: psutil.Process) -> str:
    """One line about it: "1234 resque-0.1: waiting"."""
    try:
        return f"{process.pid} {' '.join(process.cmdline()) or process.name()}"
    except psutil.Error:
        return f"{process.pid} (gone now)"


def kill_all() -> list[str]:
    """Kill what `find` finds; returns a line about each."""
    lines = []
    for process in find():
        lines.append(describe(process))
        _kill(process)
    return lines


def _of_sessions(sessions: set[int]) -> list[psutil.Process]:
    return [each for each in psutil.process_iter() if _session(each) in sessions and each.pid != os.getpid()]


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return -1


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(RUN)
    except (psutil.Error, OSError):
        return None


def _counts(process: psutil.Process) -> bool:
    """Neither a corpse nor Python's own tracker of shared memory, which ends with us."""
    return not is_gone(process.pid) and "multiprocessing.resource_tracker" not in describe(process)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error, OSError):  # gone in the meantime
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while not is_gone(process.pid) and time.monotonic() < end:
        time.sleep(0.005)
