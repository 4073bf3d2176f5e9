"""Journal: what producers and jobs write down, past Redis, so that Redis can be judged by it.

May be in here: the form of a line, writing and reading files of them. May not: Redis, what the lines mean (account.py).

A line is one `write` on a file opened for appending: it survives a kill -9 of its writer. (A power cut may take the
last ones; who wants to try that needs other tools.) Times are `clock.monotonic()`, which all processes of a machine
share.

    produced-<n>.log     <id> <time> accepted|refused|unknown         by one producer
    ran-<pid>.log        <id> <time> began|done|raised <worker pid>   by one process that runs jobs
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from resque import clock

Enqueued = Literal["accepted", "refused", "unknown"]
Step = Literal["began", "done", "raised"]

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"


@dataclass(slots=True)
class Run:
    """One execution of a job. `how` and `ended` stay None when its process did not get to the end of it."""

    worker: int
    """The process id of the worker that it ran in."""
    began: float
    ended: float | None = None
    how: Literal["done", "raised"] | None = None


class Journal:
    """One file that is written to."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enqueued(self, ids: list[str] | tuple[str, ...], result: Enqueued) -> None:
        """What a producer knows of these jobs."""
        if ids:
            self._write("".join(f"{id} {clock.monotonic():.6f} {result}\n" for id in ids))

    def ran(self, id: str, step: Step, worker: str) -> None:
        """A job begins or ends in a worker."""
        self._write(f"{id} {clock.monotonic():.6f} {step} {worker}\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, text: str) -> None:
        os.write(self._file, text.encode())


def produced(number: int) -> str:
    """The name of a producer's file."""
    return f"produced-{number}.log"


def ran(pid: int) -> str:
    """The name of the file of a process that runs jobs."""
    return f"ran-{pid}.log"


def read_enqueued(folder: Path) -> dict[str, str]:
    """Id -> what its producer knows of it."""
    return {id: result for id, _, result in _lines(folder, "produced-*.log", 3)}


def read_runs(folder: Path) -> dict[str, list[Run]]:
    """Id -> its executions, in the order of their beginning."""
    runs: dict[str, list[Run]] = {}
    for id, time, step, worker in _lines(folder, "ran-*.log", 4):
        of_job = runs.setdefault(id, [])
        if step == "began":
            of_job.append(Run(int(worker), float(time)))
            continue
        for run in reversed(of_job):
            if run.worker == int(worker) and run.ended is None:
                run.ended, run.how = float(time), "done" if step == "done" else "raised"
                break
    for of_job in runs.values():
        of_job.sort(key=lambda run: run.began)
    return runs


def _lines(folder: Path, pattern: str, words: int) -> Iterator[list[str]]:
    """The lines of all files, each as its words. A last line that was cut short by a full disk is left out."""
    for path in sorted(folder.glob(pattern)):
        with path.open(encoding="utf-8") as file:
            for line in file:
                parts = line.split()
                if line.endswith("\n") and len(parts) == words:
                    yield parts
