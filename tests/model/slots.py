"""Slots: a process dies, its supervisor starts another in its place, and what it held is adopted at once (R11).

Mirrors `worker/supervisor.py` (_bury: hear out, kill the group, report; _fork with a fresh nonce) and
`scheduler/recovery.py: _bring_back`, which trusts the report and asks no lease. Two jobs; each may leave a process of
its own behind that goes on with its work when the worker is gone.

May be in here: names, processes, reports. May not: leases, blame.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.bags import put, take
from tests.model.checker import Model, Rules

ROBBED, OVERLAP = "a living worker is robbed", "two processes do the same job"
JOBS = (1, 2)


class Process(NamedTuple):
    """`condition`: alive, dead (a zombie), gone (reaped), none."""

    condition: str = "none"
    runs: tuple[int, ...] = ()
    offspring: tuple[int, ...] = ()
    """Jobs that child processes of it go on with."""


class State(NamedTuple):
    queue: tuple[int, ...] = JOBS
    lists: tuple[tuple[int, ...], ...] = ((), ())
    """In-flight lists, by name. Without a nonce both processes have the first one."""
    processes: tuple[Process, ...] = (Process("alive"), Process())
    report: str = ""
    """"" or "to do" or "done": what the supervisor has told of the first process."""
    done: tuple[int, ...] = ()
    faults: int = 1
    alarm: str = ""


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    for me, process in enumerate(s.processes):
        name = me if rules.nonce else 0
        if process.condition == "alive":
            yield from _work(s, me, name)
    yield from _supervisor(s, rules)
    if s.report == "to do":
        yield "the recoverer works off the report", _recover(s)


def _with(s: State, me: int, process: Process) -> State:
    return s._replace(processes=tuple(process if i == me else p for i, p in enumerate(s.processes)))


def _listed(s: State, name: int, jobs: tuple[int, ...]) -> State:
    return s._replace(lists=tuple(jobs if i == name else held for i, held in enumerate(s.lists)))


def _work(s: State, me: int, name: int) -> Iterator[tuple[str, State]]:
    process = s.processes[me]
    if s.queue and not process.runs:
        job = s.queue[0]
        is_done_twice = any(job in p.runs or job in p.offspring for p in s.processes)
        started = _with(s, me, process._replace(runs=(job,)))
        started = _listed(started, name, put(s.lists[name], job))
        yield (
            f"{me} reserves and starts {job}",
            started._replace(queue=s.queue[1:], alarm=OVERLAP if is_done_twice else s.alarm),
        )
    for job in process.runs:
        finished = _listed(_with(s, me, process._replace(runs=())), name, take(s.lists[name], job))
        yield f"{me} finishes {job}", finished._replace(done=put(s.done, job)) if job in s.lists[name] else finished


def _supervisor(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    first, second = s.processes
    if first.condition == "alive" and s.faults:
        less = s._replace(faults=s.faults - 1)
        yield "fault: 0 dies", _with(less, 0, Process("dead"))
        yield "fault: 0 dies, its children go on", _with(less, 0, Process("dead", offspring=first.runs))
        if not rules.reap_first:  # the mutant believes the first sign, such as a channel that is closed
            yield "fault: 0 looks dead", less._replace(report="to do")
    if first.condition == "dead":
        offspring = () if rules.kill_group else first.offspring
        yield (
            "reap 0, kill its group, report",
            _with(s, 0, Process("gone", offspring=offspring))._replace(report=s.report or "to do"),
        )
    if first.offspring:
        yield "the children of 0 end", _with(s, 0, first._replace(offspring=()))
    if first.condition == "gone" and second.condition == "none":
        yield "start another process with the same pid", _with(s, 1, Process("alive"))


def _recover(s: State) -> State:
    """adopt.lua with '' for the lease, then release: whatever the name's list holds goes to the front."""
    jobs = s.lists[0]
    is_theft = any(job in p.runs for job in jobs for p in s.processes if p.condition == "alive")
    back = _listed(s, 0, ())._replace(queue=(*jobs, *s.queue), report="done")
    return back._replace(alarm=ROBBED if is_theft else s.alarm)


def broken(s: State) -> str | None:
    return s.alarm or None


def is_settled(s: State) -> bool:
    return s.done == JOBS


def model(more: int = 0) -> Model[State]:
    """`more` is of no use here: a slot has two lives in this model."""
    return Model(
        "slots",
        (State(),),
        steps,
        broken,
        is_settled,
        {"nonce": ROBBED, "reap_first": ROBBED, "kill_group": OVERLAP},
    )
