"""All contestants, round after round in turn, so that noise hits them alike; all on one server.

May be in here: order, rounds, medians, what to do with a peer that fails. May not: measuring, tables.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator

from bench import contest, kills
from bench.contest import server_flush
from bench.environments import OURS, PINS
from resque.dev.server import Server

ROUNDS = 3
ONCE = {"idle"}  # a mean over seconds already
EVERYBODY = [OURS, *PINS]
ONLY = {"fork": [OURS, "rq"]}
Table = dict[str, dict[str, float]]
"""Figure -> contestant -> median."""


def run(chosen: list[str], rounds: int = ROUNDS) -> Iterator[tuple[Table, Table]]:
    """After each scenario: the figures so far, and the kill -9 table (label -> what was found)."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    killed: Table = {}
    with Server() as server:
        for scenario in [name for name in contest.SCENARIOS if not chosen or name in chosen]:
            for number in range(1 if scenario in ONCE else rounds):
                print(f"{scenario}, round {number + 1} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)
                for name in ONLY.get(scenario, EVERYBODY):
                    measure(scenario, name, server, values)
                if scenario in ("drain", "fork"):
                    measure("bare", "bare", server, values)
            yield medians(values), killed
        if not chosen or "kill" in chosen:
            print("kill -9, all at once", file=sys.stderr, flush=True)
            server_flush(server)
            killed = kills.run(server)
            yield medians(values), killed


def medians(values: dict[str, dict[str, list[float]]]) -> Table:
    return {figure: {name: middle(found) for name, found in by.items()} for figure, by in values.items()}


def measure(scenario: str, name: str, server: Server, values: dict[str, dict[str, list[float]]]) -> None:
    """One contestant, one round. One that fails leaves its cell empty, says why, and stops nobody."""
    server_flush(server)
    act = contest.bare if scenario == "bare" else contest.SCENARIOS[scenario]
    try:
        figures = act(name, server)
    except Exception as error:
        print(f"  {name}: {error}", file=sys.stderr)
        return
    for figure, value in figures.items():
        values[figure][name].append(value)


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
