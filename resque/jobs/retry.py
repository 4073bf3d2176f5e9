"""Retry: whether and when a job that has raised runs again, and the verbs with which a job says so itself.

May be in here: the policy `Retry`, the verbs, what both come to (`Again`, `GiveUp`, `Drop`, `Dead`). May not: what is
done about it (outcome.py), Redis, clocks, the source of random numbers: whoever asks brings it.

    what the job raised or returned              what `Retry.next` says
    an error that is not in `on`, attempts left  Again(a delay of the policy, counts=True)
    the same, no attempt left                    GiveUp()
    RetryIn(delay), attempts left                Again(delay, counts=True)
    RetryIn(delay), no attempt left              GiveUp()
    Snooze(delay)                                Again(delay, counts=False), always
    Cancel(reason)                               Drop("cancelled", reason)
    Discard, Discard(reason)                     Drop("discarded", reason)
    Fail, Fail(reason)                           Dead(reason)
    an error that is in `on`                     as if the job had raised the verb given there

Full jitter is that of Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015: anywhere between
nothing and the whole delay, so that jobs that failed together do not come back together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, TypeVar

from resque import durations
from resque.durations import Duration
from resque.errors import ConfigError

Jitter = Literal["full", "equal", "none"]
E = TypeVar("E", bound=BaseException)

LONGEST = 3653 * 86400.0  # seconds: ten years
_MAX, _BASE, _CAP = 5, 30.0, 3600.0


class Verb(Exception):
    """What a job says about its own future: raise it, or return it. Never changes. Equal if it says the same.

    No ResqueError, because it is the job that raises it. `raise RetryIn("5m") from error` keeps the error.
    """

    @property
    def reason(self) -> str | None:
        """Why, in words for a person."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))

    def __repr__(self) -> str:
        """As it would be written."""
        return f"{type(self).__name__}({', '.join(map(repr, self.args))})"


class _Delayed(Verb):
    _least = 0.0

    def __init__(self, delay: Duration) -> None:
        super().__init__(span(f"{type(self).__name__}'s delay", delay, least=self._least))

    @property
    def delay(self) -> float:
        """Seconds from now."""
        return float(self.args[0])

    def __str__(self) -> str:
        return f"the job asked to run again in {self.delay:g} s"


class RetryIn(_Delayed):
    """Run this job again after `delay` ("5m", 300, timedelta), instead of the delay of its policy. Uses an attempt.

    Where no attempt is left (always so with `Retry.never`) the job has failed. Raises ConfigError for a bad delay.

    >>> RetryIn("5m").delay
    300.0
    """


class Snooze(_Delayed):
    """Run this job again after `delay`: it was not its turn yet. Uses no attempt; only a deadline ends snoozing.

    Raises ConfigError for a bad delay, also for one under 1 ms: such a job would keep its worker busy for ever.

    >>> Snooze("30s")
    Snooze(30.0)
    """

    _least = 0.001


class _Reasoned(Verb):
    def __init__(self, reason: str | None = None) -> None:
        if not isinstance(reason, str | None):
            raise ConfigError(f"a reason must be text, not {_shown(reason)}; write {_example(type(self))}")
        super().__init__(*() if reason is None else (reason,))

    def __str__(self) -> str:
        return self.reason or f"the job raised {type(self).__name__} without a reason"


class Cancel(_Reasoned):
    """End this job as cancelled: nobody wants it any more. It is counted as such, and is no failure.

    >>> Cancel("the order was withdrawn").reason
    'the order was withdrawn'
    """

    def __init__(self, reason: str) -> None:
        if not reason:
            raise ConfigError("Cancel needs a reason; write Cancel('why'), or Discard for none")
        super().__init__(reason)


class Discard(_Reasoned):
    """Drop this job: there is nothing to do, now or later. It is counted as discarded, and is no failure.

    The class alone will do: `raise Discard`, `on={BadOrder: Discard}`."""


class Fail(_Reasoned):
    """This job has failed, whatever attempts are left: it goes to failed, for a person to look at.

    The class alone will do: `raise Fail`, `on={NeedsHuman: Fail}`."""


@dataclass(frozen=True, slots=True)
class Again:
    """Run it again, `after` seconds from now. counts: whether that uses an attempt."""

    after: float
    counts: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No attempt is left: it has failed with the error it raised (see `blamed`)."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It is gone, counted, and no failure."""

    how: Literal["cancelled", "discarded"]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Dead:
    """It has failed, though attempts may be left, with the error it raised (see `blamed`)."""

    reason: str | None


Next = Again | GiveUp | Drop | Dead


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Retry:
    """The policy: how often and after how long a job that raised runs again. Raises ConfigError for a useless one.

    max: retries after the first attempt. `Retry(max=5)`, which is also `Retry()`, runs a job six times at most.
    base, cap: the delay before retry n is base * 2**(n - 1), never more than cap: at most 30 s, 1, 2, 4 and 8 minutes.
    jitter: "full" (anywhere between 0 and the delay), "equal" (between its half and the whole), "none".
    delays: these instead of the exponential ones, without jitter unless it is asked for. Then max is their number; if
        max is given and greater, the last delay repeats.
    on: what else to do about some exceptions, as verbs: `on={Throttled: Snooze("30s"), BadOrder: Discard}`. The class
        that is nearest in the MRO of the error wins. A verb that the job itself raises or returns comes before this.

    An exception group with one exception in it (a TaskGroup raises these) counts as that exception.
    No retries but for some errors: `Retry(on={Exception: Fail, Throttled: Snooze("30s")})`.

    >>> Retry(base="10s").next(3, OSError("down"), random=lambda: 0.5)
    Again(after=20.0, counts=True)
    >>> Retry(delays=["10s", "1m"]).next(3, ValueError(), random=lambda: 0.5)
    GiveUp()
    """

    max: int
    delays: tuple[float, ...]  # seconds; empty: exponential
    base: float  # seconds
    cap: float  # seconds
    jitter: Jitter
    _on: tuple[tuple[type[BaseException], Verb], ...]

    never: ClassVar["Retry"]
    """No retry. A job may still snooze; RetryIn finds no attempt left."""

    def __init__(
        self,
        *,
        max: int | None = None,
        delays: Sequence[Duration] | None = None,
        base: Duration | None = None,
        cap: Duration | None = None,
        jitter: Jitter | None = None,
        on: Mapping[type[E], Verb | type[Verb]] | None = None,
    ) -> None:
        if delays is not None and not (base is cap is None):
            raise ConfigError("Retry takes delays, or base and cap, not both; leave out one of them")
        listed = () if delays is None else _checked_delays(delays)
        put = object.__setattr__  # frozen
        put(self, "max", _checked_max(max, listed))
        put(self, "delays", listed)
        put(self, "base", _BASE if base is None else span("Retry's base", base, least=0.001))
        put(self, "cap", _checked_cap(cap, self.base))
        put(self, "jitter", _checked_jitter(jitter, "none" if listed else "full"))
        put(self, "_on", _checked_on({} if on is None else on))

    @property
    def on(self) -> Mapping[type[BaseException], Verb]:
        """What is done about some exceptions."""
        return MappingProxyType(dict(self._on))

    def next(self, attempt: int, error: BaseException, random: Callable[[], float]) -> Next:
        """What to do about `error` (a verb, too) after attempt number `attempt`; the first is 1. Never raises.

        `random` gives numbers from 0 up to 1. It is asked only when there is jitter to be made.
        """
        match self._verb_for(error):
            case Snooze(delay=delay):
                return Again(delay, counts=False)
            case Cancel(reason=reason):
                return Drop("cancelled", reason)
            case Discard(reason=reason):
                return Drop("discarded", reason)
            case Fail(reason=reason):
                return Dead(reason)
            case _ if attempt > self.max:
                return GiveUp()
            case RetryIn(delay=delay):
                return Again(delay, counts=True)
            case _:
                return Again(self._delay(attempt, random), counts=True)

    def _verb_for(self, error: BaseException) -> Verb | None:
        error = _only(error)
        if isinstance(error, Verb):
            return error
        verbs = dict(self._on)
        return next((verbs[kind] for kind in type(error).__mro__ if kind in verbs), None)

    def _delay(self, attempt: int, random: Callable[[], float]) -> float:
        done = attempt - 1 if attempt > 1 else 0  # the number comes out of a payload, which anyone may have written
        if self.delays:
            whole = self.delays[min(done, len(self.delays) - 1)]
        else:
            whole = min(self.cap, self.base * 2 ** min(done, 64))  # doubled so often, any base is above any cap
        if self.jitter == "full":
            return whole * random()
        return whole if self.jitter == "none" else whole / 2 + whole / 2 * random()

    def __repr__(self) -> str:
        """As it would be written, without what goes without saying."""
        if self.max == 0:
            return "Retry.never"
        said = [f"max={self.max}"] if not self.delays or self.max != len(self.delays) else []
        said += [f"delays={list(self.delays)}"] if self.delays else []
        said += [f"base={self.base:.15g}"] if self.base != _BASE else []
        said += [f"cap={self.cap:.15g}"] if self.cap != max(_CAP, self.base) else []
        said += [f"jitter={self.jitter!r}"] if self.jitter != ("none" if self.delays else "full") else []
        verbs = ", ".join(f"{kind.__name__}: {verb!r}" for kind, verb in self._on)
        said += [f"on={{{verbs}}}"] if verbs else []
        return f"Retry({', '.join(said)})"


def verb_of(value: object) -> Verb | None:
    """The verb that perform returned, or None for an ordinary result. Never raises.

    The class alone is taken for Discard and Fail; one that needs an argument has failed, with a reason that says so.

    >>> verb_of(Discard), verb_of("done")
    (Discard(), None)
    """
    if isinstance(value, Verb):
        return value
    if not isinstance(value, type) or not issubclass(value, Verb):
        return None
    try:
        return value()
    except (TypeError, ConfigError):
        return Fail(f"perform returned the class {value.__name__}, without an argument; write {_example(value)}")


def blamed(error: BaseException) -> BaseException:
    """The error to record when a job has failed: `error`, or what a verb that does not say why was raised from.

    >>> blamed(ValueError("no such order"))
    ValueError('no such order')
    """
    error = _only(error)
    if not isinstance(error, Verb) or error.reason is not None:
        return error
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__) or error


def span(name: str, value: object, *, least: float = 0.0) -> float:
    """A length of time that somebody wrote, in seconds: from `least` to ten years.

    Raises ConfigError that begins with `name` and says what to write instead.

    >>> span("delay", "1h30m")
    5400.0
    """
    try:
        result = durations.seconds(value)  # type: ignore[arg-type]  # refuses what is none
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: {str(error)[:200]}") from None
    if result < least:
        raise ConfigError(f"{name}: {_shown(value)} is too short; write {least:g} s or more, for example '30s'")
    if result > LONGEST:
        raise ConfigError(f"{name}: {_shown(value)} is more than 10 years; write something shorter, for example '30d'")
    return result


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _checked_delays(delays: object) -> tuple[float, ...]:
    if isinstance(delays, str) or not isinstance(delays, Sequence) or not delays:
        raise ConfigError(f"Retry's delays must be a list, not {_shown(delays)}; write for example [10, '1m', '10m']")
    return tuple(span(f"Retry's delay {number}", each) for number, each in enumerate(delays, 1))


def _checked_max(value: object, delays: tuple[float, ...]) -> int:
    if value is None:
        return len(delays) or _MAX
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"Retry's max must be a whole number, not {_shown(value)}; write for example max=5")
    if value < 1:
        raise ConfigError(f"Retry's max must be 1 or more, not {_shown(value)}; write Retry.never for no retries")
    if value < len(delays):
        raise ConfigError(f"Retry has {len(delays)} delays for {value} retries; leave out max, or some delays")
    return value


def _checked_cap(cap: Duration | None, base: float) -> float:
    if cap is None:
        return max(_CAP, base)
    checked = span("Retry's cap", cap)
    if checked >= base:
        return checked
    raise ConfigError(f"Retry's cap of {checked:g} s is below its base of {base:g} s; write a cap above the base")


def _checked_jitter(value: str | None, default: Jitter) -> Jitter:
    match value:
        case None:
            return default
        case "full" | "equal" | "none":
            return value
    raise ConfigError(f"Retry's jitter cannot be {_shown(value)}; write 'full', 'equal' or 'none'")


def _checked_on(on: object) -> tuple[tuple[type[BaseException], Verb], ...]:
    if not isinstance(on, Mapping):
        raise ConfigError(f"Retry's on must be a dict, not {_shown(on)}; write for example on={{ValueError: Discard}}")
    return tuple((_checked_kind(kind), _checked_verb(kind, verb)) for kind, verb in on.items())


def _checked_kind(kind: object) -> type[BaseException]:
    if not isinstance(kind, type) or not issubclass(kind, BaseException) or issubclass(kind, Verb):
        raise ConfigError(f"Retry's on: {_shown(kind)} is no class of errors; write for example on={{OSError: Fail}}")
    return kind


def _checked_verb(kind: type[BaseException], value: object) -> Verb:
    if isinstance(value, Verb):
        return value
    if isinstance(value, type) and issubclass(value, Verb):
        try:
            return value()
        except (TypeError, ConfigError):
            raise ConfigError(f"Retry's on: {value.__name__} needs an argument; write {_example(value)}") from None
    said = f"Retry's on: {kind.__name__}: {_shown(value)}"
    raise ConfigError(f"{said} is no verb; write Snooze('30s'), RetryIn('5m'), Cancel('why'), Discard or Fail")


def _example(verb: type[Verb]) -> str:
    return f"{verb.__name__}('5m')" if issubclass(verb, _Delayed) else f"{verb.__name__}('why')"


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return f"this {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


Retry.never = Retry()
object.__setattr__(Retry.never, "max", 0)  # frozen, and refused from anybody else
