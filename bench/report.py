"""The peers' table: ratios and aims, as JSON and as Markdown to be pasted into docs/performance.md.

May be in here: words and numbers. May not: measuring.
"""

import json
import os
import platform
import time
from pathlib import Path

from bench.contestant import CORES
from bench.environments import OURS, PINS
from bench.rounds import Table

_DRAIN = "drain 1 process"
_QUICK = "quick"  # more is better
_SLIM = "slim"  # less is better


def kind(figure: str) -> str:
    return _QUICK if figure.startswith(("enqueue", "drain", "bare")) else _SLIM


def ratio(figure: str, row: dict[str, float]) -> tuple[str, float] | None:
    """The best peer and how many times better we are."""
    peers = {name: value for name, value in row.items() if name not in (OURS, "bare")}
    if not peers or OURS not in row:
        return None
    quick = kind(figure) == _QUICK
    best = (max if quick else min)(peers, key=lambda name: peers[name])
    upper, lower = (row[OURS], peers[best]) if quick else (peers[best], row[OURS])
    return (best, upper / lower) if lower else None


def aims(table: Table) -> list[tuple[str, str, float, bool]]:
    """What was promised -> aim, measured, reached. Rows whose scenario did not run are left out."""

    def ours(figure: str, name: str = OURS) -> float | None:
        return table.get(figure, {}).get(name)

    def times(figure: str) -> float | None:
        found = ratio(figure, table.get(figure, {}))
        return found[1] if found else None

    def part(figure: str, whole: str) -> float | None:
        mine, bare = ours(figure), ours(whole, "bare")
        return mine / bare * 100 if mine and bare else None

    sleep, forks = ours("2,000 × 10 ms, 100 coroutines"), "drain, a fork a job"
    rows: list[tuple[str, str, float | None, float]] = [
        ("drain, 1 process, jobs/s", "≥ 100,000", ours(_DRAIN), 100_000),
        ("drain, 1 process, × the fastest peer", "≥ 15", times(_DRAIN), 15),
        ("drain, 1 process, % of the bare loop", "≥ 45", part(_DRAIN, "bare loop"), 45),
        (f"drain, {CORES} processes, × the fastest peer", "≥ 15", times(f"drain {CORES} processes"), 15),
        ("enqueue one, × the fastest peer", "≥ 1", times("enqueue one"), 1),
        ("enqueue bulk, × the fastest peer", "≥ 3", times("enqueue bulk"), 3),
        ("fork mode, × RQ", "≥ 4", times(forks), 4),
        ("fork mode, % of bare fork-run-wait", "≥ 70", part(forks, "bare fork, run, wait"), 70),
        ("async sleeps, × ideal", "≤ 1.3", sleep / 0.2 if sleep else None, -1.3),
        ("pick-up p50, 5 queues, ms", "< 0.6", ours("pick-up p50, 5 queues"), -0.6),
        ("pick-up p99, 5 queues, ms", "< 5", ours("pick-up p99, 5 queues"), -5),
        ("idle, 5 queues, % CPU, with supervisor and scheduler", "< 0.5", ours("idle CPU, all its processes"), -0.5),
        ("idle, 5 queues, commands/s", "≤ 3.5", ours("idle commands"), -3.5),
    ]
    return [
        (what, aim, value, value >= limit if limit > 0 else value <= -limit)
        for what, aim, value, limit in rows
        if value is not None
    ]


def markdown(table: Table, killed: Table) -> str:
    names = [OURS, *PINS]
    lines = [f"|  | {' | '.join([*names, 'bare', 'ours / best peer'])} |", "|---|" + "--:|" * (len(names) + 2)]
    for figure, row in table.items():
        cells = [number(row.get(name)) for name in [*names, "bare"]]
        if OURS not in row and "bare" not in row:
            cells[0] = "not in this version"
        found = ratio(figure, row)
        lines.append(f"| {figure} | {' | '.join(cells)} | {f'{found[1]:.1f} × {found[0]}' if found else ''} |")
    lines += ["", "| promised | aim | measured | |", "|---|--:|--:|---|"]
    lines += [f"| {what} | {aim} | {number(value)} | {'yes' if ok else 'NO'} |" for what, aim, value, ok in aims(table)]
    if killed:
        columns = ["done at kill", "running at kill", "not done in 60 s", "done twice", "started twice"]
        lines += ["", f"| kill -9 | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
        for label in sorted(killed, key=lambda label: (label != OURS, label)):
            lines.append(f"| {label} | {' | '.join(f'{killed[label][column]:.0f}' for column in columns)} |")
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three figures that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def fresh() -> Path:
    """Where this run is saved."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    return folder / f"peers-{time.strftime('%Y-%m-%dT%H-%M-%S')}.json"


def save(path: Path, table: Table, killed: Table) -> None:
    """Both forms, side by side."""
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()}
    path.write_text(json.dumps({"machine": machine, "pins": PINS, "figures": table, "kill": killed}, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(table, killed))
