"""App: settings, registry and clients bound together; the default app; fills jobs/door.py.

May be in here: which client serves a call. May not: how anything is done.

    app = Resque("redis://localhost")          an app of your own
    resque.configure("redis://localhost")      the default one, which `X.enqueue(…)` uses
    RESQUE_REDIS_URL=redis://localhost         the same from the environment

Nothing connects before the first call that needs Redis.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resque.client.aclient import AsyncClient
from resque.client.client import Client
from resque.client.handle import Handle
from resque.client.prepare import Prepared, by_name, prepare
from resque.clock import now
from resque.config import Settings
from resque.errors import JobError
from resque.jobs import door
from resque.jobs.definition import Call
from resque.jobs.registry import Registry
from resque.jobs.registry import default as default_registry


class Resque:
    """One application's way to its jobs.

    >>> app = Resque("redis://localhost:6379/0", prefix="shop")
    >>> app.enqueue("ProcessOrderJob", [123], queue="order_processing").id
    '0192f0c1-…'
    """

    def __init__(self, redis_url: str | None = None, *, registry: Registry | None = None, **settings: Any) -> None:
        self.settings = Settings.load(redis_url=redis_url, **settings)
        self.registry = registry if registry is not None else default_registry
        self.client = Client(self.settings)
        self.aclient = AsyncClient(self.settings)

    def enqueue(
        self, job: str, args: Sequence[Any] = (), *, kwargs: Mapping[str, Any] | None = None, queue: str | None = None
    ) -> Handle[Any]:
        """Enqueue by wire name: for a job that another code base (or language) defines.

        A name that is registered here is checked as always, and may leave `queue` out.
        Raises JobError before anything is sent, NotEnqueued or EnqueueUnknown after.
        """
        return self.client.send([self._named(job, args, kwargs or {}, queue)])[0]

    async def aenqueue(
        self, job: str, args: Sequence[Any] = (), *, kwargs: Mapping[str, Any] | None = None, queue: str | None = None
    ) -> Handle[Any]:
        """`enqueue`, awaited."""
        return (await self.aclient.send([self._named(job, args, kwargs or {}, queue)]))[0]

    def enqueue_many(self, *calls: Call[Any]) -> list[Handle[Any]]:
        """Enqueue many different calls, a thousand a trip.

        >>> app.enqueue_many(ProcessOrderJob.call(1), SendMail.call("a@example.org"))
        """
        return self.client.enqueue_many(calls)

    async def aenqueue_many(self, *calls: Call[Any]) -> list[Handle[Any]]:
        """`enqueue_many`, awaited."""
        return await self.aclient.enqueue_many(calls)

    def close(self) -> None:
        """Close the blocking client's connections; the next call opens new ones."""
        self.client.close()

    async def aclose(self) -> None:
        """Close the asyncio client's connections of the running event loop."""
        await self.aclient.aclose()

    def _named(self, job: str, args: Sequence[Any], kwargs: Mapping[str, Any], queue: str | None) -> Prepared:
        definition = self.registry.find(job)
        if definition is None:
            if queue is None:
                raise JobError(f"{job!r} is not registered here, so its queue is not known: give queue=")
            return by_name(job, tuple(args), dict(kwargs), queue, now(), self.settings.max_payload)
        options = definition.options if queue is None else definition.options.using({"queue": queue})
        return prepare(Call(definition, tuple(args), dict(kwargs), options), now(), self.settings.max_payload)


class _Door:
    """What a job's enqueue goes through: the default app's clients, made at the first use."""

    def enqueue(self, call: Call[Any], /) -> Handle[Any]:
        return default().client.enqueue(call)

    async def aenqueue(self, call: Call[Any], /) -> Handle[Any]:
        return await default().aclient.enqueue(call)

    def enqueue_many(self, calls: Iterable[Call[Any]], /) -> list[Handle[Any]]:
        return default().client.enqueue_many(calls)

    async def aenqueue_many(self, calls: Iterable[Call[Any]], /) -> list[Handle[Any]]:
        return await default().aclient.enqueue_many(calls)


_default: Resque | None = None


def configure(redis_url: str | None = None, **settings: Any) -> Resque:
    """Set the default app. Replaces (and closes) an earlier one. Raises ConfigError."""
    global _default
    app = Resque(redis_url, **settings)
    if _default is not None:
        _default.close()
    _default = app
    return app


def default() -> Resque:
    """The default app; without `configure` it is made from the environment and the settings file."""
    return _default if _default is not None else configure()


def enqueue(
    job: str, args: Sequence[Any] = (), *, kwargs: Mapping[str, Any] | None = None, queue: str | None = None
) -> Handle[Any]:
    """`Resque.enqueue` of the default app.

    >>> resque.enqueue("ProcessOrderJob", [123], queue="order_processing")
    """
    return default().enqueue(job, args, kwargs=kwargs, queue=queue)


async def aenqueue(
    job: str, args: Sequence[Any] = (), *, kwargs: Mapping[str, Any] | None = None, queue: str | None = None
) -> Handle[Any]:
    """`enqueue`, awaited."""
    return await default().aenqueue(job, args, kwargs=kwargs, queue=queue)


def enqueue_many(*calls: Call[Any]) -> list[Handle[Any]]:
    """`Resque.enqueue_many` of the default app."""
    return default().enqueue_many(*calls)


async def aenqueue_many(*calls: Call[Any]) -> list[Handle[Any]]:
    """`enqueue_many`, awaited."""
    return await default().aenqueue_many(*calls)


door.default.fill(_Door())
