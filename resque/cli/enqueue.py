"""`resque enqueue`: put one job into its queue.

May be in here: arguments and options from words, by name or by a known job. May not: how a job gets in (app, client).
"""

import json
from contextlib import closing
from typing import Any

import click

from resque.app import Resque
from resque.cli import moments, options, render
from resque.cli.exits import NOT_FOUND, USAGE, Failed, near
from resque.client.handle import Handle
from resque.config import Settings
from resque.jobs.definition import Call, Definition
from resque.jobs.options import Options
from resque.jobs.registry import default as registry
from resque.payload.strict import is_name
from resque.worker.process import import_app


@click.command("enqueue", short_help="Put one job into its queue; print its id.")
@click.argument("job")
@click.argument("args", nargs=-1)
@click.option("-q", "--queue", help="The queue; needed without -A, which knows the job's own.")
@click.option("--kwarg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument by its name. May be repeated.")
@moments.timed
@click.option("--front", is_flag=True, help="As the next of its queue, not the last.")
@click.option("--key", metavar="TEXT", help="Not again within a day after one of this job with the same key.")
@options.as_json
@options.shared
def command(job: str, args: tuple[str, ...], queue: str | None, pairs: tuple[str, ...], **how: Any) -> None:
    """Put one job into its queue; print its id.

    Each argument is JSON if it can be read as JSON, else text: 123, true, '{"a": 1}', hello. Put -- before arguments
    that begin with a dash.

    \b
      resque enqueue ProcessOrderJob 123 --queue orders --kwarg express=true
      resque enqueue -A shop.jobs RemindJob 123 --in 5m --key reminder-123
    """
    settings = options.settings()
    using = _using(queue, **{name: how[name] for name in ("delay", "at", "front", "key")})
    _check_name(settings, job, queue)
    keywords = dict(_pair(text) for text in pairs)
    with closing(Resque(**options.arguments())) as app:
        handle = _enqueue(app, job, [value(text) for text in args], keywords, using)
    if how["as_json"]:
        render.document({"id": handle.id, "queue": handle.queue, "job": handle.job})
    else:
        click.echo(handle.id)


def value(text: str) -> Any:
    """What a word of the command line means: JSON if it is JSON, else itself.

    >>> value("123"), value("hello"), value("NaN")
    (123, 'hello', 'NaN')
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _using(queue: str | None, delay: str | None, at: str | None, front: bool, key: str | None) -> Options:
    """The options of the call. Raises Failed."""
    due = moments.due(delay, at)
    if front and due is not None:
        hint = "a job that is due goes to the back of its queue"
        raise Failed("--front goes without --in and --at", hint=hint, code=USAGE)
    using: Options = {}
    if queue is not None:
        using["queue"] = queue
    if due is not None:
        using["at"] = due
    if front:
        using["at_front"] = True
    if key is not None:
        using["key"] = key
    return using


def _enqueue(app: Resque, job: str, args: list[Any], kwargs: dict[str, Any], using: Options) -> Handle[Any]:
    if not using.keys() - {"queue"}:
        return app.enqueue(job, args, kwargs=kwargs, queue=using.get("queue"))
    definition = registry.find(job)
    if definition is None:
        if not is_name(job):
            hint = "a letter or _, then letters, digits and _.:"
            raise Failed(f"{job!r} cannot name a job", hint=hint, code=USAGE)
        definition = Definition(_elsewhere, name=job)
    return app.client.enqueue(Call(definition, tuple(args), kwargs, definition.options.using(using)))


def _elsewhere(*args: Any, **kwargs: Any) -> None:
    """Stands for a job that another code base defines: it takes any arguments, and is not run here."""


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _pair(text: str) -> tuple[str, Any]:
    name, equals, after = text.partition("=")
    if not equals or not name.isidentifier():
        raise Failed(f"--kwarg {text!r} is not NAME=VALUE", hint="for example --kwarg express=true", code=USAGE)
    return name, value(after)


def _check_name(settings: Settings, job: str, queue: str | None) -> None:
    """A known application knows its jobs: a name that is none of them would fail in a worker, later."""
    if not settings.app:
        if queue is None:
            raise Failed(
                f"the queue of {job!r} is not known here",
                hint="say --queue NAME, or -A MODULE so that the job's own queue is known",
                code=USAGE,
            )
        return
    import_app(settings.app)
    if registry.find(job) is None:
        names = registry.names()
        hint = near(job, names, otherwise=f"there are: {', '.join(names)}" if names else "it defines no jobs")
        raise Failed(f"{', '.join(settings.app)} defines no job {job!r}", hint=hint, code=NOT_FOUND)
