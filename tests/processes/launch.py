"""Starts a supervisor as a process of its own: `python -m tests.processes.launch '{"redis_url": …}' events.jsonl`.

May be in here: settings from the command line, every event as a JSON line in a file, standing still where a test wants
it. May not: faults (the test does something to a process that stands still).
The command line proper (`resque worker`) has tests of its own; here the lease is scaled and the events are kept.

The environment: TEST_STAND is a folder, TEST_STAND_AT the event at which the first process that emits it stands still.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import resque
from resque import events
from resque.config import Settings
from resque.jobs.registry import default
from resque.worker.supervisor import Supervisor


def main() -> int:
    settings = Settings.load(**json.loads(sys.argv[1]))
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def keep(name: str, data: dict[str, Any]) -> None:
        line = {"event": name, "pid": os.getpid(), "at": time.time()} | {key: str(value) for key, value in data.items()}
        os.write(log, json.dumps(line).encode() + b"\n")

    if "TEST_STAND_AT" in os.environ:
        events.subscribe(os.environ["TEST_STAND_AT"], obey_at_an_event)
    for name in sys.argv[3].split(",") if len(sys.argv) > 3 else NAMES:
        events.subscribe(name, keep)
    return Supervisor(settings, default, resque.__version__).run()


def stand_still() -> str:
    """The first one stays here until the test gives its order ("go" or "exit 1"), and returns it; all others pass."""
    folder = Path(os.environ["TEST_STAND"])
    try:
        mark = os.open(folder / "here", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return "go"
    os.write(mark, f"{os.getpid()}\n".encode())
    os.close(mark)
    order = folder / "order"
    while not order.exists():
        time.sleep(0.005)
    return order.read_text()


def obey(order: str) -> None:
    """Go on, or end as only os._exit ends: nothing is tidied up."""
    if order.startswith("exit "):
        os._exit(int(order.removeprefix("exit ")))


def obey_at_an_event(name: str, data: dict[str, Any]) -> None:
    """A subscriber."""
    obey(stand_still())


NAMES = [
    *("worker.started", "worker.stopped", "worker.died", "worker.rereading", "worker.draining"),
    *("worker.ordered", "worker.killed", "commands.deaf"),
    *("supervisor.started", "supervisor.stopping", "supervisor.stopped", "store.lost", "store.back"),
    *("job.recovered", "job.released", "job.lease_lost", "job.promoted", "cron.fired"),
    *("loop.failed", "lease.renewal_failed", "queue.trouble", "audit.repaired"),
]


def read(path: Path, name: str) -> list[dict[str, str]]:
    """The events of one name that were written so far."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["event"] == name]


if __name__ == "__main__":
    sys.exit(main())
