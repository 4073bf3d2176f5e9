"""`open_door`: one of the two clients, closed when the test ends; jobs to enqueue, forgotten when it ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.jobs import registry
from resque.jobs.job import Job
from resque.jobs.unique import Unique
from tests.client.doors import DOORS, Door

OpenDoor = Callable[..., Door]


@pytest.fixture(params=["sync", "aio"])
def open_door(request: pytest.FixtureRequest) -> Iterator[OpenDoor]:
    """open_door(url, **settings) -> a client. A test that takes it runs twice."""
    opened: list[Door] = []

    def open_one(url: str, **settings: Any) -> Door:
        door = DOORS[request.param](url, **settings)
        opened.append(door)
        return door

    yield open_one
    for door in opened:
        door.close()


@pytest.fixture(autouse=True)
def _forget_jobs() -> Iterator[None]:
    before = set(registry.default.definitions())
    yield
    for definition in registry.default.definitions():
        if definition not in before:
            registry.default.remove(definition)


@pytest.fixture
def greet() -> Any:
    """A job in the queue "mail"."""

    class Greet(Job):
        queue = "mail"
        aliases = ("OldGreet",)

        def perform(self, name: str, *, loud: bool = False) -> str:
            return name.upper() if loud else name

    return Greet


@pytest.fixture
def unique() -> Any:
    """A job of which there may be one for each name; `unique(until=…, on_conflict=…)`."""

    def make(**how: Any) -> Any:
        class Remind(Job):
            queue = "mail"
            unique = Unique(args=["name"], **how)

            def perform(self, name: str, text: str = "") -> None: ...

        return Remind

    return make
