"""The server's clock jumps while workers work: nothing lost, nothing run twice while its worker lives.

May be in here: a server whose wall clock the test sets (libfaketime), and what must hold after a jump. May not: other
faults. Leases end by the server's clock and are watched by a steady one, so a jump may make all of them end at once, or
none of them for an hour.

libfaketime is Debian's package of that name; without it these tests do not run, and say so by name.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from resque.config import Settings
from resque.dev.server import Server
from resque.scheduler.pruning import Pruning
from resque.scheduler.recovery import Recovery
from resque.store.identity import identity
from resque.store.sync import SyncStore
from tests import servers
from tests.conftest import client
from tests.leftovers import Spawner, is_gone
from tests.processes.harness import TORTURE, Team, wait_for
from tests.processes.jobs import Count

PLACES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
pytestmark = pytest.mark.skipif(not PLACES, reason="no libfaketime here: apt-get install libfaketime")

LEASE = 5.0  # renewed every 1.25 s, watched for 2 s: a loaded machine can do that
SHORT_LEASE = 2.0
BOUND = SHORT_LEASE * (1 + 0.4 + 0.25 + 0.25)
HOUR = 3600
FORWARD_AND_BACK = [(HOUR, 30, HOUR, 10) * 4, (-HOUR, 30, -30) * 5] if TORTURE else [(HOUR,), (-HOUR,)]


class Clock:
    """The wall clock of one server; its steady clock is left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.server = folder / "server"
        self.offset = 0
        self.jump(0)

    def wrap(self, binary: Path) -> Path:
        """A program that is `binary` with this clock."""
        environment = {
            "LD_PRELOAD": PLACES[0],
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        words = " ".join(f"{name}={value}" for name, value in environment.items())
        self.server.write_text(f'#!/bin/sh\nexec env {words} {binary} "$@"\n')
        self.server.chmod(0o755)
        return self.server

    def jump(self, seconds: int) -> None:
        """From one moment to the next."""
        self.offset += seconds
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.offset:+d}\n")
        os.replace(fresh, self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def jumpy(clock: Clock, leg: str) -> Iterator[Server]:
    """A server with that clock."""
    binary = servers.LEGS[leg].binary()
    assert binary is not None
    with Server(executable=clock.wrap(binary)) as server:
        yield server


@pytest.fixture
def team_of(jumpy: Server, spawn: Spawner, tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """As elsewhere, on the server with the clock."""
    redis: Any = client(jumpy)
    yield lambda **settings: Team(spawn, jumpy, tmp_path, redis, **{"lease": SHORT_LEASE} | settings)
    redis.close()


def now(team: Team) -> float:
    """The server's time."""
    seconds, micros = team.redis.time()
    return float(seconds + micros / 1e6)


def jump(team: Team, clock: Clock, seconds: int) -> None:
    """A jump that the server is seen to have made: one that did not happen proves nothing."""
    clock.jump(seconds)
    wait_for(lambda: abs(now(team) - time.time() - clock.offset) < 2, 5, "the server's clock jumps")


def leases(team: Team) -> dict[str, float]:
    """How many seconds each lease has left."""
    found = team.redis.zrange("resque:leases:work", 0, -1, withscores=True)
    time_there = now(team)
    return {member.decode(): end / 1000 - time_there for member, end in found}


@contextmanager
def another_recoverer(team: Team) -> Iterator[None]:
    """Of another host, and it looks all the time: it is always the first to see a lease that has ended."""
    settings = Settings(redis_url=team.server.url, lease=LEASE)
    store = SyncStore(settings)
    recovery = Recovery(store, team.keys, identity("0badcafe", 1, "-"), settings, lambda raw: None)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            recovery.tick(time.monotonic())

    thread = threading.Thread(target=look, name="another recoverer")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        store.close()


def vanish(team: Team) -> None:
    """The whole host: supervisor and children, by kill -9."""
    victims = [*psutil.Process(team.supervisor.pid).children(recursive=True), psutil.Process(team.supervisor.pid)]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    for victim in victims:
        wait_for(partial(is_gone, victim.pid), 5, f"{victim.pid} gone")


@pytest.mark.parametrize("jumps", FORWARD_AND_BACK, ids=["forward", "back"])
def test_what_runs_is_not_taken_for_lost(team_of: Callable[..., Team], clock: Clock, jumps: tuple[int, ...]) -> None:
    """Jobs in hand at each jump run on for longer than a recoverer watches: living supervisors renew first."""
    team = team_of(processes=2, lease=LEASE)
    total = 0
    for seconds in jumps:
        team.app.enqueue_many(*(Count.call(total + n, 0.6 * LEASE if n < 2 else 0.005) for n in range(40)))
        total += 40
        wait_for(lambda: len(team.inflight()) == 2, 10, "both workers hold jobs")
        with another_recoverer(team):
            jump(team, clock, seconds)
            team.wait_until_settled(total)
    team.assert_nothing_lost(total)
    team.assert_executed_once(total)
    assert not team.events("job.recovered")
    assert not team.events("job.lease_lost")
    assert len(team.events("worker.started")) == 2


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 30, -30] if TORTURE else [-HOUR])
def test_a_host_that_vanishes_at_a_jump_is_recovered_in_time(
    team_of: Callable[..., Team], clock: Clock, seconds: int
) -> None:
    """A lease that suddenly ends an hour ahead is cut; one that suddenly has ended is watched first."""
    team = team_of(processes=1)
    team.app.enqueue_many(Count.call(0, 60.0))
    wait_for(lambda: team.inflight() and not team.waiting(), 10, "the job in hand")
    vanish(team)
    assert sum(team.inflight().values()) == 1
    jump(team, clock, seconds)
    began = time.time()
    team.start()
    (recovered, *_) = wait_for(lambda: team.events("job.recovered"), BOUND + 10, "recovered")
    assert recovered["released"] == "1"
    assert float(recovered["at"]) - began < BOUND + 2
    assert all(left < 3 * SHORT_LEASE for left in leases(team).values())


def test_a_killed_worker_process_is_adopted_at_once(team: Team, clock: Clock) -> None:
    """Its supervisor knows; no clock is asked."""
    team.app.enqueue_many(*(Count.call(number, 0.01) for number in range(400)))
    wait_for(lambda: team.processed() > 40)
    jump(team, clock, -HOUR)
    (victim, *_) = team.worker_pids()
    psutil.Process(victim).kill()
    wait_for(lambda: is_gone(victim), 5, "killed")
    assert team.processed() < 400, "killed too late to mean anything"
    team.wait_until_settled(400)
    team.assert_nothing_lost(400)
    assert len(team.events("worker.died")) == 1


@pytest.mark.parametrize("seconds", [HOUR, -HOUR] if TORTURE else [HOUR])
def test_an_idle_worker_waits_with_a_lease_that_holds(team_of: Callable[..., Team], clock: Clock, seconds: int) -> None:
    """What a wait catches is protected from the first moment: the lease ends in the server's future, and not far.

    It was not so: the distance between the clocks was learned once, and after a jump every wait began with a lease that
    had ended. Whatever such a wait caught late was adopted, and ran twice, before the supervisor could renew.
    """
    team = team_of(processes=1)
    wait_for(lambda: leases(team), 10, "the wait is armed")
    jump(team, clock, seconds)
    wait_for(
        lambda: all(0 < left < 3 * SHORT_LEASE for left in leases(team).values()), 3 * SHORT_LEASE, "a lease that holds"
    )
    for _ in range(20):  # and stays so, from wait to wait
        time.sleep(SHORT_LEASE / 40)
        assert all(0 < left < 3 * SHORT_LEASE for left in leases(team).values())
    team.app.enqueue_many(Count.call(0))
    team.wait_until_settled(1)


def test_a_worker_that_was_pruned_by_mistake_appears_again(team: Team, clock: Clock) -> None:
    """At a jump all signs of life expire, and any host's pruning may come before the next beat."""
    assert team.redis.scard("resque:workers") == 2
    jump(team, clock, HOUR)
    store = SyncStore(Settings(redis_url=team.server.url))
    try:
        Pruning(store, team.keys, "another host", Settings(lease=SHORT_LEASE)).tick(0.0)
    finally:
        store.close()
    assert team.redis.scard("resque:workers") < 2, "nothing was pruned: this proves nothing"
    wait_for(lambda: team.redis.scard("resque:workers") == 2, 3 * SHORT_LEASE, "both are in the registry again")
