"""What becomes of a job: one pure function that neither engine owns.

May be in here: `decide` and the values it takes and gives. May not: Redis, clocks, bytes, user code.

    how it ended                          outcome
    Returned                              Done
    Returned a verb                       as if it had raised it
    Raised (the job's own)                what its Retry says: Later, or Dropped, or Failed
      no time before its deadline         Failed
    Raised (unreadable, unknown job,      Failed: another attempt would end the same
      arguments that do not fit)
    Stale (too old, or cancelled)         Dropped
    Condemned (killed for its own sake)   Failed
    Interrupted (drain)                   Released, nothing counted
    Died, had not started                 Released, nothing counted
    Died, had started                     Released with one crash more; at MAX_CRASHES Failed with WorkerDied

A crash is no attempt: attempts count how often a job ran and raised, crashes how often its process died under it.
A job one crash short of the limit is a suspect: it runs alone, so that it takes no neighbour with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from resque.errors import BadArguments, JobTimeout, ResqueError, UnknownJob, Unreadable, WorkerDied
from resque.jobs.retry import Again, Dead, Drop, GiveUp, Retry, Verb, blamed

MAX_CRASHES = 3

Reason = Literal["cancelled", "discarded", "expired"]


@dataclass(frozen=True, slots=True)
class Returned:
    """perform came back. `verb`: with what it wants to become of it."""

    verb: Verb | None = None


@dataclass(frozen=True, slots=True)
class Raised:
    """perform raised, or it could not be called at all."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Stale:
    """It was not started: too old, or cancelled while it waited."""

    reason: Literal["expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker stopped it (or never began) of its own will."""

    why: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process that held it died. `started`: it ran just then, or nobody can tell."""

    why: str
    started: bool


@dataclass(frozen=True, slots=True)
class Condemned:
    """Its process was killed on purpose, because of this very job: it did not heed its timeout, or an operator."""

    error: ResqueError


@dataclass(frozen=True, slots=True)
class Done:
    """Leave in-flight, count."""


@dataclass(frozen=True, slots=True)
class Later:
    """Run again, so many seconds from now. counts: whether that is another attempt. error: why, None for a snooze."""

    after: float
    counts: bool
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Leave in-flight, counted under this reason: no failure."""

    reason: Reason
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Go to failed with this error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Released:
    """Go back to the front of the queue, with this many crashes in the payload."""

    crashes: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one run of a job: its policy, the number of the attempt (from 1), the seconds left before its
    deadline (None: it has none), and where random numbers come from."""

    retry: Retry
    attempt: int
    left: float | None
    random: Callable[[], float]


Ended = Returned | Raised | Stale | Interrupted | Died | Condemned
Outcome = Done | Later | Dropped | Failed | Released

_DONE = Done()
_HOPELESS = (Unreadable, UnknownJob, BadArguments)


def decide(ended: Ended, crashes: int, *, readable: bool = True, rules: Rules | None = None) -> Outcome:
    """The outcome of a job that has ended so, after `crashes` earlier crashes.

    `rules`: None for a job that was never called, or is unknown. `readable` is False for bytes that no crash can be
    written into (they are no JSON object): they cannot be told from innocent ones next time, so a process that died
    over them was one too many.

    >>> decide(Died("signal 9", started=True), crashes=0)
    Released(crashes=1)
    """
    match ended:
        case Returned(verb):
            return _DONE if verb is None else _after(verb, rules)
        case Raised(error):
            return _after(error, rules)
        case Stale(reason):
            return Dropped(reason)
        case Condemned(error):
            return Failed(error)
        case Interrupted():
            return Released(crashes)
        case Died(started=False):
            return Released(crashes)
        case Died(why):
            now = crashes + 1
            if now >= MAX_CRASHES or not readable:
                return Failed(WorkerDied(f"the worker process died {now} times while it ran this job; last: {why}"))
            return Released(now)


def is_suspect(crashes: int) -> bool:
    """Whether a job with so many crashes must run alone."""
    return crashes >= MAX_CRASHES - 1


def _after(error: BaseException, rules: Rules | None) -> Outcome:
    """What its policy says about an error (or a verb)."""
    if rules is None or isinstance(error, _HOPELESS):
        return Failed(error)
    match rules.retry.next(rules.attempt, error, rules.random):
        case Again(after, counts):
            if rules.left is not None and after >= rules.left:
                return Failed(blamed(error) if counts else JobTimeout("its deadline comes before its next attempt"))
            return Later(after, counts, blamed(error) if counts else None)
        case Drop(how, reason):
            return Dropped(how, reason or "")
        case GiveUp() | Dead():
            return Failed(blamed(error))
