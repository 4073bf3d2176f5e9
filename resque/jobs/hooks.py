"""Hooks: methods of a job that are called around its life.

May be in here: which hooks a class has, calling them in order. May not: deciding anything; a hook changes a job's fate
only by what an exception in it means.

    before_enqueue(*args, **kwargs)      where it is enqueued; raises: nothing is stored, the caller gets the error
    after_enqueue(handle)                it is stored
    around_perform(*args, **kwargs)      gives a context manager (an async one, or a plain one, for an async job)
    before_perform(*args, **kwargs)      raises: the job has raised
    after_perform(*args, **kwargs)       perform came back
    on_failure(error)                    perform (or a hook before it) raised; before what comes of it:
    on_retry(error, delay)               it will run again, `delay` seconds later
    on_dead(error)                       it is in failed

Each is called on a fresh object of the class, but for the three around perform, which share perform's. Those that come
after the fact cannot change it: an error in after_enqueue, after_perform, on_… is told as the event `hook.failed`, and
no job is lost for it. What holds for all jobs of an application belongs into a subscriber of events.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from resque import events
from resque.errors import ConfigError

NAMES = (
    "before_enqueue",
    "after_enqueue",
    "around_perform",
    "before_perform",
    "after_perform",
    "on_failure",
    "on_retry",
    "on_dead",
)
_AT_ENQUEUE = NAMES[:2]


class Hooks:
    """The hooks of one job class."""

    def __init__(self, owner: Callable[..., Any], job: str, names: Sequence[str]) -> None:
        self._owner = owner
        self._job = job
        self._names = frozenset(names)

    @classmethod
    def of(cls, owner: Callable[..., Any], job: str, *, is_async: bool) -> "Hooks | None":
        """The hooks of this job, None if it has none. Raises ConfigError for one that could never be called."""
        if not isinstance(owner, type):
            return None
        found = [name for name in NAMES if getattr(owner, name, None) is not None]
        for name in found:
            hook = inspect.getattr_static(owner, name)
            if not callable(getattr(owner, name)):
                raise ConfigError(f"{job}: {name} must be a method, not {type(hook).__name__}")
            if inspect.iscoroutinefunction(getattr(owner, name)) and (not is_async or name in _AT_ENQUEUE):
                raise ConfigError(f"{job}: {name} must be a plain def: nobody would await it")
        return cls(owner, job, found) if found else None

    def before_enqueue(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises what the hook raises."""
        if "before_enqueue" in self._names:
            self._owner().before_enqueue(*args, **kwargs)

    def after_enqueue(self, handle: Any) -> None:
        """It is stored."""
        self._tell("after_enqueue", None, handle)

    def perform(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """perform with what belongs around it, for a plain job."""
        job, result = self._owner(), None  # None: what is around it may have swallowed its error
        with ExitStack() as around:
            if "around_perform" in self._names:
                around.enter_context(job.around_perform(*args, **kwargs))
            if "before_perform" in self._names:
                job.before_perform(*args, **kwargs)
            result = job.perform(*args, **kwargs)
        self._tell("after_perform", job, *args, **kwargs)
        return result

    async def aperform(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The same for an async job, whose hooks may be async or not."""
        job, result = self._owner(), None
        async with AsyncExitStack() as around:
            if "around_perform" in self._names:
                manager = job.around_perform(*args, **kwargs)
                if hasattr(manager, "__aenter__"):
                    await around.enter_async_context(manager)
                else:
                    around.enter_context(manager)
            if "before_perform" in self._names:
                await _awaited(job.before_perform(*args, **kwargs))
            result = await job.perform(*args, **kwargs)
        await _awaited(self._tell("after_perform", job, *args, **kwargs))
        return result

    def ended(self, error: BaseException, delay: float | None, *, is_dead: bool) -> list[Any]:
        """The job has raised; `delay`: it runs again so many seconds later. Returns what is still to be awaited."""
        told = [self._tell("on_failure", None, error)]
        if delay is not None:
            told.append(self._tell("on_retry", None, error, delay))
        if is_dead:
            told.append(self._tell("on_dead", None, error))
        return [each for each in told if each is not None]

    def _tell(self, name: str, job: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a hook that cannot change anything any more. Returns its coroutine, if it is one."""
        if name not in self._names:
            return None
        try:
            result = getattr(job or self._owner(), name)(*args, **kwargs)
        except Exception as error:
            self._report(name, error)
            return None
        return self._guarded(name, result) if inspect.iscoroutine(result) else None

    async def _guarded(self, name: str, coroutine: Any) -> None:
        try:
            await coroutine
        except Exception as error:
            self._report(name, error)

    def _report(self, name: str, error: Exception) -> None:
        events.emit("hook.failed", job=self._job, hook=name, error=error)


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
