"""Runs all scenarios in one go and prints one table: `make bench`, or `python -m bench drain enqueue …`.

With --peers the contest: `make bench-peers`, or `python -m bench --peers [--rounds 3] [drain kill …]`.

May be in here: the order of scenarios, the table, the file. May not: measuring (one module a scenario).
Machines are shared and noisy: compare ratios within one run, never two runs.
"""

import json
import platform
import sys
import time
from pathlib import Path

from bench import contest, drain, enqueue, idle, pickup, report, rounds
from bench.result import Result
from resque.dev.server import Server

SCENARIOS = {"enqueue": enqueue.run, "drain": drain.run, "pickup": pickup.run, "idle": idle.run}


def main(chosen: list[str]) -> int:
    if "--peers" in chosen:
        return with_peers([word for word in chosen if word != "--peers"])
    unknown = [name for name in chosen if name not in SCENARIOS]
    if unknown:
        print(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
        return 2
    results: list[Result] = []
    for name in chosen or SCENARIOS:
        print(f"{name} …", file=sys.stderr, flush=True)
        with Server() as server:
            results += SCENARIOS[name](server)
    print_table(results)
    save(results)
    return 0


def with_peers(chosen: list[str]) -> int:
    count = rounds.ROUNDS
    if "--rounds" in chosen:
        at = chosen.index("--rounds")
        count = int(chosen[at + 1])
        del chosen[at : at + 2]
    known = [*contest.SCENARIOS, "kill"]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"no scenario {', '.join(unknown)}; with --peers there are {', '.join(known)}")
        return 2
    path = report.fresh()
    for table, killed in rounds.run(chosen, count):
        report.save(path, table, killed)  # after each scenario: it may be interrupted
    print(path.with_suffix(".md").read_text())
    print(f"saved in {path}, and as Markdown beside it", file=sys.stderr)
    return 0


def print_table(results: list[Result]) -> None:
    width = max(len(result.what) for result in results)
    for result in results:
        aim = f"aim {result.aim}" if result.aim else ""
        print(f"{result.what:<{width}}  {result.value:>14,.2f} {result.unit:<12} {aim:<24} {result.note}".rstrip())


def save(results: list[Result]) -> None:
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%dT%H-%M-%S')}.json"
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    path.write_text(json.dumps({"machine": machine, "results": [vars(result) for result in results]}, indent=1) + "\n")
    print(f"saved in {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
