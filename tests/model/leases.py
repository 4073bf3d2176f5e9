"""Leases: who may take a job away from whom, in time (R4, R12, R19, R20, R24).

Mirrors `worker/leases.py`, the lease that a wait begins with (`worker/intake.py: _listen`), the page's `is_idle`,
`Worker._notice_trouble`, and `scheduler/recovery.py: _look_at_leases`. One job, one worker with its supervisor, a
recoverer on another host.

Time goes in units of a quarter of the lease (5 s). In each unit the supervisor beats once, at any moment of it; the
recoverer looks or does not. A recoverer watches a lease that has ended for two units (8 s, and looks every 5 s).

A worker is robbed when its job is adopted while it lives, its supervisor runs, and nothing but the network, the server
or a clock was in trouble. A supervisor that was stopped, or a clock that jumped, excuses that until its next renewal.

May be in here: leases and time. May not: what is done with adopted jobs (adoption.py), worker exits (leaving.py).
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.checker import DEAD_END, Model, Rules

LEASE, WAIT, WATCH, FAR = 4, 2, 2, 99
ROBBED = "a living worker is robbed"
TOOK_LOST = "takes in hand what it has lost"
QUEUE, WORKER, RECOVERER, SETTLED = "queue", "worker", "recoverer", "settled"


class State(NamedTuple):
    job: str = QUEUE
    """Where it is in Redis."""
    phase: str = "off"
    """The worker: off (not connected), ready, waits, caught (reply unread), in hand, running, silent, idle (done)."""
    is_idle: bool = False
    """What the page says to the supervisor."""
    host: str = "on"
    """on, stopped (SIGSTOP: supervisor and worker) or gone."""
    stood_still: int = 0
    lease: int | None = None
    """How many units it lasts from now on; 0: it has ended."""
    wait_age: int = 0
    has_beaten: bool = False
    excuse: bool = False
    is_clock_wrong: bool = False
    """Whether the worker's idea of the server's clock is out of date."""
    up: bool = True
    watch: int | None = None
    """For how long the recoverer has watched the lease's end."""
    is_same: bool = False
    """Whether that end has not changed since."""
    looked: bool = False
    is_adopting: bool = False
    """The recoverer has decided; its command is under way."""
    outages: int = 0
    trouble: int = 0
    """How many more faults of both kinds may happen."""
    alarm: str = ""


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    yield from _faults(s)
    if _may_pass(s, rules):
        yield "time passes", _pass(s, rules)
    if s.host == "on":
        yield from _runner(s)
        yield from _worker(s, rules)
    if not s.up:
        yield "Redis is back", s._replace(up=True)
        return
    beats = s.host == "on" and not s.has_beaten and (rules.supervisor_renews or s.phase != "silent")
    if beats:
        renewed = _renewed(s, LEASE) if s.lease is not None and not s.is_idle else s
        yield "supervisor beats", renewed._replace(has_beaten=True)
    yield from _recoverer(s, rules)
    if s.job == QUEUE:
        yield "another worker does it", s._replace(job=SETTLED)


def _renewed(s: State, lease: int) -> State:
    return s._replace(lease=lease, is_same=False, excuse=False)


# time -----------------------------------------------------------------------------------------------------------


def _may_pass(s: State, rules: Rules) -> bool:
    """Nobody who can do what is due leaves it for the next unit."""
    if not s.up or s.host != "on":
        return True
    is_due = s.phase in ("off", "ready", "caught") or (s.phase == "waits" and s.wait_age >= WAIT)
    is_silent = s.phase == "silent" and not rules.supervisor_renews
    return (s.has_beaten or is_silent) and not is_due


def _pass(s: State, rules: Rules) -> State:
    # An outage over the end of a unit is a look that failed. One that falls between two looks, and hides the only beat
    # between them, is not seen: it takes an earlier outage and a job caught in between to rob somebody so.
    watch = None if rules.unbroken_watch and not s.up else s.watch
    return s._replace(
        lease=s.lease if s.lease in (None, FAR) else max(0, s.lease - 1),
        wait_age=min(WAIT, s.wait_age + 1),
        stood_still=min(3, s.stood_still + 1) if s.host == "stopped" else 0,
        has_beaten=False,
        looked=False,
        watch=None if watch is None else min(WATCH, watch + 1),
    )


def _faults(s: State) -> Iterator[tuple[str, State]]:
    if s.up and s.outages:
        hung = s._replace(up=False, outages=s.outages - 1)
        yield "fault: Redis hangs", hung
        is_cut = s.phase in ("waits", "caught", "ready")
        yield "fault: Redis is down", hung._replace(phase="off", is_idle=False) if is_cut else hung
    if s.trouble:
        less = s._replace(trouble=s.trouble - 1)
        if s.host == "on":
            yield "fault: the host stops", less._replace(host="stopped", excuse=True)
            yield "fault: the host is gone", less._replace(host="gone")
        if s.lease:
            ahead = less._replace(lease=0, excuse=True, is_clock_wrong=True)
            yield "fault: the server's clock jumps ahead", ahead
            yield "fault: the server's clock jumps back", less._replace(lease=FAR, is_clock_wrong=True)
    if s.host == "stopped":
        yield "order: CONT", s._replace(host="on")


# the host ---------------------------------------------------------------------------------------------------------


def _runner(s: State) -> Iterator[tuple[str, State]]:
    if s.phase == "in hand":
        yield "start", s._replace(phase="running")
        yield "start, it holds the GIL", s._replace(phase="silent")
    if s.phase in ("running", "silent") and s.up:
        yield "end and settle", s._replace(phase="idle", job=SETTLED if s.job == WORKER else s.job, is_idle=True)


def _worker(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.stood_still == 3 and s.is_idle and s.phase in ("waits", "caught") and rules.standstill:
        yield "it stood still: connections are dropped", s._replace(phase="off", is_idle=False)
        return
    if not s.up:
        return
    if s.phase == "off":
        yield (
            "connect and re-read",
            s._replace(phase="in hand" if s.job == WORKER else "ready", is_idle=False, is_clock_wrong=False),
        )
    if s.phase == "ready" or (s.phase == "waits" and s.wait_age >= 1):
        is_past = s.is_clock_wrong and not rules.server_time and s.lease != FAR
        armed = _renewed(s, 0 if is_past else FAR if s.lease == FAR and not rules.server_time else LEASE)
        yield "wait, with a lease", armed._replace(phase="waits", wait_age=0, is_idle=True)
    if s.phase == "waits" and s.job == QUEUE:
        yield "the wait catches", s._replace(phase="caught", job=WORKER)
    if s.phase == "caught":
        alarm = TOOK_LOST if s.job != WORKER and s.stood_still == 3 else s.alarm
        yield "read the reply", s._replace(phase="in hand", is_idle=not rules.idle_off_before_start, alarm=alarm)


# the recoverer ----------------------------------------------------------------------------------------------------


def _recoverer(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    if s.is_adopting:
        may = s.is_same or not rules.refuse_if_changed
        after = s._replace(is_adopting=False, watch=None)
        if not may:
            yield "adopt: refused, the lease has changed", after
        elif s.job == WORKER:
            lives = s.host == "on" and not s.excuse
            yield "adopt", after._replace(job=RECOVERER, alarm=ROBBED if lives else s.alarm)
        else:
            yield "adopt: nothing there", after
    elif not s.looked:
        yield "recoverer looks", _look(s._replace(looked=True), rules)
    if s.job == RECOVERER:
        yield "released", s._replace(job=QUEUE)


def _look(s: State, rules: Rules) -> State:
    """`Recovery._look_at_leases` and `_since`."""
    if s.lease == FAR:
        return s._replace(lease=LEASE, is_same=False) if rules.shorten else s
    if s.lease != 0:
        return s._replace(watch=None)
    watch = s.watch if s.watch is not None and s.is_same else 0
    is_over = watch >= WATCH or not rules.watch
    return s._replace(watch=watch, is_same=True, is_adopting=is_over and s.job == WORKER)


def broken(s: State) -> str | None:
    return s.alarm or None


def is_settled(s: State) -> bool:
    return s.job == SETTLED


def model(more: int = 0) -> Model[State]:
    return Model(
        "leases",
        (State(outages=2 + more), State(trouble=2), State(outages=1, trouble=1 + more)),
        steps,
        broken,
        is_settled,
        {
            "supervisor_renews": ROBBED,
            "idle_off_before_start": ROBBED,
            "watch": ROBBED,
            "unbroken_watch": ROBBED,
            "refuse_if_changed": ROBBED,
            "server_time": ROBBED,
            "shorten": DEAD_END,
            "standstill": TOOK_LOST,
        },
    )
