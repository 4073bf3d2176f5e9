"""The row that nobody publishes: jobs lost and run twice after kill -9 of the whole worker tree.

May be in here: this one scenario. May not: anything that is measured in time.
200 jobs of 20 ms; killed when 80 are done; a new worker at once; up to 60 s. All contestants at the same time,
each on a database of its own: their jobs sleep, and the wait is the same for all.
"""

import sys
import threading
import time
from collections import Counter

import psutil

from bench.contestant import Contestant, until
from bench.environments import OURS, PINS
from resque.dev.server import Server

JOBS, SECONDS, KILL_AT, WAIT = 200, 0.02, 80, 60.0
VARIANTS = [(name, "kill") for name in (OURS, *PINS)] + [("celery", "safe"), ("taskiq", "safe")]
LABELS = {("celery", "safe"): "celery, acks_late", ("taskiq", "safe"): "taskiq, streams"}


def run(server: Server) -> dict[str, dict[str, float]]:
    """Label -> not done within the wait, twice (done more than once), started twice."""
    found: dict[str, dict[str, float]] = {}

    def one(database: int, name: str, mode: str) -> None:
        label = LABELS.get((name, mode), name)
        try:
            found[label] = kill(name, mode, server.url.removesuffix("/0") + f"/{database}")
        except Exception as error:
            print(f"kill -9, {label}: {error}", file=sys.stderr)

    threads = [threading.Thread(target=one, args=(index, *each)) for index, each in enumerate(VARIANTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def kill(name: str, mode: str, url: str) -> dict[str, float]:
    with Contestant(name, url, variables={"BENCH_SAFE": "1"} if mode == "safe" else None) as it:
        it.ask("bulk", it.nap(), JOBS, args=[0, SECONDS])
        it.start(mode)
        if not until(lambda: len(ended(it)) >= KILL_AT, 60, 0.001):
            raise RuntimeError(f"did not get to {KILL_AT} jobs. {it.log_end()}")
        in_flight = freeze(it)
        it.kill()
        at_kill = len(ended(it))
        it.start(mode)
        until(lambda: len(set(ended(it))) == JOBS, WAIT, 0.05)
        until(lambda: False, 1.0)  # whatever is run twice after the last
        records, times = it.records(), Counter(ended(it))
        starts = Counter(number for number, phase, _ in records if phase == 0)
        return {
            "done at kill": at_kill,
            "running at kill": in_flight,
            "not done in 60 s": JOBS - len(times),
            "done twice": sum(count > 1 for count in times.values()),
            "started twice": sum(count > 1 for count in starts.values()),
        }


def freeze(it: Contestant) -> int:
    """Stop the whole tree while a job is running (a kill that hits none has tested nothing); how many are."""
    while True:
        it.signal(psutil.Process.suspend)
        time.sleep(0.005)  # a busy machine needs a moment to stop them
        running = len({number for number, phase, _ in it.records() if phase == 0} - set(ended(it)))
        if running or len(ended(it)) > JOBS - 20:
            return running
        it.signal(psutil.Process.resume)
        time.sleep(0.003)


def ended(it: Contestant) -> list[int]:
    return [number for number, phase, _ in it.records() if phase == 1]
