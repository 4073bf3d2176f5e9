"""Workers: the demo's worker processes, started by the command that a user would type, and the kill half way.

May be in here: starting, killing one, stopping all, leaving nothing behind. May not: what they work on.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from resque import clock
from resque.dev.demo.interrupts import Interrupts
from resque.dev.demo.watch import Seen, Watch
from resque.dev.server import leashed
from resque.errors import ResqueError

PROCESSES = 2
_RESQUE = (sys.executable, "-m", "resque")
# What the fold queue holds is served first, so that the report grows with the files and not after them.
_ARGUMENTS = ("worker", "-A", "resque.dev.demo.jobs", "-q", "fold,index", "--processes", str(PROCESSES))
_STOP_SECONDS = 40.0
_RECOVER_SECONDS = 20.0
_HOLDING_SECONDS = 1.0
_CLOSELY = 0.001


class DemoFailed(ResqueError):
    """The demo cannot go on, or what it shows is not so."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What happened to the worker process that was killed. Times are seconds after the kill."""

    pid: int
    held: int
    """How many jobs it had in flight."""
    recovered: float
    """When the last of them was out of its hands."""
    successor: int
    replaced: float
    """When the process that took its place was registered."""


class Workers:
    """One supervisor with its worker processes, inside a with-block. Their log is in `folder`."""

    def __init__(self, url: str, folder: Path, interrupts: Interrupts) -> None:
        self.log = folder / "workers.log"
        self._url = url
        self._interrupts = interrupts

    @property
    def command(self) -> str:
        """What a user would type."""
        return f"RESQUE_REDIS_URL={self._url} resque {' '.join(_ARGUMENTS)}"

    def __enter__(self) -> "Workers":
        real = ["env", f"RESQUE_REDIS_URL={self._url}", *_RESQUE, *_ARGUMENTS]
        with self.log.open("ab") as log:
            # A process group of its own: Ctrl-C in the terminal is for the demo, which lets the workers drain.
            self._process = subprocess.Popen(
                leashed(real), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Let them drain; a further Ctrl-C does not wait for that. Whatever is left after 40 s is killed."""
        tree = self._tree()
        end, seen = clock.monotonic() + _STOP_SECONDS, self._interrupts.count
        self._process.terminate()
        while self._process.poll() is None and clock.monotonic() < end:
            if self._interrupts.count > seen:
                seen = self._interrupts.count
                self._process.terminate()  # the second TERM means: at once
            clock.sleep(0.01)
        self._process.kill()
        self._process.wait()
        for process in tree:
            with suppress(psutil.NoSuchProcess):  # it asks first whether it is still the same process
                process.kill()

    def check(self) -> None:
        """Raise DemoFailed, with the end of their log, when the supervisor has ended by itself."""
        if self._process.poll() is not None:
            raise DemoFailed(f"the workers ended with exit code {self._process.returncode}. Their log:\n{self._end()}")

    def kill_one(self, watch: Watch) -> Kill:
        """SIGKILL for a worker process that holds jobs; returns when they are recovered and it has a successor."""
        victim = self._victim(watch)
        older = {process.pid for process in self._tree()}
        held = watch.held(victim)
        os.kill(victim.pid, signal.SIGKILL)
        began = clock.monotonic()
        recovered = replaced = successor = None
        while recovered is None or replaced is None or successor is None:
            after = clock.monotonic() - began
            if recovered is None and not psutil.pid_exists(victim.pid) and not watch.held(victim):
                recovered = after
            new = [worker.pid for worker in watch.workers() if worker.pid not in older]
            if new and replaced is None:
                successor, replaced = new[0], after
            if after > _RECOVER_SECONDS:
                raise DemoFailed(f"{_stuck(victim, watch, recovered, successor)}. The log:\n{self._end()}")
            self.check()
            self._interrupts.pause(_CLOSELY)
        return Kill(victim.pid, held, recovered, successor, replaced)

    def _victim(self, watch: Watch) -> Seen:
        """One of ours that has jobs in flight; after a second without any, one that has none."""
        end = clock.monotonic() + _HOLDING_SECONDS
        while True:
            self.check()
            for worker in watch.workers():
                if (watch.held(worker) or clock.monotonic() > end) and self._is_ours(worker.pid):
                    return worker
            if clock.monotonic() > end + _RECOVER_SECONDS:
                raise DemoFailed(f"no worker process is registered in Redis. The log:\n{self._end()}")
            self._interrupts.pause(_CLOSELY)

    def _is_ours(self, pid: int) -> bool:
        try:
            return bool(psutil.Process(pid).ppid() == self._process.pid)
        except psutil.NoSuchProcess:
            return False

    def _tree(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self._process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _end(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]) or "(empty)"


def _stuck(victim: Seen, watch: Watch, recovered: float | None, successor: int | None) -> str:
    missing = []
    if psutil.pid_exists(victim.pid):
        missing.append("it is still there")
    elif recovered is None:
        missing.append(f"{watch.held(victim)} of its jobs are still in flight under its name")
    if successor is None:
        missing.append("no process has taken its place")
    return f"{_RECOVER_SECONDS:g} s after worker process {victim.pid} was killed {' and '.join(missing)}"
