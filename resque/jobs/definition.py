"""Definition: everything about one job that is known before it runs, and Call: a definition with arguments.

May be in here: names and their rule, what owns the job, checking and performing a call. May not: the doors through
which a person writes a job (job.py), how arguments are looked at (arguments.py), anything that sends.
"""

import inspect
import re
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from resque.errors import ConfigError
from resque.jobs.arguments import Conversion, Signature
from resque.jobs.hooks import Hooks
from resque.jobs.options import JobOptions
from resque.jobs.unique import Fingerprint

R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]{0,199}")


class Definition:
    """One job: a class with perform, or a function.

    name, aliases: its wire names; new payloads carry `name`, payloads with an alias are run too.
    options: what applies unless a call says otherwise. alone, timeout, retry: those of the options.
    fingerprint: of its calls, if it is unique. hooks: if it has any. has_times: whether each of its calls
    gets a lock or a time.
    owner: the class or the function. source: where that is, "module.qualname".
    is_async: whether perform is a coroutine function.

    Raises ConfigError when the job could never run: a bad name, a constructor with arguments, a generator as perform.

    >>> def add(a: int, b: int = 1) -> int: return a + b
    >>> Definition(add, name="Add").invoke([2, 3], {})
    5
    """

    def __init__(
        self,
        owner: Callable[..., Any],
        *,
        name: str,
        aliases: Iterable[str] = (),
        options: JobOptions | None = None,
    ) -> None:
        self.owner = owner
        self.source = f"{getattr(owner, '__module__', '?')}.{getattr(owner, '__qualname__', '?')}"
        self.name = _checked_name(name, self.source)
        self.aliases = _checked_aliases(aliases, self.name, self.source)
        self.options = options or JobOptions()
        self.alone = self.options.alone
        self.timeout = self.options.timeout
        self.retry = self.options.retry
        self._is_class = isinstance(owner, type)
        self._names: Mapping[str, Any] = {}
        function, method = owner, False
        if isinstance(owner, type):
            _refuse_constructor(owner, self.name)
            function, method, self._names = _perform_of(owner, self.name)
        _refuse_generator(function, self.name)
        self.is_async = inspect.iscoroutinefunction(function)
        self._signature = Signature(self.name, function, method=method)
        self._fewest, self._most = self._signature.fewest, self._signature.most
        said = (self.options.unique, self.options.expires, self.options.deadline)
        self.has_times = any(each is not None for each in said)
        self.fingerprint = None if self.options.unique is None else Fingerprint(self.options.unique, self._signature)
        self.hooks = Hooks.of(owner, self.name, is_async=self.is_async)
        self._conversion: Conversion | None = None

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise BadArguments unless the arguments fit perform's signature. Types are not looked at: here, before
        encoding, a datetime is still a datetime."""
        if kwargs or not self._fewest <= len(args) <= self._most:
            self._signature.check(args, kwargs)

    def invoke(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Perform the job with arguments as they came out of JSON, converted to the annotated types.

        Returns what perform returns: a coroutine when `is_async`. Raises BadArguments, before any code of the job
        runs, if they do not fit; and whatever perform raises.
        """
        plan = self._conversion or self._resolve()
        if plan.untyped:
            if kwargs or not self._fewest <= len(args) <= self._most:
                self._signature.check(args, kwargs)
        elif kwargs or tuple(map(type, args)) not in plan.shapes:
            args, kwargs = plan.convert(args, kwargs)
        if self.hooks is not None:
            return (self.hooks.aperform if self.is_async else self.hooks.perform)(args, kwargs)
        perform = self.owner().perform if self._is_class else self.owner
        return perform(*args, **kwargs) if kwargs else perform(*args)

    def prepare(self) -> None:
        """Resolve the annotations now and not at the first run: for a process that forks, once for all its children."""
        self._resolve()

    def _resolve(self) -> Conversion:
        self._conversion = Conversion(self._signature, self._names)
        return self._conversion

    def __repr__(self) -> str:
        return f"<Definition {self.name} of {self.source}>"


class Call(msgspec.Struct, Generic[R_co], frozen=True):
    """A job with arguments, checked but not enqueued. A struct and not a dataclass because bulk enqueueing makes many
    (0.1 instead of 0.7 µs). `R_co` is the type of perform's result.

    >>> call = Call(Definition(print, name="Print"), ("x",), {}, JobOptions())
    >>> call.definition.name
    'Print'
    """

    definition: Definition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: JobOptions


def is_performable(owner: type) -> bool:
    """Whether a class is a job to run, and not a base for others: it has a perform, and nothing abstract is left."""
    if not hasattr(owner, "perform"):
        return False
    # ABCMeta fills __abstractmethods__ only after the class is made, which is after jobs are defined.
    candidates = dir(owner) if isinstance(owner, ABCMeta) else ["perform"]
    return not any(
        getattr(inspect.getattr_static(owner, name, None), "__isabstractmethod__", False) for name in candidates
    )


def _checked_name(name: object, source: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{source}: {name!r} cannot be a job's wire name; give it name='...': a letter or _, then letters, digits, "
            "_ . : (200 characters at most, ASCII)"
        )
    return name


def _checked_aliases(aliases: object, name: str, source: str) -> tuple[str, ...]:
    if isinstance(aliases, str) or not isinstance(aliases, Iterable):
        raise ConfigError(f"{source}: aliases must be a tuple of names, for example aliases=('OldName',)")
    checked = dict.fromkeys(_checked_name(alias, source) for alias in aliases)
    checked.pop(name, None)
    return tuple(checked)


def _refuse_constructor(owner: type, job: str) -> None:
    init: Any = inspect.getattr_static(owner, "__init__")
    if init is not object.__init__ and len(inspect.signature(init).parameters) > 1:
        raise ConfigError(f"{job}: __init__ must take no arguments; a worker makes the object, arguments go to perform")


def _perform_of(owner: type, job: str) -> tuple[Callable[..., Any], bool, Mapping[str, Any]]:
    """The function behind `perform`, whether it takes a receiver, and the names its annotations may use."""
    home = next((base for base in owner.__mro__ if "perform" in vars(base)), owner)
    found = inspect.getattr_static(owner, "perform")
    if isinstance(found, staticmethod):
        return found.__func__, False, vars(home)
    if isinstance(found, classmethod):
        return found.__func__, True, vars(home)
    if not callable(found) or not hasattr(found, "__get__"):
        raise ConfigError(f"{job}: perform must be a method, not {type(found).__name__}")
    return found, True, vars(home)


def _refuse_generator(function: Callable[..., Any], job: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{job}: perform has a yield: calling it would run nothing; return a value instead")
