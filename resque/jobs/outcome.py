"""What becomes of a job: one pure function that neither engine owns.

May be in here: `decide` and the values it takes and gives. May not: Redis, clocks, bytes, user code.

    how it ended                          outcome
    Returned                              Done
    Raised (the job's own, unreadable     Failed
      payload, unknown job, bad arguments)
    Condemned (killed for its own sake)   Failed
    Interrupted (drain)                   Released, nothing counted
    Died, had not started                 Released, nothing counted
    Died, had started                     Released with one crash more; at MAX_CRASHES Failed with WorkerDied

A crash is no attempt: attempts count how often a job ran and raised, crashes how often its process died under it.
A job one crash short of the limit is a suspect: it runs alone, so that it takes no neighbour with it.
"""

from dataclasses import dataclass

from resque.errors import ResqueError, WorkerDied

MAX_CRASHES = 3


@dataclass(frozen=True, slots=True)
class Returned:
    """perform came back."""


@dataclass(frozen=True, slots=True)
class Raised:
    """perform raised, or it could not be called at all."""

    error: BaseException


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
class Failed:
    """Go to failed with this error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Released:
    """Go back to the front of the queue, with this many crashes in the payload."""

    crashes: int


Ended = Returned | Raised | Interrupted | Died | Condemned
Outcome = Done | Failed | Released

_DONE = Done()


def decide(ended: Ended, crashes: int, *, readable: bool = True) -> Outcome:
    """The outcome of a job that has ended so, after `crashes` earlier crashes.

    `readable` is False for bytes that no crash can be written into (they are no JSON object): they cannot be told from
    innocent ones next time, so a process that died over them was one too many.

    >>> decide(Died("signal 9", started=True), crashes=0)
    Released(crashes=1)
    """
    match ended:
        case Returned():
            return _DONE
        case Raised(error) | Condemned(error):
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
