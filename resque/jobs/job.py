"""Job: the two equal doors, a class with perform and a decorated function.

May be in here: `Job`, `@job`, and what both offer: enqueue, aenqueue, enqueue_many, aenqueue_many, call, using.
May not: what becomes of a call behind the door, checks of names and arguments (definition.py).

Type checkers know the arguments and the result of a class job through descriptors: each is found on the class, and asks
for a class whose instances have a `perform`. At run time all of them lead to one `Bound`.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from resque.durations import Duration
from resque.errors import BadArguments, ConfigError
from resque.jobs import door, registry
from resque.jobs.definition import Call as Call  # clients find it here, beside the jobs that make it
from resque.jobs.definition import Definition, is_performable
from resque.jobs.door import Handle
from resque.jobs.limits import Limits
from resque.jobs.options import Declaration, FunctionDeclaration, JobOptions, Options
from resque.jobs.retry import Retry
from resque.jobs.unique import Unique

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C")

Rows = Iterable[tuple[Any, ...]]


class Bound(Generic[P, R]):
    """A job with its options: what `X.using(...)` gives, and what stands behind `X.enqueue`. Never changes.

    ProcessOrderJob.using(queue="slow").enqueue(123)
    """

    __slots__ = ("_definition", "_options")

    def __init__(self, definition: Definition, options: JobOptions) -> None:
        self._definition = definition
        self._options = options

    @property
    def definition(self) -> Definition:
        """The job."""
        return self._definition

    @property
    def options(self) -> JobOptions:
        """What applies to calls made through this."""
        return self._options

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Store the job for a worker; stored when it returns. Raises BadArguments, other JobErrors, or EnqueueError."""
        return door.default.open().enqueue(self.call(*args, **kwargs))

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """enqueue for asyncio."""
        return await door.default.open().aenqueue(self.call(*args, **kwargs))

    def enqueue_many(self, rows: Rows) -> list[Handle[R]]:
        """Store one job for each tuple of positional arguments, in order. All are checked before the first is sent.

        Raises BadArguments that says which one is wrong, other JobErrors, or EnqueueError.
        """
        return list(door.default.open().enqueue_many(self._calls(rows)))

    async def aenqueue_many(self, rows: Rows) -> list[Handle[R]]:
        """enqueue_many for asyncio."""
        return list(await door.default.open().aenqueue_many(self._calls(rows)))

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """The job with arguments, checked but not enqueued: for `resque.enqueue_many(X.call(1), Y.call("a"))`."""
        self._definition.check(args, kwargs)
        return Call(self._definition, args, kwargs, self._options)

    def using(self, **options: Unpack[Options]) -> "Bound[P, R]":
        """A copy with some options changed. Raises ConfigError for an unknown option, BadQueueName for a bad queue."""
        return Bound(self._definition, self._options.using(options))

    def _calls(self, rows: Rows) -> list[Call[R]]:
        calls: list[Call[R]] = []
        for row in rows:
            if not isinstance(row, (tuple, list)):
                raise BadArguments(
                    f"{self._definition.name}: enqueue_many takes tuples of arguments, [(1,), (2,)]; "
                    f"number {len(calls) + 1} is of type {type(row).__name__}"
                )
            try:
                self._definition.check(row, {})
            except BadArguments as error:
                raise BadArguments(f"number {len(calls) + 1} of enqueue_many: {error}") from None
            calls.append(Call(self._definition, tuple(row), {}, self._options))
        return calls

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._definition.name} {self._options}>"


class FunctionJob(Bound[P, R], Generic[P, R, C]):
    """A decorated function: called, it is that function; it also has everything that a job has."""

    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[P, C], definition: Definition) -> None:
        super().__init__(definition, definition.options)
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call the function here and now."""
        return self._function(*args, **kwargs)

    def __reduce__(self) -> str:
        """Copied and sent to other processes as the function is: by its name."""
        return self.__qualname__


class _Sync(Protocol[P, R_co]):
    def perform(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class _Async(Protocol[P, R_co]):
    def perform(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...


class _Using(Protocol[P, R]):
    def __call__(self, **options: Unpack[Options]) -> Bound[P, R]: ...


class _NotPerformable(ConfigError, AttributeError):
    """A base class is asked to enqueue. An AttributeError too, so that hasattr and documentation tools work on it."""


class _OfBound:
    """Finds an attribute of the class's Bound."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def _find(self, owner: Any) -> Any:
        bound = owner._resque_bound
        if bound is None:
            raise _NotPerformable(
                f"{owner.__qualname__} has no perform of its own to run; define it to enqueue this job"
            )
        return getattr(bound, self._name)


class _Enqueue(_OfBound):
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Async[P, R]]) -> Callable[P, Handle[R]]: ...
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Sync[P, R]]) -> Callable[P, Handle[R]]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class _AEnqueue(_OfBound):
    @overload
    def __get__(
        self, instance: None, owner: Callable[[], _Async[P, R]]
    ) -> Callable[P, Coroutine[Any, Any, Handle[R]]]: ...
    @overload
    def __get__(
        self, instance: None, owner: Callable[[], _Sync[P, R]]
    ) -> Callable[P, Coroutine[Any, Any, Handle[R]]]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class _EnqueueMany(_OfBound):
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Async[P, R]]) -> Callable[[Rows], list[Handle[R]]]: ...
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Sync[P, R]]) -> Callable[[Rows], list[Handle[R]]]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class _AEnqueueMany(_OfBound):
    @overload
    def __get__(
        self, instance: None, owner: Callable[[], _Async[P, R]]
    ) -> Callable[[Rows], Coroutine[Any, Any, list[Handle[R]]]]: ...
    @overload
    def __get__(
        self, instance: None, owner: Callable[[], _Sync[P, R]]
    ) -> Callable[[Rows], Coroutine[Any, Any, list[Handle[R]]]]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class _Call(_OfBound):
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Async[P, R]]) -> Callable[P, Call[R]]: ...
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Sync[P, R]]) -> Callable[P, Call[R]]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class _UsingOf(_OfBound):
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Async[P, R]]) -> _Using[P, R]: ...
    @overload
    def __get__(self, instance: None, owner: Callable[[], _Sync[P, R]]) -> _Using[P, R]: ...
    @overload
    def __get__(self, instance: "Job", owner: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self._find(owner)


class Job:
    """The base of a job that is a class. Give it a `perform`; it may be `async def`.

        class ProcessOrderJob(Job):
            queue = "order_processing"

            def perform(self, order_id: int, *, express: bool = False) -> str:
                return f"order {order_id} is on its way"

        ProcessOrderJob.enqueue(123)
        ProcessOrderJob.using(queue="slow").enqueue(123, express=True)
        ProcessOrderJob.enqueue_many([(1,), (2,)])
        ProcessOrderJob().perform(123)                # a plain call, no Redis

    A worker makes one object for each run, without arguments. Class attributes are read once, when the class is made:

    queue: where it goes ("default"); inherited.
    alone: it never runs while its worker has other jobs in hand (False); inherited.
    timeout: how long it may run, "5m" or seconds (None); inherited. Then JobTimeout is raised inside it (in threads
        other than the first as soon as Python code runs again); if it goes on, its process is killed `grace` later and
        only this job is blamed.
    limits: what the process of the job may use, `Limits(memory="512M", cpu="60s")` (None); inherited. It takes effect
        with `resque worker --fork`, where a job has a process of its own.
    retry: whether and when it runs again after it raised (`Retry(max=5)`); inherited.
    unique: which of its calls count as the same, `Unique(args=["order_id"])` (None: all differ); inherited.
    expires: it is not started any more so long after it was enqueued or due (None); inherited. Counted as expired.
    deadline: no attempt is begun any more so long after that (None); inherited. Then it has failed.
    name: its wire name; None means the name of the class. Not inherited: a subclass is a job of its own.
    aliases: older wire names under which it is run too. Not inherited.

    A class without perform, or with abstract methods, is a base for others: not registered, not to be enqueued.
    Making a class raises ConfigError for a job that could never run, BadQueueName, or DuplicateJob.

    Annotations of perform are resolved when it first runs, from its module and its class; one that cannot be resolved
    (a type made inside a function, written as text) counts as Any, and the argument arrives in its JSON form.
    """

    queue: ClassVar[str] = "default"
    name: ClassVar[str | None] = None
    aliases: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False
    timeout: ClassVar[Duration | None] = None
    limits: ClassVar[Limits | None] = None
    retry: ClassVar[Retry] = Retry()
    unique: ClassVar[Unique | None] = None
    expires: ClassVar[Duration | None] = None
    deadline: ClassVar[Duration | None] = None
    _resque_bound: ClassVar[Bound[..., Any] | None] = None

    enqueue = _Enqueue()
    aenqueue = _AEnqueue()
    enqueue_many = _EnqueueMany()
    aenqueue_many = _AEnqueueMany()
    call = _Call()
    using = _UsingOf()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._resque_bound = None
        options = JobOptions.declared(_declaration(cls))
        if not is_performable(cls):
            return
        own = vars(cls)
        name = own.get("name")
        definition = Definition(
            cls, name=cls.__name__ if name is None else name, aliases=own.get("aliases", ()), options=options
        )
        registry.default.add(definition)
        cls._resque_bound = Bound(definition, options)


class _Decorator(Protocol):
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> FunctionJob[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> FunctionJob[P, R, R]: ...


@overload
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> FunctionJob[P, R, Coroutine[Any, Any, R]]: ...
@overload
def job(function: Callable[P, R], /) -> FunctionJob[P, R, R]: ...
@overload
def job(**declaration: Unpack[FunctionDeclaration]) -> _Decorator: ...
def job(function: Any = None, /, **declaration: Unpack[FunctionDeclaration]) -> Any:
    """Make a function (`def` or `async def`) a job; it stays callable as it was. Use it bare or with options.

        @job(queue="mail")
        async def send_mail(to: str) -> None: ...

        send_mail.enqueue("ann@example.org")
        await send_mail("ann@example.org")            # a plain call, no Redis

    queue, alone, timeout, limits, retry, unique, expires, deadline, aliases: as for `Job`. name: its wire name; None
    means the name of the function.
    Raises ConfigError for a function that could never run as a job, BadQueueName, or DuplicateJob.
    """
    _refuse_unknown(declaration)
    options = JobOptions.declared(declaration)

    def decorate(function: Callable[..., Any]) -> FunctionJob[..., Any, Any]:
        _refuse_no_function(function)
        name = declaration.get("name")
        wire_name = function.__name__ if name is None else name
        definition = Definition(function, name=wire_name, aliases=declaration.get("aliases", ()), options=options)
        registry.default.add(definition)
        return FunctionJob(function, definition)

    return decorate if function is None else decorate(function)


def _declaration(owner: type["Job"]) -> Declaration:
    """What the class says about itself, or inherits."""
    return {
        "queue": owner.queue,
        "alone": owner.alone,
        "timeout": owner.timeout,
        "limits": owner.limits,
        "retry": owner.retry,
        "unique": owner.unique,
        "expires": owner.expires,
        "deadline": owner.deadline,
    }


def _refuse_unknown(declaration: Mapping[str, Any]) -> None:
    for name in declaration:
        if name not in FunctionDeclaration.__annotations__:
            known = ", ".join(sorted(FunctionDeclaration.__annotations__))
            raise TypeError(f"@job has no option {name!r}; known are: {known}")


def _refuse_no_function(function: Any) -> None:
    if isinstance(function, type):
        raise ConfigError(f"@job is for functions; write class {function.__name__}(Job) for a class")
    if isinstance(function, Bound):
        raise ConfigError(f"{function!r} is a job already")
    if not callable(function) or not hasattr(function, "__qualname__") or inspect.ismethod(function):
        raise ConfigError(f"@job is for functions, not for {function!r}; options are named: @job(queue='mail')")
