"""Options: what may be said about a job beside its arguments, and the rule for queue names.

May be in here: the names of options, their defaults, whether a value makes sense. May not: what an option does.
Options never share a namespace with a job's arguments: they are class attributes, or given to `@job` or `using`.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypedDict

from resque.durations import Duration, seconds
from resque.errors import BadQueueName, ConfigError
from resque.jobs.limits import Limits

MAX_QUEUE_NAME = 200
"""Characters."""

_RESERVED = frozenset("{}*?[]!,")


class Options(TypedDict, total=False):
    """What `using(...)` takes, per call. Checked by type checkers and again at run time."""

    queue: str


class Declaration(TypedDict, total=False):
    """What a job may say about itself: class attributes of a `Job`, or arguments of `@job`."""

    queue: str
    alone: bool
    timeout: Duration | None
    limits: Limits | None


class FunctionDeclaration(Declaration, total=False):
    """What `@job(...)` takes: a function cannot say the rest any other way."""

    name: str | None
    aliases: Iterable[str]


_PER_CALL = frozenset(Options.__annotations__)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of one job or one call, complete and valid. Raises BadQueueName or ConfigError when it is not.

    queue: the queue it goes to.
    alone: it never runs while its worker has other jobs in hand (for C code that never releases the GIL).
    timeout: seconds that it may run; None: as long as it likes.
    limits: what its process may use, with --fork; None: what the worker may.
    """

    queue: str = "default"
    alone: bool = False
    timeout: float | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        check_queue_name(self.queue)
        if not isinstance(self.alone, bool):
            raise ConfigError(f"alone must be True or False, not {self.alone!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(f"timeout must be above 0 seconds, not {self.timeout!r}")
        if self.limits is not None and not isinstance(self.limits, Limits):
            raise ConfigError(f"limits must be Limits(...), for example Limits(memory='512M'), not {self.limits!r}")

    @classmethod
    def declared(cls, values: Declaration) -> Self:
        """The options of a job that says this about itself. Raises ConfigError or BadQueueName.

        >>> JobOptions.declared({"queue": "mail", "timeout": "5m"}).timeout
        300.0
        """
        try:
            timeout = values.get("timeout")
            length = None if timeout is None else seconds(timeout)
        except ValueError as error:
            raise ConfigError(f"timeout: {error}") from None
        return cls(values.get("queue", "default"), values.get("alone", False), length, values.get("limits"))

    def using(self, options: Mapping[str, Any]) -> Self:
        """A copy with some options changed. Raises ConfigError for a name that is no option of a call.

        >>> JobOptions(queue="mail").using({"queue": "slow"}).queue
        'slow'
        """
        for name in options:
            if name not in _PER_CALL:
                raise ConfigError(_unknown(name))
        return dataclasses.replace(self, **options)


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
