"""Options: what may be said about a job beside its arguments, and the rule for queue names.

May be in here: the names of options, their defaults, whether a value makes sense. May not: what an option does.
Options never share a namespace with a job's arguments: they are class attributes, or given to `@job` or `using`.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypedDict

from resque.durations import Duration, seconds
from resque.errors import BadQueueName, ConfigError
from resque.jobs.limits import Limits
from resque.jobs.retry import LONGEST, Retry, span
from resque.jobs.unique import Unique

MAX_QUEUE_NAME = 200
"""Characters."""
MAX_KEY = 200
"""Characters."""

_RESERVED = frozenset("{}*?[]!,")
_RETRY = Retry()


class Options(TypedDict, total=False):
    """What `using(...)` takes, per call. Checked by type checkers and again at run time."""

    queue: str
    delay: Duration
    at: datetime
    at_front: bool
    key: str
    expires: Duration | None
    deadline: Duration | None


class Declaration(TypedDict, total=False):
    """What a job may say about itself: class attributes of a `Job`, or arguments of `@job`."""

    queue: str
    alone: bool
    timeout: Duration | None
    limits: Limits | None
    retry: Retry
    unique: Unique | None
    expires: Duration | None
    deadline: Duration | None


class FunctionDeclaration(Declaration, total=False):
    """What `@job(...)` takes: a function cannot say the rest any other way."""

    name: str | None
    aliases: Iterable[str]


_PER_CALL = frozenset(Options.__annotations__)


@dataclass(frozen=True, slots=True, repr=False)
class JobOptions:
    """The options of one job or one call, complete and valid. Raises BadQueueName or ConfigError when it is not.

    queue: the queue it goes to.
    alone: it never runs while its worker has other jobs in hand (for C code that never releases the GIL).
    timeout: seconds that it may run; None: as long as it likes.
    limits: what its process may use, with --fork; None: what the worker may.
    retry: whether and when it runs again after it raised.
    unique: which of its calls count as the same, and what is done with a second one; None: all differ.
    expires: seconds after which it is not started any more; None: it never expires. From when it is due, if delayed.
    deadline: seconds after which no attempt is begun any more, over all attempts; None: no such end.
    delay, at: of a call: it runs so many seconds later, or at this time (seconds since 1970).
    at_front: of a call: it is the next of its queue.
    key: of a call: a second one with this key is not stored, for a day.
    """

    queue: str = "default"
    alone: bool = False
    timeout: float | None = None
    limits: Limits | None = None
    retry: Retry = _RETRY
    unique: Unique | None = None
    expires: float | None = None
    deadline: float | None = None
    delay: float | None = None
    at: float | None = None
    at_front: bool = False
    key: str | None = None

    def __post_init__(self) -> None:
        check_queue_name(self.queue)
        for name in ("alone", "at_front"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(f"timeout must be above 0 seconds, not {self.timeout!r}")
        if self.limits is not None and not isinstance(self.limits, Limits):
            raise ConfigError(f"limits must be Limits(...), for example Limits(memory='512M'), not {self.limits!r}")
        if not isinstance(self.retry, Retry):
            raise ConfigError(f"retry must be Retry(...) or Retry.never, not {self.retry!r}")
        if self.unique is not None and not isinstance(self.unique, Unique):
            raise ConfigError(f"unique must be Unique(...), not {self.unique!r}")
        self._check_call()

    def _check_call(self) -> None:
        if self.delay is not None and self.at is not None:
            raise ConfigError("using() takes delay or at, not both")
        if self.at_front and (self.delay is not None or self.at is not None):
            raise ConfigError("at_front goes without delay and at: a job that is due goes to the back of its queue")
        if self.key is not None:
            if not isinstance(self.key, str) or not 0 < len(self.key) <= MAX_KEY:
                raise ConfigError(f"key must be text of 1 to {MAX_KEY} characters, not {self.key!r}"[:300])
            if self.unique is not None:
                raise ConfigError("key and unique exclude each other: the job is unique by its arguments already")

    @classmethod
    def declared(cls, values: Declaration) -> Self:
        """The options of a job that says this about itself. Raises ConfigError or BadQueueName.

        >>> JobOptions.declared({"queue": "mail", "timeout": "5m"}).timeout
        300.0
        """
        mine = {name: value for name, value in values.items() if name in Declaration.__annotations__}
        return cls(**_converted(mine))

    def using(self, options: Mapping[str, Any]) -> Self:
        """A copy with some options changed. Raises ConfigError for a name that is no option of a call.

        >>> JobOptions(queue="mail").using({"queue": "slow", "delay": "5m"}).delay
        300.0
        """
        for name in options:
            if name not in _PER_CALL:
                raise ConfigError(_unknown(name))
        return dataclasses.replace(self, **_converted(options))

    def __repr__(self) -> str:
        """What differs from the defaults."""
        said = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in dataclasses.fields(self)
            if getattr(self, each.name) != each.default
        ]
        return f"JobOptions({', '.join(said)})"


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Lengths of time and moments in seconds."""
    result = dict(values)
    for name, least in (("expires", 0.001), ("deadline", 0.001), ("delay", 0.0)):
        if result.get(name) is not None:
            result[name] = span(name, result[name], least=least)
    if result.get("timeout") is not None:
        result["timeout"] = _timeout(result["timeout"])
    if result.get("at") is not None:
        result["at"] = _moment(result["at"])
    return result


def _timeout(value: Any) -> float:
    try:
        return seconds(value)
    except ValueError as error:
        raise ConfigError(f"timeout: {error}") from None


def _moment(value: Any) -> float:
    """Seconds since 1970. Raises ConfigError."""
    if not isinstance(value, datetime):
        raise ConfigError(f"at must be a datetime with a time zone, not {value!r}; for a length of time say delay=")
    if value.utcoffset() is None:
        raise ConfigError(
            f"at={value!r} has no time zone; write for example datetime(..., tzinfo=ZoneInfo('Europe/Berlin')), "
            "or datetime.now(UTC) + timedelta(...)"
        )
    at = value.timestamp()
    if not 0 <= at <= _END:
        raise ConfigError(f"at={value!r} is too far away; delays may have ten years")
    return at


_END = 253_402_300_799 - LONGEST  # what a datetime can hold, with room for a deadline


def check_queue_name(name: object) -> str:
    """Return `name` if it can be a queue's name, else raise BadQueueName that says what is wrong with it.

    A name is 1 to 200 printable characters without blanks and without `{ } * ? [ ] ! ,`: those mean something in Redis
    Cluster keys and in lists of queues (`-q mail*,!mail_slow`). Colons are allowed, but on the command line a colon
    with digits at the end is read as a weight: a queue named "mail:3" has to be written "mail:3:1" there.

    >>> check_queue_name("order_processing")
    'order_processing'
    """
    if not isinstance(name, str):
        raise BadQueueName(f"a queue's name must be text, not {type(name).__name__}")
    if not name:
        raise BadQueueName("a queue's name must not be empty")
    if len(name) > MAX_QUEUE_NAME:
        raise BadQueueName(f"a queue's name may have {MAX_QUEUE_NAME} characters, {name[:20]!r}... has {len(name)}")
    reserved = sorted(_RESERVED.intersection(name))
    if reserved:
        raise BadQueueName(f"queue name {name!r} must not contain {' '.join(reserved)}; write for example 'order_mail'")
    # isprintable is false for control characters, lone surrogates, invisible marks and every blank but the space.
    if " " in name or not name.isprintable():
        raise BadQueueName(f"queue name {name!r} must not contain blanks or control characters; write '_' instead")
    return name


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _PER_CALL, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(sorted(_PER_CALL))}"
    return f"using() has no option {name!r}; {hint} (a job's own arguments go to enqueue)"
