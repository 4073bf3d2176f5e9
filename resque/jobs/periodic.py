"""Periodic: `@cron`, by which a job asks to run again and again.

May be in here: from the decorator to an entry in the registry. May not: what an entry is (schedules.py), ticks
(cron.py), storing entries and firing (scheduler/periodic.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

from resque.durations import Duration
from resque.errors import BadArguments, ConfigError
from resque.jobs import registry
from resque.jobs.cron import MissedTicks
from resque.jobs.definition import Definition
from resque.jobs.job import Bound, Job
from resque.jobs.schedules import Entry, schedule_of

J = TypeVar("J", bound=type[Job] | Bound[..., Any])


class CronOptions(TypedDict, total=False):
    """What `@cron(...)` takes beside the cron line."""

    tz: str | None
    every: Duration | None
    args: Sequence[Any]
    kwargs: Mapping[str, Any] | None
    name: str | None
    missed: MissedTicks
    description: str


def cron(expression: str | None = None, /, **options: Unpack[CronOptions]) -> Callable[[J], J]:
    """Run a job at these times, once for each tick, whatever number of hosts there is. The job stays as it was.

        @cron("0 6 * * mon-fri", tz="Europe/Berlin")
        class MorningReport(Job): ...

        @cron(every="5m", args=("eu",))
        @cron(every="5m", args=("us",), name="PollAmerica")
        @job(queue="poll")
        def poll(region: str) -> None: ...

    expression: a cron line, or @hourly, @daily and so on; tz: the zone that it means (UTC). every: an interval instead.
    args, kwargs: what the job is called with. name: of the entry; None: the job's wire name, for its second entry with
    `#2` behind it. missed: what becomes of ticks that nobody could fire in time: "skip" (nothing), "once" (one run for
    all of them), "all". description: for whoever looks at the list.

    Workers that import the job make the entry known when they start. A scheduler enqueues the job, and it has none of
    your code: before_enqueue is not called. Raises ConfigError, or BadArguments if the job cannot be called like that.
    """
    _refuse_unknown(options)

    def decorate(job: J) -> J:
        definition = _definition_of(job)
        name = options.get("name")
        entry = _entry(definition, _free_name(definition) if name is None else name, expression, options)
        registry.default.schedule(definition, entry)
        return job

    return decorate


def _entry(definition: Definition, name: str, expression: str | None, options: CronOptions) -> Entry:
    said = definition.options
    if said.unique is not None:
        raise ConfigError(
            f"cron entry {name!r}: {definition.name} is unique, and a tick takes no lock; "
            "put @cron on a small job of its own that enqueues this one"
        )
    args, kwargs = options.get("args", ()), options.get("kwargs") or {}
    found = schedule_of(name, expression, options.get("tz"), options.get("every"))
    entry = Entry(
        name=name,
        job=definition.name,
        queue=said.queue,
        args=args if isinstance(args, list) else _listed(name, args),
        kwargs=dict(kwargs),
        cron=found.expression,
        tz=found.tz,
        every=found.every,
        missed=options.get("missed", "skip"),
        description=options.get("description", ""),
        expires=said.expires,
        deadline=said.deadline,
    )
    try:
        definition.check(entry.args, entry.kwargs)
    except BadArguments as error:
        raise BadArguments(f"cron entry {name!r}: {error}") from None
    return entry


def _listed(name: str, args: object) -> list[Any]:
    if isinstance(args, str) or not isinstance(args, Sequence):
        raise ConfigError(f"cron entry {name!r}: args must be a tuple, for example args=(123,), not {args!r}"[:300])
    return list(args)


def _free_name(definition: Definition) -> str:
    """The wire name; with `#2`, `#3` … behind it when this job has entries of such names."""
    mine = {entry.name for entry in registry.default.schedules_of(definition)}
    number = 1
    while (name := definition.name if number == 1 else f"{definition.name}#{number}") in mine:
        number += 1
    return name


def _definition_of(job: object) -> Definition:
    bound = job if isinstance(job, Bound) else getattr(job, "_resque_bound", None)
    if isinstance(bound, Bound):
        return bound.definition
    if isinstance(job, type) and issubclass(job, Job):
        raise ConfigError(f"@cron: {job.__qualname__} has no perform of its own to run")
    raise ConfigError(f"@cron is for jobs, not for {job!r}; on a function it stands above @job"[:300])


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in CronOptions.__annotations__:
            known = ", ".join(sorted(CronOptions.__annotations__))
            raise TypeError(f"@cron has no option {name!r}; known are: {known}")
