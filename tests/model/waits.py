"""Waits: a worker blocks on two queues at once, one connection each (R1, R23, R25, R26).

Mirrors `worker/intake.py` (arm, disarm, drained, reset), `store/reserve.py: wait`, and the order of steps in
`worker/worker.py` (_serve, _take_catches, _wait_for_work, _look_for_strays, _reread, _drain). One worker with one
runner, queues 0 and 1, in this order. Job `a` is of queue 0, `b` of queue 1. `stream` stands for jobs in queue 1 that
never end: what is done of it is pushed again at once, so that the worker is never idle.

A connection that breaks may stay half open: the server does not know, its BLMOVE still waits, and brings a job into the
list of a worker that will never read the reply.

May be in here: how jobs come in. May not: lost replies of turns (trips.py), leases.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.bags import put, swap, take
from tests.model.checker import DEAD_END, Model, Rules

OFF, ARMED, EMPTY = "off", "armed", "empty"
"""States of a wait; anything else is the job in its unread reply."""
UNSTARTED, RUNNING, SILENT, DONE = "unstarted", "running", "silent", "done"
STREAM = "stream"
NOWHERE, TWICE = "nowhere in Redis", "started twice"
HOSTAGE = "caught while the worker is silent"
LEFT_BEHIND = "left behind at a clean exit"
QUEUES = (0, 1)


class State(NamedTuple):
    jobs: tuple[str, ...]
    """All of them."""
    future: tuple[str, ...]
    """Not pushed yet."""
    waiting: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    """The worker's in-flight lists."""
    waits: tuple[str, ...] = (OFF, OFF)
    half_open: tuple[bool, ...] = (False, False)
    caught: tuple[str, ...] = ()
    """Replies that are read, not in hand yet."""
    hand: tuple[tuple[str, str], ...] = ()
    doubts: bool = False
    mismatches: tuple[int, ...] = (0, 0)
    is_down: bool = False
    stopping: str = ""
    """"" or "drain" or "gone"."""
    started: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    faults: int = 0
    had_fault: bool = False
    stops: int = 0
    alarm: str = ""


def queue_of(job: str) -> int:
    return 0 if job == "a" else 1


def of_queue(bag: tuple[str, ...], queue: int) -> tuple[str, ...]:
    return tuple(job for job in bag if queue_of(job) == queue)


def steps(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    for job in s.future:
        yield f"push {job}", s._replace(future=take(s.future, job), waiting=put(s.waiting, job))
    yield from _server(s, rules)
    if s.stopping == "gone":
        return
    yield from _runner(s)
    if any(phase == SILENT for _, phase in s.hand):
        return  # C code holds the interpreter: the loop cannot do anything
    yield from _replies(s)
    if s.is_down:
        yield "connect and re-read", _reread(s._replace(is_down=False), rules)
    elif s.stopping == "drain":
        yield from _drain(s, rules)
    else:
        yield from _serve(s, rules)
    if s.faults:
        yield from _reset(s)
    if s.stops and not s.stopping:
        yield "order: stop", s._replace(stopping="drain", stops=0)


def _server(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    for q in QUEUES:
        first = of_queue(s.waiting, q)[:1]
        if s.waits[q] == ARMED:
            yield f"wait {q} ends in vain", _wait(s, q, EMPTY)
            for job in first:
                listed = put(s.listed, job) if rules.receipt else s.listed  # R1: BLPOP leaves nothing behind
                after = _wait(s, q, job)._replace(waiting=take(s.waiting, job), listed=listed)
                is_silent = any(phase == SILENT for _, phase in s.hand)
                yield f"wait {q} catches {job}", after._replace(alarm=HOSTAGE if is_silent else s.alarm)
        if s.half_open[q]:
            closed = s._replace(half_open=tuple(h and i != q for i, h in enumerate(s.half_open)))
            yield f"half-open wait {q} ends in vain", closed
            for job in first:
                caught = closed._replace(waiting=take(s.waiting, job), listed=put(s.listed, job))
                yield f"half-open wait {q} catches {job}", caught


def _wait(s: State, queue: int, now: str) -> State:
    return s._replace(waits=tuple(now if i == queue else w for i, w in enumerate(s.waits)))


def _runner(s: State) -> Iterator[tuple[str, State]]:
    for job, phase in s.hand:
        if phase == UNSTARTED and not any(p in (RUNNING, SILENT) for _, p in s.hand):
            started = s.started if job == STREAM else put(s.started, job)
            now = s._replace(started=started)
            yield f"start {job}", now._replace(hand=swap(s.hand, (job, phase), (job, RUNNING)))
            if job != STREAM:
                yield f"start {job}, it holds the GIL", now._replace(hand=swap(s.hand, (job, phase), (job, SILENT)))
        elif phase in (RUNNING, SILENT):
            yield f"end {job}", s._replace(hand=swap(s.hand, (job, phase), (job, DONE)))


def _replies(s: State) -> Iterator[tuple[str, State]]:
    """`Intake._listen`: a task for each wait reads its reply whenever that is there."""
    for q, now in enumerate(s.waits):
        if now == EMPTY:
            yield f"read the empty reply of {q}", _wait(s, q, OFF)
        elif now not in (OFF, ARMED):
            yield f"read {now}", _wait(s, q, OFF)._replace(caught=put(s.caught, now))


def _serve(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """`Worker._serve`, step by step; each may be the next one."""
    is_quiet = all(w == OFF for w in s.waits)
    if s.caught:
        calm = _disarm(s) if rules.unblock_first else s
        yield "take what was caught", _take_caught(calm)
        return
    if s.doubts and (is_quiet or not rules.reread_only_without_wait):
        yield "re-read what is in doubt", _reread(s, rules)
        return
    if s.doubts and s.hand == ():
        yield "end the waits for the sake of a re-read", _disarm(s)
    settled = _settle(s, rules)
    if any(phase in (UNSTARTED, RUNNING) for _, phase in s.hand):
        if settled != s:
            yield "settle", settled
        return
    asked = [job for q in QUEUES if s.waits[q] == OFF for job in of_queue(settled.waiting, q)]
    if asked:
        got = asked[0]
        yield f"turn brings {got}", _disarm(_bring(settled, got, rules))
        if s.listed and rules.look_while_busy and is_quiet:
            yield "look for strays, though never idle", settled._replace(doubts=True)
    else:
        yield "turn brings nothing: wait", settled._replace(waits=tuple(ARMED if w == OFF else w for w in s.waits))
        if not settled.hand and settled.listed and rules.idle_look:
            yield "idle, and a list is not empty", _disarm(settled)._replace(doubts=True)


def _disarm(s: State) -> State:
    """CLIENT UNBLOCK: what still waits gets an empty reply."""
    return s._replace(waits=tuple(EMPTY if w == ARMED else w for w in s.waits))


def _take_caught(s: State) -> State:
    return s._replace(caught=(), hand=put(s.hand, *((job, UNSTARTED) for job in s.caught)))


def _settle(s: State, rules: Rules) -> State:
    ended = [job for job, phase in s.hand if phase == DONE]
    stream = [job for job in ended if job == STREAM]
    after = s._replace(
        hand=tuple(each for each in s.hand if each[1] != DONE),
        listed=take(s.listed, *ended),
        done=put(s.done, *(job for job in ended if job in s.listed and job != STREAM)),
        waiting=put(s.waiting, *stream),
    )
    return _compare(after, {queue_of(job) for job in ended}, rules)


def _bring(s: State, job: str, rules: Rules) -> State:
    after = s._replace(waiting=take(s.waiting, job), listed=put(s.listed, job), hand=put(s.hand, (job, UNSTARTED)))
    return _compare(after, {queue_of(job)}, rules)


def _compare(s: State, touched: set[int], rules: Rules) -> State:
    """`Turn._compare`, for the queues that the turn has touched."""
    mismatches, doubts = list(s.mismatches), s.doubts
    for q in touched if rules.compare else ():
        differs = len(of_queue(s.listed, q)) != sum(queue_of(job) == q for job, _ in s.hand)
        mismatches[q] = min(2, mismatches[q] + 1) if differs else 0
        doubts = doubts or mismatches[q] > 1
    return s._replace(mismatches=tuple(mismatches), doubts=doubts)


def _reread(s: State, rules: Rules) -> State:
    """`Worker._reread`: what was caught is in hand, not unknown."""
    if rules.catches_before_reread:
        s = _take_caught(s)
    new = take(s.listed, *(job for job, _ in s.hand))
    kept = tuple(each for each in s.hand if each[0] in s.listed or each[1] in (RUNNING, SILENT))
    return s._replace(hand=put(kept, *((job, UNSTARTED) for job in new)), doubts=False, mismatches=(0, 0))


def _reset(s: State) -> Iterator[tuple[str, State]]:
    """All connections are dropped; replies that are not read are gone, some BLMOVE may not notice."""
    armed = tuple(w == ARMED for w in s.waits)
    dropped = s._replace(waits=(OFF, OFF), is_down=True, faults=s.faults - 1, had_fault=True)
    yield "fault: connections break", dropped
    if any(armed):
        yield "fault: connections break, half open", dropped._replace(half_open=armed)


def _drain(s: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """End the waits, read their replies, give back what has not started, settle what has ended, leave (R23)."""
    if any(w == ARMED for w in s.waits):
        yield "end the waits", _disarm(s)
    elif all(w == OFF for w in s.waits) or not rules.drain_reads_replies:
        back = (*s.caught, *(job for job, phase in s.hand if phase == UNSTARTED))
        kept = tuple(each for each in s.hand if each[1] != UNSTARTED)
        after = _settle(s._replace(caught=(), hand=kept), rules)
        after = after._replace(waiting=put(after.waiting, *back), listed=take(after.listed, *back))
        if after != s:
            yield "give back and settle", after
        elif not s.hand:
            is_bad = s.listed and not s.had_fault
            yield "leave", s._replace(stopping="gone", alarm=LEFT_BEHIND if is_bad else s.alarm)


def broken(s: State) -> str | None:
    if s.alarm:
        return s.alarm
    if len(set(s.started)) < len(s.started):
        return TWICE
    return NOWHERE if take(s.jobs, *s.future, *s.waiting, *s.listed, *s.done) else None


def is_settled(s: State) -> bool:
    """All is done. Once the worker has left, others go on; what a half-open wait brings it then: leaving.py."""
    if s.stopping == "gone":
        return not s.future
    return s.done == take(s.jobs, STREAM) and not s.future


def model(more: int = 0) -> Model[State]:
    return Model(
        "waits",
        (
            State(("a", "b"), ("a", "b"), faults=1 + more, stops=1),
            State(("a", STREAM), ("a", STREAM), faults=1 + more),
        ),
        steps,
        broken,
        is_settled,
        {
            "receipt": NOWHERE,
            "reread_only_without_wait": TWICE,
            "catches_before_reread": TWICE,
            "idle_look": DEAD_END,
            "look_while_busy": DEAD_END,
            "unblock_first": HOSTAGE,
            "drain_reads_replies": LEFT_BEHIND,
        },
        {"compare": "the look for strays finds what it finds, only later"},
    )
