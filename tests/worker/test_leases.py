"""The supervisor's duty: the leases of what its workers hold get a new end, also while the workers are silent."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque import clock, events
from resque.config import Settings
from resque.errors import Unreachable
from resque.store.identity import Identity
from resque.worker.leases import Leases
from tests.fault_proxy import FaultProxy

A, B = Identity("vm~a:1", "vm~a:1:q"), Identity("vm~b:2", "vm~b:2:q")
MakeSettings = Callable[..., Settings]


class Team:
    """The living workers and their queues, as the supervisor knows them."""

    def __init__(self) -> None:
        self.living: list[tuple[Identity, list[str]]] = []

    def __call__(self) -> list[tuple[Identity, list[str]]]:
        return self.living


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture
def leases(settings: MakeSettings, team: Team) -> Iterator[Leases]:
    made = Leases(settings(lease=20.0), team, lambda: None)
    yield made
    made.close()


def left(redis: Any, queue: str, who: Identity) -> float | None:
    """Seconds until a lease ends."""
    score = redis.zscore(f"resque:leases:{queue}", who.member)
    seconds, micros = redis.time()
    return None if score is None else score / 1000 - seconds - micros / 1_000_000


def test_every_lease_of_the_living_is_renewed(redis: Any, leases: Leases, team: Team) -> None:
    """Whether it has ended, or ends later than that."""
    team.living = [(A, ["q", "r"]), (B, ["q"])]
    redis.zadd("resque:leases:q", {A.member: 1, B.member: 1})
    redis.zadd("resque:leases:r", {A.member: 9e15})
    assert leases.tick(0.0) == 5.0
    for queue, who in (("q", A), ("q", B), ("r", A)):
        assert left(redis, queue, who) == pytest.approx(20, abs=0.5)


def test_no_lease_is_made(redis: Any, leases: Leases, team: Team) -> None:
    """A worker that has taken nothing from a queue has none there."""
    team.living = [(A, ["q", "r"])]
    redis.zadd("resque:leases:q", {B.member: 1})
    leases.tick(0.0)
    assert redis.zrange("resque:leases:q", 0, -1, withscores=True) == [(B.member.encode(), 1.0)]
    assert redis.exists("resque:leases:r") == 0


def test_the_sign_of_life_of_a_silent_worker_is_prolonged(redis: Any, leases: Leases, team: Team) -> None:
    """Its process cannot beat while a job holds the interpreter; pruning must not forget it."""
    team.living = [(A, ["q"])]
    redis.hset(f"resque:worker:{A.id}:info", "state", "working")
    redis.pexpire(f"resque:worker:{A.id}:info", 900)
    leases.tick(0.0)
    assert redis.pttl(f"resque:worker:{A.id}:info") == pytest.approx(60_000, abs=500)


def test_more_queues_than_one_call_takes(redis: Any, leases: Leases, team: Team) -> None:
    names = [f"q{number:03}" for number in range(200)]
    team.living = [(A, names)]
    for name in names:
        redis.zadd(f"resque:leases:{name}", {A.member: 1})
    leases.tick(0.0)
    assert all(left(redis, name, A) == pytest.approx(20, abs=0.5) for name in names)


def test_a_key_of_a_wrong_type_stops_no_other(redis: Any, leases: Leases, team: Team) -> None:
    team.living = [(A, ["a", "q"])]
    redis.set("resque:leases:a", "x")
    redis.zadd("resque:leases:q", {A.member: 1})
    leases.tick(0.0)
    assert left(redis, "q", A) == pytest.approx(20, abs=0.5)


def test_nobody_lives_nothing_is_renewed(leases: Leases, redis: Any) -> None:
    redis.zadd("resque:leases:q", {A.member: 1})
    assert leases.tick(0.0) == 5.0
    assert redis.zscore("resque:leases:q", A.member) == 1


def test_failure_is_told_and_tried_again_sooner(
    redis: Any, settings: MakeSettings, team: Team, proxy: FaultProxy
) -> None:
    leases = Leases(settings(url=proxy.url, lease=20.0), team, lambda: None)
    team.living = [(A, ["q"])]
    redis.zadd("resque:leases:q", {A.member: 1})
    proxy.stop()
    with events.listening("lease.renewal_failed") as heard:
        assert leases.tick(100.0) == 1.0
        assert leases.tick(101.0) == 1.0
    assert [data["since"] for _, data in heard] == [0.0, 1.0]
    proxy.start()
    assert leases.tick(102.0) == 5.0
    assert left(redis, "q", A) == pytest.approx(20, abs=0.5)
    proxy.stop()
    with events.listening("lease.renewal_failed") as heard:
        leases.tick(200.0)
    assert [data["since"] for _, data in heard] == [0.0], "counted anew"
    leases.close()


def test_in_a_ruby_namespace_the_same(redis: Any, leases: Leases, team: Team) -> None:
    redis.set("resque:wire", "ruby")
    redis.zadd("resque:leases:q", {A.member: 1})
    team.living = [(A, ["q"])]
    leases.tick(0.0)
    assert left(redis, "q", A) == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize(
    ("wish", "lease", "told_by"), [("kill", 20.0, 15.0), ("kill", 8.0, 8.0), ("continue", 20.0, 0)]
)
def test_it_is_told_before_the_leases_may_end(
    settings: MakeSettings,
    team: Team,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    wish: str,
    lease: float,
    told_by: float,
) -> None:
    """Once, and in time: an attempt may last as long as Redis may be silent, and none may begin that ends too late."""
    now, told = [100.0], list[float]()
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    leases = Leases(settings(url=proxy.url, lease=lease, on_lease_lost=wish), team, lambda: told.append(now[0] - 100.0))
    team.living = [(A, ["q"])]
    now[0] += leases.tick(now[0])
    proxy.stop()
    monkeypatch.setattr(leases, "_renew", lambda: _fail_after(now, 3.0))  # the default: 1 s to connect, 2 s to answer
    while now[0] < 100.0 + 2 * lease:
        now[0] += leases.tick(now[0])
    assert [at < lease for at in told] == ([True] if wish == "kill" else [])
    assert not told or lease / 4 <= told[0] <= told_by + 4.0
    leases.close()


def _fail_after(now: list[float], seconds: float) -> None:
    now[0] += seconds
    raise Unreachable("silent")


def test_after_a_renewal_it_may_be_told_again(settings: MakeSettings, team: Team, proxy: FaultProxy) -> None:
    told: list[int] = []
    made = settings(url=proxy.url, lease=0.4, on_lease_lost="kill", socket_timeout=0.05, connect_timeout=0.05)
    leases = Leases(made, team, lambda: told.append(1))
    team.living = [(A, ["q"])]
    for count in (1, 2):
        if count == 2:
            proxy.start()
        leases.tick(clock.monotonic())
        proxy.stop()
        end = clock.monotonic() + 1.0
        while clock.monotonic() < end:
            clock.sleep(leases.tick(clock.monotonic()))
        assert len(told) == count
    leases.close()
