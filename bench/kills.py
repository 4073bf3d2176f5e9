"""The row that nobody publishes: jobs lost and run twice after kill -9 of the whole worker tree.

May be in here: this one scenario. May not: anything that is measured in time.
200 jobs of 20 ms; killed when 80 are done; a new worker at once; up to 60 s. All contestants at the same time,
each on a database of its own: their jobs sleep, and the wait is the same for all.
"""

import sys
import threading
from collections import Counter

from bench.contestant import Contestant, until
from bench.environments import OURS, PINS
from resque.dev.server import Server

JOBS, SECONDS, KILL_AT, WAIT = 200, 0.02, 80, 60.0
VARIANTS = [(name, "kill") for name in (OURS, *PINS)] + [("celery", "safe"), ("taskiq", "safe")]
LABELS = {("celery", "safe"): "celery, acks_late", ("taskiq", "safe"): "taskiq, streams"}


def run(server: Server) -> dict[str, dict[str, float]]:
    """Label -> lost (never done within the wait), twice (done more than once), started twice."""
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
        it.kill()
        at_kill = len(ended(it))
        it.start(mode)
        until(lambda: len(set(ended(it))) == JOBS, WAIT, 0.05)
        until(lambda: False, 1.0)  # whatever is run twice after the last
        records, times = it.records(), Counter(ended(it))
        starts = Counter(number for number, phase, _ in records if phase == 0)
        return {
            "done at kill": at_kill,
            "lost": JOBS - len(times),
            "done twice": sum(count > 1 for count in times.values()),
            "started twice": sum(count > 1 for count in starts.values()),
        }


def ended(it: Contestant) -> list[int]:
    return [number for number, phase, _ in it.records() if phase == 1]
