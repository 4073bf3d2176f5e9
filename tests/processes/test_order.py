"""Which job next: FIFO, order of queues, patterns, pauses, slow neighbours, a job that holds the interpreter."""

import time
from collections.abc import Callable

import pytest

from tests.processes.harness import LEASE, Team, wait_for
from tests.processes.jobs import Count, CountBurning, HoldTheInterpreter


def pings(team: Team) -> list[str]:
    return [item.decode().split("|")[0] for item in team.redis.lrange("pings", 0, -1)]


@pytest.mark.parametrize("wire", ["native", "ruby"])
def test_first_in_first_out(team_of: Callable[..., Team], wire: str) -> None:
    """In both wires, through batches and re-reads."""
    team = team_of(processes=1, queues="ping", wire=wire)
    from_left = wire == "ruby"
    for number in range(300):
        payload = f'{{"class":"Ping","args":["{number}"]}}'
        (team.redis.rpush if from_left else team.redis.lpush)("resque:queue:ping", payload)
    wait_for(lambda: team.redis.llen("pings") == 300, 20)
    assert pings(team) == [str(number) for number in range(300)]
    assert team.redis.get("resque:wire").decode() == wire


def test_strict_order_of_queues(team_of: Callable[..., Team]) -> None:
    """`-q a,b`: b only when a is empty."""
    team = team_of(processes=1, queues="gate,first,second")
    team.app.enqueue("Count", [0, 0.5], queue="gate")
    wait_for(lambda: team.inflight())
    for number in range(5):
        team.app.enqueue("Ping", [f"second-{number}"], queue="second")
        team.app.enqueue("Ping", [f"first-{number}"], queue="first")
    wait_for(lambda: team.redis.llen("pings") == 10, 20)
    assert pings(team) == [f"{queue}-{number}" for queue in ("first", "second") for number in range(5)]


def test_patterns_follow_new_queues(team_of: Callable[..., Team]) -> None:
    """`-q *,!no*`: a queue that did not exist at the start is served, an excluded one is not."""
    team = team_of(processes=1, queues="*,!no*", poll=0.1)
    team.app.enqueue("Ping", ["a"], queue="brand_new")
    team.app.enqueue("Ping", ["b"], queue="nothing")
    wait_for(lambda: pings(team) == ["a"], 10)
    time.sleep(0.5)
    assert pings(team) == ["a"]
    assert team.waiting("nothing") == 1


def test_no_job_waits_behind_a_slow_one(team_of: Callable[..., Team]) -> None:
    """Fast jobs have made the batch large; then a slow one comes: its neighbours go to the other process."""
    team = team_of(processes=2)
    team.app.enqueue_many(*(Count.call(number) for number in range(1000)))
    team.wait_until_settled(1000)
    calls = [Count.call(number) for number in range(1000, 1100)]
    calls.insert(3, Count.call(2000, 3.0))
    started = time.monotonic()
    team.app.enqueue_many(*calls)
    wait_for(lambda: set(range(1000, 1100)) <= set(team.executions()), 10)
    assert time.monotonic() - started < 2.0, "while the slow one still ran"
    assert 2000 not in team.executions()
    team.wait_until_settled(1101)
    team.assert_executed_once(1100)


def test_a_job_that_holds_the_interpreter_keeps_its_lease(team: Team) -> None:
    """C code that never releases the GIL, for longer than the lease: the supervisor renews, nobody runs it twice."""
    team.app.enqueue_many(HoldTheInterpreter.call(0, SIZE))
    wait_for(lambda: team.redis.hexists("running", "0"), 10)
    began = time.monotonic()
    wait_for(lambda: team.executions(), 60)
    assert time.monotonic() - began > LEASE * 1.2, "the test must outlast the lease"
    team.wait_until_settled(1)
    assert team.executions() == {0: 1}
    assert not team.events("job.recovered")
    assert not team.events("job.lease_lost")


def test_results_are_settled_while_the_next_job_runs(team_of: Callable[..., Team]) -> None:
    """Two runners, one of them busy in pure Python: the other's results are counted within moments."""
    team = team_of(processes=1, concurrency=2)
    team.app.enqueue_many(CountBurning.call(0, 2.0))
    wait_for(lambda: team.inflight())
    time.sleep(0.2)
    for number in range(1, 6):
        team.app.enqueue("Count", [number], queue="work")
        began = time.monotonic()
        wait_for(lambda number=number: team.processed() >= number, 5)
        assert time.monotonic() - began < 0.5
    assert 0 not in team.executions()


def test_a_paused_queue_gives_nothing(team_of: Callable[..., Team]) -> None:
    """Paused while a wait is armed on it: what is pushed stays, in order; when it is resumed it runs."""
    team = team_of(processes=1, queues="ping", poll=0.1)
    team.redis.set("resque:paused:ping", "1")
    for number in range(3):
        team.app.enqueue("Ping", [str(number)])
    time.sleep(0.7)
    assert pings(team) == []
    wait_for(lambda: team.waiting("ping") == 3)
    team.redis.delete("resque:paused:ping")
    wait_for(lambda: len(pings(team)) == 3, 5)
    assert pings(team) == ["0", "1", "2"]


def test_resques_own_switch_pauses_everything(team_of: Callable[..., Team]) -> None:
    """`pause-all-workers` = " True \\n", as Ruby reads it; "false" pauses nothing."""
    team = team_of(processes=1, queues="ping", poll=0.1)
    team.redis.set("resque:pause-all-workers", " True \n")
    team.app.enqueue("Ping", ["a"])
    time.sleep(0.5)
    assert pings(team) == []
    team.redis.set("resque:pause-all-workers", "false")
    wait_for(lambda: pings(team) == ["a"], 5)
    team.app.enqueue("Ping", ["b"])
    wait_for(lambda: pings(team) == ["a", "b"], 5)


def test_an_idle_worker_picks_a_job_up_at_once(team_of: Callable[..., Team]) -> None:
    """Waiting on 5 queues, not polling: 20 single jobs, each picked up within a few milliseconds."""
    team = team_of(processes=1, queues="a,b,c,d,ping", poll=5)
    delays = []
    for number in range(20):
        time.sleep(0.02)
        team.app.enqueue("Ping", [str(time.time())], queue="ping")
        wait_for(lambda number=number: team.redis.llen("pings") > number, 5)
        sent, ran = team.redis.lrange("pings", -1, -1)[0].decode().split("|")
        delays.append(float(ran) - float(sent))
    assert sorted(delays)[10] < 0.05


def _size_for(seconds: float) -> int:
    """An exponent n for which 10**n holds the interpreter for about `seconds` on this machine."""
    size = 200_000
    while True:
        took = min(_time_of(size) for _ in range(3))  # the shortest: a loaded machine would make the job too small
        if took > 0.2:
            return int(size * (seconds / took) ** (1 / 1.585))  # Karatsuba
        size *= 2


def _time_of(size: int) -> float:
    began = time.perf_counter()
    10**size
    return time.perf_counter() - began


SIZE = _size_for(LEASE * 3)
