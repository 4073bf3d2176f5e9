"""Crew: the supervisors and producers of a run as processes: started, stopped, and none of them left behind.

May be in here: command lines, starting, waiting, killing what is ours. May not: faults (chaos.py), Redis.

Supervisors are started by the command that a user would type. All of them die with us, even by kill -9 (on Linux).
"""

import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from resque import clock
from resque.dev.server import leashed
from resque.dev.torture import jobs, journal
from resque.dev.torture.produce import Order
from resque.errors import ResqueError

_RESQUE = (sys.executable, "-m", "resque")
_PRODUCE = (sys.executable, "-m", "resque.dev.torture.produce")
_PRODUCER_SECONDS = 15.0
_DRAIN_SECONDS = 20.0
_KILL_SECONDS = 10.0
_STEP = 0.01
_LINES = 20


class TortureFailed(ResqueError):
    """The torture cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How the processes are started."""

    folder: Path
    """Journals and logs."""
    prefix: str
    redis_url: str | None
    """None: as the environment or the settings file says. One that is given stands in our own command line, too."""
    wire: str | None
    workers: int
    producers: int
    rate: float
    lease: float
    drain: float
    seed: int


class Crew:
    """Everything that runs, inside a with-block."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._producers: list[subprocess.Popen[bytes]] = []
        self.supervisors: list[subprocess.Popen[bytes]] = []
        self._ended: set[int] = set()

    @property
    def log(self) -> Path:
        """What all processes have printed."""
        return self._launch.folder / "processes.log"

    @property
    def shares(self) -> list[int]:
        """How many worker processes each supervisor has. Two of them: one must bring back what the other leaves."""
        half = self._launch.workers // 2
        return [share for share in (self._launch.workers - half, half) if share]

    def command(self, number: int) -> list[str]:
        """What a user would type to start a supervisor."""
        launch = self._launch
        words = ["worker", "-A", jobs.__name__, "-q", ",".join(jobs.QUEUES), "--processes", str(self.shares[number])]
        words += ["--lease", f"{launch.lease:g}s", "--drain", f"{launch.drain:g}s", "--prefix", launch.prefix]
        words += ["--log-level", "info", "--log-format", "text"]
        for name, value in (("--redis-url", launch.redis_url), ("--wire", launch.wire)):
            words += [name, value] if value else []
        return words

    # supervisors -------------------------------------------------------------------------------------------------

    def start_supervisors(self) -> None:
        """Start all of them."""
        for number in range(len(self.shares)):
            self.supervisors.append(self._supervisor(number))

    def restart(self, number: int) -> None:
        """Start a supervisor in the place of one that has ended."""
        self.supervisors[number] = self._supervisor(number)

    def family(self, number: int) -> list[psutil.Process]:
        """A supervisor and all that it has started, the supervisor first; [] when it is gone."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.supervisors[number].pid)
            return [process, *process.children(recursive=True)]
        return []

    def fallen(self) -> list[str]:
        """What has ended without being told to since the last call, a line each. Supervisors are started again."""
        found = []
        for number, process in enumerate(self.supervisors):
            if process.poll() is not None:
                found.append(f"a supervisor ended by itself with exit code {process.returncode}")
                self.restart(number)
        for process in self._producers:
            if process.poll() is not None and process.pid not in self._ended:
                self._ended.add(process.pid)
                found.append(f"a producer ended by itself with exit code {process.returncode}")
        return found

    def stop_supervisors(self) -> None:
        """Let them drain, then kill what is left of them."""
        trees = [process for number in range(len(self.supervisors)) for process in self.family(number)]
        thaw(trees)
        for process in self.supervisors:
            process.terminate()
        _await(self.supervisors, self._launch.drain + _DRAIN_SECONDS)
        kill(trees)
        for process in self.supervisors:
            process.wait()

    # producers ---------------------------------------------------------------------------------------------------

    def start_producers(self) -> None:
        """Start all of them."""
        launch = self._launch
        for number in range(launch.producers):
            process = self._start(_PRODUCE, stdin=subprocess.PIPE)
            self._producers.append(process)
            order = Order(
                journal=str(launch.folder / journal.produced(number)),
                seed=launch.seed + number,
                rate=launch.rate / launch.producers,
                prefix=launch.prefix,
                redis_url=launch.redis_url,
                wire=launch.wire,
            )
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin:  # one that dies young is found by `fallen`
                process.stdin.write(msgspec.json.encode(order) + b"\n")

    def stop_producers(self) -> list[str]:
        """Let each end the enqueue that it is in. Returns what went wrong, a line each."""
        ending, self._producers = self._producers, []
        for process in ending:
            process.terminate()
        late = _await(ending, _PRODUCER_SECONDS)
        for process in late:
            process.kill()
            process.wait()
        return [f"a producer did not end within {_PRODUCER_SECONDS:g} s; its last jobs may be unknown here"] * len(late)

    def producer_pids(self) -> list[int]:
        """Those that run."""
        return [process.pid for process in self._producers if process.poll() is None]

    # all ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left, whatever happened."""
        try:
            self.stop_producers()
        finally:
            self.stop_supervisors()

    def log_end(self) -> str:
        """The last lines of the log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(lines[-_LINES:]) or "(empty)"

    def _supervisor(self, number: int) -> subprocess.Popen[bytes]:
        return self._start((*_RESQUE, *self.command(number)), stdin=subprocess.DEVNULL)

    def _start(self, command: Sequence[str], *, stdin: int) -> subprocess.Popen[bytes]:
        real = ["env", f"{jobs.JOURNAL}={self._launch.folder}", *command]
        with self.log.open("ab") as log:
            # A process group of its own: Ctrl-C in a terminal is for us, and we let the others end in order.
            return subprocess.Popen(leashed(real), stdin=stdin, stdout=log, stderr=log, process_group=0)


def freeze(processes: Iterable[psutil.Process]) -> None:
    """SIGSTOP; returns when they stand still."""
    every = list(processes)
    _signal(every, signal.SIGSTOP)
    end = clock.monotonic() + 1.0
    while clock.monotonic() < end and not all(_stands_still(process) for process in every):
        clock.sleep(0.001)


def thaw(processes: Iterable[psutil.Process]) -> None:
    """SIGCONT."""
    _signal(processes, signal.SIGCONT)


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL; returns when they are gone (or corpses that their parent has to collect). Raises TortureFailed."""
    every = list(processes)
    _signal(every, signal.SIGKILL)
    if not await_end(every):
        raise TortureFailed(f"SIGKILL did not end {', '.join(str(process.pid) for process in every)}")


def await_end(processes: Sequence[psutil.Process]) -> bool:
    """Whether they have ended within ten seconds."""
    end = clock.monotonic() + _KILL_SECONDS
    while not all(is_gone(process) for process in processes):
        if clock.monotonic() > end:
            return False
        clock.sleep(_STEP)
    return True


def is_gone(process: psutil.Process) -> bool:
    """Ended, or a corpse."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _stands_still(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it asks first whether it is still the same process
            process.send_signal(number)


def _await(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> list[subprocess.Popen[bytes]]:
    """Wait for their ends; returns those that have not."""
    end = clock.monotonic() + seconds
    while clock.monotonic() < end and any(process.poll() is None for process in processes):
        clock.sleep(_STEP)
    return [process for process in processes if process.poll() is None]
