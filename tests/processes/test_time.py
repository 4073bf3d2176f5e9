"""Delayed jobs, retries and cron with real processes: two hosts, killed schedulers, killed workers.

Nothing that was due is lost, and nothing runs twice: no worker is killed in a job here.
"""

import json
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from resque.jobs.definition import Call
from resque.scheduler.delayed import LIMIT
from tests.leftovers import is_gone
from tests.processes.harness import Team, wait_for
from tests.processes.timed_jobs import Count, Patched, Punctual, Shaky

MakeTeam = Callable[..., Team]
TIMED, TICKING = "tests.processes.timed_jobs", "tests.processes.ticking_jobs"


@pytest.fixture
def stand(tmp_path: Path) -> Path:
    """The folder where a process that stands still says who it is."""
    folder = tmp_path / "stand"
    folder.mkdir()
    return folder


def standing(folder: Path) -> int:
    """The process that stands still, as soon as there is one."""
    mark = folder / "here"
    return int(wait_for(lambda: mark.exists() and mark.read_text().strip(), 30, "it stands still"))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid), 10, "killed")


def at(moment: float, number: int) -> Call[Any]:
    return Count.using(at=datetime.fromtimestamp(moment, UTC)).call(number)


def delayed(team: Team, queue: str = "work") -> int:
    return int(team.redis.zcard(f"resque:delayed:{queue}"))


# delayed jobs -----------------------------------------------------------------------------------------------------


def test_r10_a_scheduler_is_killed_while_it_promotes(team_of: MakeTeam, stand: Path) -> None:
    """Two hosts. One scheduler has moved a thousand jobs of those that are due, and dies.

    Failed there: what pops a due job and pushes it in a second step (resque-scheduler, rq-scheduler): a crash between
    the two loses it; a lock that makes up for that waits for its end when its holder dies.
    Safe: one script moves, pushing before it removes. Nobody is the leader: the other host and the next scheduler of
    this one go on at once, both.
    """
    count = 3 * LIMIT + 500
    first = team_of(app=TIMED, processes=1, environment={"TEST_STAND": str(stand), "TEST_STAND_AT": "job.promoted"})
    other = team_of(app=TIMED, processes=1)
    held_back = other.scheduler_pid()
    os.kill(held_back, signal.SIGSTOP)
    try:
        due = time.time() + 1.5
        first.app.enqueue_many(*(at(due, number) for number in range(count)))
        victim = standing(stand)
        assert victim == first.scheduler_pid()
        assert delayed(first) == count - LIMIT, "it is in the middle"
        kill(victim)
    finally:
        os.kill(held_back, signal.SIGCONT)
    first.wait_until_settled(count)
    first.assert_nothing_lost(count)
    first.assert_executed_once(count)
    assert delayed(first) == 0
    assert first.redis.hlen("resque:payloads:work") == 0


def test_both_hosts_promote_at_once_and_lose_their_schedulers(team_of: MakeTeam) -> None:
    """Again and again, at any moment, while jobs become due all the time."""
    teams = [team_of(app=TIMED, processes=1), team_of(app=TIMED, processes=1)]
    count, start = 2000, time.time() + 0.5
    teams[0].app.enqueue_many(*(at(start + number / 500, number) for number in range(count)))
    kills = 0
    while delayed(teams[0]) and time.time() < start + 20:
        for team in teams:
            if pid := _scheduler(team):
                kill(pid)
                kills += 1
            time.sleep(random.uniform(0.0, 0.5))
    assert kills >= 3
    teams[0].wait_until_settled(count)
    teams[0].assert_nothing_lost(count)
    teams[0].assert_executed_once(count)


def test_delayed_jobs_of_three_queues_are_punctual(team_of: MakeTeam) -> None:
    """From when it is due to its first line. The bounds are for a machine that does other things, too."""
    team = team_of(app=TIMED, queues="q0,q1,q2")
    start, count = time.time() + 1.0, 300
    moments = [start + random.uniform(0, 4) for _ in range(count)]
    calls = []
    for number, due in enumerate(moments):
        using = Punctual.using(queue=f"q{number % 3}", at=datetime.fromtimestamp(due, UTC))
        calls.append(using.call(due))
    team.app.enqueue_many(*calls)
    wait_for(lambda: team.redis.llen("late") == count, 30, "all have run")
    late = sorted(float(each) for each in team.redis.lrange("late", 0, -1))
    median, p99 = statistics.median(late), late[int(count * 0.99)]
    print(f"late: median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, most {late[-1] * 1000:.0f} ms")
    assert late[0] > -0.01, "none before its time"
    assert median < 0.5
    assert p99 < 2


# retries ----------------------------------------------------------------------------------------------------------


def attempts(team: Team) -> list[int]:
    return [int(each) for each in team.redis.lrange("attempts", 0, -1)]


def test_a_job_that_raises_twice_runs_three_times(team_of: MakeTeam) -> None:
    team = team_of(app=TIMED, processes=1)
    team.app.enqueue_many(Shaky.call(2))
    wait_for(lambda: team.processed() == 1, 30, "done")
    assert attempts(team) == [1, 2, 3]
    assert team.redis.get("resque:stat:retried") == b"2"
    assert team.failed() == []
    assert team.redis.keys("resque:attempts:*") == []
    assert delayed(team) == 0


def test_a_job_that_raises_too_often_fails_with_all_its_errors(team_of: MakeTeam) -> None:
    team = team_of(app=TIMED, processes=1)
    team.app.enqueue_many(Shaky.call(9))
    (record,) = wait_for(team.failed, 30, "failed")
    assert attempts(team) == [1, 2, 3]
    assert record["error"] == "attempt 3"
    assert ["attempt 1" in json.dumps(record["attempts"][0]), len(record["attempts"])] == [True, 2]
    assert team.redis.keys("resque:attempts:*") == []


def test_the_worker_is_killed_between_two_attempts(team_of: MakeTeam) -> None:
    """The job is in nobody's hand then: it waits for its time."""
    team = team_of(app=TIMED, processes=1)
    team.app.enqueue_many(Patched.call(1))
    wait_for(lambda: delayed(team) == 1 and not team.inflight(), 30, "it waits for its second attempt")
    for pid in [*team.worker_pids(), team.scheduler_pid()]:
        kill(pid)
    assert delayed(team) == 1
    assert attempts(team) == [1]
    wait_for(lambda: team.processed() == 1, 30, "done")
    assert attempts(team) == [1, 2]
    team.wait_until_settled(1)
    assert team.failed() == []


# cron -------------------------------------------------------------------------------------------------------------


class Runs:
    """What Redis remembers of fired ticks: the last twenty of each entry, collected while a test goes on."""

    NAMES = ("Tick", "even")

    def __init__(self, team: Team) -> None:
        self._team = team
        self.ids: dict[str, dict[int, str]] = {name: {} for name in self.NAMES}
        self.doubled: list[str] = []

    def look(self) -> None:
        for name, known in self.ids.items():
            for line in self._team.redis.lrange(f"resque:cron:work:{name}", 0, -1):
                tick, id = line.decode().split()
                if known.setdefault(int(tick), id) != id:
                    self.doubled.append(line.decode())

    def newest(self) -> int:
        self.look()
        return max(self.ids["Tick"], default=0)

    def wait_for_more(self, count: int) -> None:
        end = self.newest() + count
        wait_for(lambda: self.newest() >= end, 30, "more ticks")


def test_r16_schedulers_are_killed_while_they_fire(team_of: MakeTeam, stand: Path) -> None:
    """Two hosts, entries that tick each second, and one scheduler after the other dies: the first one just after it has
    fired, before it did anything else; the others at any moment.

    Failed there: celery beat, of which there may be one only: two double each tick, one that dies loses them; and
    those that take a lock for each tick, which is over before a slow holder has fired, or is kept by a dead one.
    Safe: all try every tick. One script compares with the newest tick that was fired, pushes, and records. What was not
    fired in time is made up for by whoever looks next.
    """
    first = team_of(app=TICKING, processes=1, environment={"TEST_STAND": str(stand), "TEST_STAND_AT": "cron.fired"})
    runs = Runs(first)
    victim = standing(stand)
    assert victim == first.scheduler_pid()
    assert runs.newest() > 0
    other = team_of(app=TICKING, processes=1)
    kill(victim)
    killed = 1
    for team in [other, first, other, first]:
        runs.wait_for_more(1)
        time.sleep(random.uniform(0.0, 0.9))
        kill(wait_for(partial(_scheduler, team), 20, "it has a scheduler again"))
        killed += 1
    runs.wait_for_more(2)
    first.redis.sadd("resque:cron-disabled", *Runs.NAMES)
    wait_for(lambda: not first.waiting() and not first.inflight(), 30, "all have run")
    runs.look()
    assert killed == 5
    assert runs.doubled == []
    for name, step in (("Tick", 1), ("even", 2)):
        ticks = sorted(runs.ids[name])
        assert ticks == list(range(ticks[0], ticks[-1] + 1, step)), "no tick is lost"
        assert len(ticks) >= 3
    ids = [id for known in runs.ids.values() for id in known.values()]
    ran = [id.decode() for id in first.redis.lrange("ran", 0, -1)]
    assert sorted(ran) == sorted(ids), "each tick is one job, and each job ran once"


def _scheduler(team: Team) -> int:
    """Its pid; 0: there is none just now."""
    found = [child.pid for child in team.children() if "scheduler" in " ".join(child.cmdline())]
    return found[0] if found else 0


def test_entries_go_with_the_code_that_declared_them(team_of: MakeTeam) -> None:
    team = team_of(app=TICKING, processes=1)
    wait_for(lambda: team.redis.hlen("resque:cron") == 2, 20, "declared")
    wait_for(lambda: team.redis.llen("ran"), 20, "and fired")
    late = [float(fired["at"]) - int(fired["tick"]) for fired in team.events("cron.fired")]
    print(f"fired {max(late) * 1000:.0f} ms after the tick, at most")
    assert json.loads(team.redis.hget("resque:cron", "even"))["source"] == f"code:{TICKING}"
    team.redis.delete("resque:cron")
    kill(team.scheduler_pid())
    wait_for(lambda: team.redis.hlen("resque:cron") == 2, 20, "the next scheduler hears of them, too")
    assert team.stop() == 0
    assert team.redis.hlen("resque:cron") == 2, "they outlive their workers"
