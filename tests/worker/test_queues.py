"""The queues that a worker looks at: none before the supervisor knows of it; patterns ask Redis, now and then."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from resque import clock
from resque.config import Settings
from resque.errors import StoreError
from resque.store.aio import AsyncLine
from resque.store.keys import Keys
from resque.worker.queues import Queues
from tests.fault_proxy import FaultProxy

MakeSettings = Callable[..., Settings]


class Supervisor:
    """Notes what it was told; `hears` says whether the message went through at once."""

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.hears = True

    def __call__(self, queues: Sequence[str]) -> bool:
        self.told.append(list(queues))
        return self.hears


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


def test_queues_are_announced_before_they_are_used(supervisor: Supervisor) -> None:
    queues = Queues(Settings(queues="a,b"), supervisor)
    assert queues.used == set()
    assert queues.order() == ["a", "b"]
    assert supervisor.told == [["a", "b"]]
    assert queues.used == {"a", "b"}
    queues.order()
    assert len(supervisor.told) == 1, "once"


def test_a_queue_that_could_not_be_announced_is_not_used(supervisor: Supervisor) -> None:
    """Its supervisor would not look there when we die. It is announced again, until that works."""
    queues = Queues(Settings(queues="a,b"), supervisor)
    supervisor.hears = False
    assert queues.order() == []
    assert queues.order() == []
    assert queues.used == set()
    supervisor.hears = True
    assert queues.order() == ["a", "b"]
    assert supervisor.told == [["a", "b"]] * 3


def test_weighted_queues_are_announced_together(supervisor: Supervisor) -> None:
    queues = Queues(Settings(queues="a:1,b:1"), supervisor)
    for _ in range(20):
        assert sorted(queues.order()) == ["a", "b"]
    assert [sorted(names) for names in supervisor.told] == [["a", "b"]]


def refresh(queues: Queues, settings: Settings, between: Callable[[], None] = lambda: None) -> None:
    """Twice, with something between."""

    async def ask() -> None:
        line = AsyncLine(settings)
        try:
            await queues.refresh(line, Keys())
            between()
            await queues.refresh(line, Keys())
        finally:
            await line.close()

    asyncio.run(ask())


def test_patterns_find_the_known_queues(settings: MakeSettings, redis: Any, supervisor: Supervisor) -> None:
    made = settings(queues="*,!quiet")
    queues = Queues(made, supervisor)
    assert queues.order() == []
    redis.sadd("resque:queues", "b", "a", "quiet")
    refresh(queues, made)
    assert queues.order() == ["a", "b"]
    assert supervisor.told == [["a", "b"]]
    assert len(queues) == 2


def test_new_queues_are_announced_alone(settings: MakeSettings, redis: Any, supervisor: Supervisor) -> None:
    made = settings(queues="*")
    queues = Queues(made, supervisor)
    redis.sadd("resque:queues", "a")
    refresh(queues, made)
    queues.order()
    redis.sadd("resque:queues", "b")
    queues._asked = float("-inf")
    supervisor.hears = False
    refresh(queues, made)
    assert queues.order() == ["a"], "the new one is not known to the supervisor yet"
    supervisor.hears = True
    assert queues.order() == ["a", "b"]
    assert supervisor.told == [["a"], ["b"], ["b"]]


def test_the_known_queues_are_asked_for_once_a_poll(
    settings: MakeSettings, redis: Any, proxy: FaultProxy, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(url=proxy.url, queues="*", poll=0.5)
    queues, times = Queues(made, supervisor), [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: times[0])
    refresh(queues, made)
    assert proxy.requests == 1
    refresh(queues, made, lambda: times.append(times.pop() + 0.4))
    assert proxy.requests == 1
    refresh(queues, made, lambda: times.append(times.pop() + 0.2))
    assert proxy.requests == 2


def test_named_queues_never_ask(settings: MakeSettings, proxy: FaultProxy, supervisor: Supervisor) -> None:
    made = settings(url=proxy.url, queues="a,b:3")
    refresh(Queues(made, supervisor), made)
    assert proxy.requests == 0


def test_a_wrong_type_is_told(settings: MakeSettings, redis: Any, supervisor: Supervisor) -> None:
    redis.set("resque:queues", "x")
    made = settings(queues="*")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        refresh(Queues(made, supervisor), made)


def test_many_queues_are_looked_at_less_often(settings: MakeSettings, redis: Any, supervisor: Supervisor) -> None:
    """A second more for each thousand."""
    made = settings(queues="*", poll=0.5)
    queues = Queues(made, supervisor)
    assert queues.poll() == 0.5
    redis.sadd("resque:queues", *(f"q{n}" for n in range(2500)))
    refresh(queues, made)
    queues.order()
    assert queues.poll() == 2.5
