"""Poison: a job that kills the process that runs it, and an innocent one beside it (R28, and PROTOCOL 3 "Suspects").

Mirrors `jobs/outcome.py: decide`, `scheduler/recovery.py` (_decide, and that the recoverer's list is no worker's),
`worker/ledger.py` (which jobs had started) and the rule of `worker/worker.py` that a suspect runs alone. One worker
process with two runners, replaced whenever it dies.

May be in here: crashes, blame. May not: leases, lost replies.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import Model, Rules

LIMIT = 3
FOR_EVER, INNOCENT = "kills for ever", "an innocent job is failed"
COMPANY = "a suspect takes a neighbour along"


class Job(NamedTuple):
    """`place`: queue, hand (not started), running, orphan (in the list of a dead process), adopted, done, failed."""

    place: str = "queue"
    crashes: int = 0
    had_started: bool = False
    """What the ledger says of it after its process has died."""


class State(NamedTuple):
    poison: Job = Job()
    innocent: Job = Job()
    is_writable: bool = True
    """Whether a count of crashes can be written into the poison's bytes."""
    deaths: int = 0
    hosts: int = 0
    """How many times more the whole host may vanish: nobody can tell then what had started, and all are blamed."""
    has_lost_host: bool = False
    kills: int = 0
    """How many times more the process may be killed on purpose, for the sake of a third job."""
    alarm: str = ""

    def jobs(self) -> dict[str, Job]:
        return {"poison": self.poison, "innocent": self.innocent}


def is_suspect(job: Job) -> bool:
    return job.crashes >= LIMIT - 1


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    for name, job in s.jobs().items():
        for label, after in _life(s, name, job, rules):
            yield f"{label} {name}", _with(s, name, after)
    if s.poison.place == "running":
        is_bad = is_suspect(s.poison) and s.innocent.place == "running"
        died = _die(s)._replace(deaths=s.deaths + 1)
        yield "the process dies", died._replace(alarm=COMPANY if is_bad else s.alarm)
    if any(job.place in ("hand", "running") for job in s.jobs().values()):
        if s.hosts:
            yield "fault: the host vanishes", _die(s, "all")._replace(hosts=s.hosts - 1, has_lost_host=True)
        if s.kills:
            blame = "nobody" if rules.killed_are_excused else "started"
            yield "order: the process is killed for a third job's sake", _die(s, blame)._replace(kills=s.kills - 1)


def _with(s: State, name: str, job: Job) -> State:
    return s._replace(poison=job) if name == "poison" else s._replace(innocent=job)


def _life(s: State, name: str, job: Job, rules: Rules) -> Iterator[tuple[str, Job]]:
    other = s.innocent if name == "poison" else s.poison
    has_company = other.place in ("hand", "running")
    must_wait = rules.suspects_run_alone and has_company
    if job.place == "queue" and not (must_wait and is_suspect(other)):
        yield "reserve", job._replace(place="hand")
    elif job.place == "hand":
        if not (must_wait and (is_suspect(job) or is_suspect(other))):
            yield "start", job._replace(place="running")
        yield "give back", job._replace(place="queue")
    elif job.place == "running" and name == "innocent":
        yield "finish", job._replace(place="done")
    elif job.place == "orphan":
        yield "adopt", job._replace(place="adopted")
    elif job.place == "adopted":
        yield "decide on", _decide(s, name, job, rules)
        if not rules.recoverer_has_its_own_name:
            yield "a worker of that name re-reads its list and starts", job._replace(place="running")


def _decide(s: State, name: str, job: Job, rules: Rules) -> Job:
    """`decide`, and `_with_crashes`, which cannot write into bytes that are no JSON object."""
    is_writable = s.is_writable or name != "poison"
    if not (job.had_started or not rules.only_started_are_blamed):
        return Job("queue", job.crashes)
    crashes = job.crashes + 1
    if (crashes >= LIMIT and rules.limit) or (not is_writable and rules.unwritable_fail_at_once):
        return Job("failed", crashes)
    return Job("queue", min(crashes, LIMIT) if is_writable else job.crashes)


def _die(s: State, blame: str = "started") -> State:
    """The process is gone. Its ledger tells what ran."""
    for name, job in s.jobs().items():
        if job.place in ("hand", "running"):
            had_started = blame == "all" or (blame == "started" and job.place == "running")
            s = _with(s, name, Job("orphan", job.crashes, had_started))
    return s


def broken(s: State) -> str | None:
    if s.alarm:
        return s.alarm
    if s.deaths > LIMIT:
        return FOR_EVER
    return INNOCENT if s.innocent.place == "failed" and not s.has_lost_host else None


def is_settled(s: State) -> bool:
    ends = ("done", "failed") if s.has_lost_host else ("done",)
    return s.poison.place == "failed" and s.innocent.place in ends


def model(more: int = 0) -> Model[State]:
    kills = LIMIT + more
    return Model(
        "poison",
        (State(), State(is_writable=False), State(hosts=1), State(poison=Job("failed"), kills=kills)),
        steps,
        broken,
        is_settled,
        {
            "limit": FOR_EVER,
            "recoverer_has_its_own_name": FOR_EVER,
            "unwritable_fail_at_once": FOR_EVER,
            "suspects_run_alone": COMPANY,
            "killed_are_excused": INNOCENT,
            "only_started_are_blamed": INNOCENT,
        },
    )
