"""Unique: which jobs count as the same, until when, and what is done with a second one.

May be in here: the option `Unique`, and `Fingerprint`: a call's arguments -> the digest that names its lock. May not:
taking or freeing a lock (store/), Redis, clocks.

A lock is taken when a job is enqueued and names that job. It is freed when the job starts or ends, in the same step.
Whatever happens, it is gone after its `ttl`: a lock that nobody frees (a queue purged by other tools, a payload
removed by hand) must not stop a job for longer than that.
"""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Literal

import msgspec

from resque.durations import Duration
from resque.errors import ConfigError, Unserializable
from resque.jobs.arguments import Signature
from resque.jobs.retry import span
from resque.payload.plain import plain

Until = Literal["start", "done", "ttl"]
Conflict = Literal["skip", "replace", "raise"]

DEFAULT_TTL = 3600.0
"""Seconds. An hour: longer than most jobs wait and run, short enough to wait for if a lock was left behind."""

_UNTIL = ("start", "done")
_CONFLICT = ("skip", "replace", "raise")
_LEAST = 0.001  # Redis counts milliseconds, and refuses a life of none
_DIGEST = 16  # bytes; hexadecimal makes it twice as many characters


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Unique:
    """At most one such job at a time. Raises ConfigError for what makes no sense.

    args: the parameters of perform that say which job it is, by name or by position from 0: `args=["order_id"]`.
        None: all of them. []: none, one job of this class at a time.
    until: when the next one may come. "start": when this one begins to run (what it will not see any more may be
        enqueued again); "done": when it has ended, through all its retries, however it ended; a length of time
        ("10m"): that long after it was enqueued, whatever becomes of it.
    on_conflict: what becomes of the second one. "skip": it is not stored, its enqueuer gets the id of the first.
        "replace": it takes the place of the one that waits; with a delay that makes a debounce. "raise": an error.
    ttl: the longest that a lock lives, one hour unless said otherwise; from when the job is due, for a delayed one. A
        job that waits and runs longer than that is not unique any more. Not with a length of time as `until`.

    >>> Unique(args=["order_id"], until="start", ttl="2h")
    Unique(args=['order_id'], until='start', ttl=7200)
    >>> Unique(until="10m").ttl
    600.0
    """

    args: tuple[str | int, ...] | None
    until: Until
    on_conflict: Conflict
    ttl: float

    def __init__(
        self,
        *,
        args: Sequence[str | int] | None = None,
        until: Literal["start", "done"] | Duration = "done",
        on_conflict: Conflict = "skip",
        ttl: Duration | None = None,
    ) -> None:
        put = object.__setattr__  # frozen
        put(self, "args", None if args is None else _checked_args(args))
        if until in _UNTIL:
            put(self, "until", until)
            put(self, "ttl", DEFAULT_TTL if ttl is None else span("Unique's ttl", ttl, least=_LEAST))
        elif ttl is not None:
            raise ConfigError(
                f"Unique takes until={until!r} or a ttl, not both; write until='start' or 'done' beside ttl={ttl!r}"
            )
        else:
            put(self, "until", "ttl")
            put(self, "ttl", _checked_until(until))
        put(self, "on_conflict", _checked_conflict(on_conflict))

    def lifetime(self, delay: float = 0.0) -> float:
        """Seconds after which the lock of a job that is enqueued now, with so long a delay, is gone at the latest."""
        return self.ttl if self.until == "ttl" else self.ttl + delay

    def __repr__(self) -> str:
        """As it would be written."""
        said = [] if self.args is None else [f"args={list(self.args)!r}"]
        said += [f"until={self.ttl:.15g}"] if self.until == "ttl" else []
        said += [f"until={self.until!r}"] if self.until == "start" else []
        said += [f"on_conflict={self.on_conflict!r}"] if self.on_conflict != "skip" else []
        said += [f"ttl={self.ttl:.15g}"] if self.until != "ttl" and self.ttl != DEFAULT_TTL else []
        return f"Unique({', '.join(said)})"


class Fingerprint:
    """Gives the digest of a call of one job. Two calls have the same one if the arguments that `unique` names are equal
    in their JSON form, however they were passed: by position, by name, or left to their default.

    Made when a job is defined: raises ConfigError if `unique` names an argument that perform does not take.
    """

    def __init__(self, unique: Unique, signature: Signature) -> None:
        self._job = signature.job
        self._positional = [p.name for p in signature.positional]
        self._names = {p.name for p in signature.named}
        self._defaults = {p.name: p.default for p in [*signature.positional, *signature.named] if _has_json_default(p)}
        self._chosen = None if unique.args is None else {_place(each, signature) for each in unique.args}

    def of(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """The digest of a call that fits perform's signature: 32 hexadecimal digits.

        Raises Unserializable, which names the argument, if one of those that count has no JSON form.
        """
        values = self._bound(args, kwargs)
        chosen = values if self._chosen is None else {key: values[key] for key in self._chosen if key in values}
        return digest(self._job, chosen)

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every argument under the name of its parameter; "*3" what perform's *args took, "**name" what **kwargs."""
        values = self._defaults | dict(zip(self._positional, args, strict=False))
        count = len(self._positional)
        values |= {f"*{index}": value for index, value in enumerate(args[count:], count)}
        return values | {name if name in self._names else f"**{name}": value for name, value in kwargs.items()}


def digest(job: str, values: Mapping[str, Any]) -> str:
    """32 hexadecimal digits for a job's wire name and the arguments that count; the order of keys makes no difference.

    Raises Unserializable. The name of the queue is not in it: locks live beside their queue, as its other keys do.

    >>> digest("ProcessOrderJob", {"order_id": 123})
    'dac0ff2639b4f47e2f45b546e38df4e0'
    """
    canonical = msgspec.json.encode(
        [job, {name: plain(value, f"argument {name.lstrip('*')}") for name, value in values.items()}],
        order="deterministic",
    )
    return hashlib.blake2b(canonical, digest_size=_DIGEST).hexdigest()


def _place(chosen: str | int, signature: Signature) -> str:
    """Where the chosen argument is found in what `Fingerprint._bound` gives. Raises ConfigError if perform has none."""
    positional = [p.name for p in signature.positional]
    if isinstance(chosen, int):
        if chosen < len(positional):
            return positional[chosen]
        if signature.more:
            return f"*{chosen}"
        raise ConfigError(
            f"{signature.job}: Unique names argument {chosen}, but perform takes {len(positional)} by position, "
            "counted from 0; write its name instead"
        )
    names = list(dict.fromkeys([*positional, *(p.name for p in signature.named)]))
    if chosen in names:
        return chosen
    if signature.others:
        return f"**{chosen}"
    close = difflib.get_close_matches(chosen, names, n=1, cutoff=0.5)
    known = f"it takes: {', '.join(names)}" if names else "it takes none"
    hint = f"did you mean {close[0]!r}?" if close else known
    raise ConfigError(f"{signature.job}: Unique names the argument {chosen!r}, which perform does not take; {hint}")


def _has_json_default(parameter: Parameter) -> bool:
    """A default without a JSON form (a sentinel object) cannot be told from others: leaving it out says as much."""
    if parameter.default is Parameter.empty:
        return False
    try:
        plain(parameter.default, parameter.name)
    except Unserializable:
        return False
    return True


def _checked_args(args: object) -> tuple[str | int, ...]:
    if isinstance(args, str) or not isinstance(args, Sequence):
        raise ConfigError(f"Unique's args must be a list, not {args!r}; write for example args=['order_id']")
    for each in args:
        named = isinstance(each, str) and each.isidentifier()
        if not named and (not isinstance(each, int) or isinstance(each, bool) or each < 0):
            raise ConfigError(
                f"Unique's args: {each!r} is no argument; write its name ('order_id') or its position from 0"
            )
    return tuple(args)


def _checked_until(until: object) -> float:
    if isinstance(until, str) and not until.strip()[:1].isdigit():
        close = difflib.get_close_matches(until.lower(), _UNTIL, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "write 'start', 'done' or a length of time, '10m'"
        raise ConfigError(f"Unique's until cannot be {until!r}; {hint}")
    return span("Unique's until", until, least=_LEAST)


def _checked_conflict(value: str) -> Conflict:
    match value:
        case "skip" | "replace" | "raise":
            return value
    close = difflib.get_close_matches(str(value).lower(), _CONFLICT, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "write 'skip', 'replace' or 'raise'"
    raise ConfigError(f"Unique's on_conflict cannot be {value!r}; {hint}")
