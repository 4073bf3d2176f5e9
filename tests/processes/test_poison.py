"""Jobs that kill their worker, and jobs that must run alone."""

from collections.abc import Callable

from tests.processes.harness import Team, wait_for
from tests.processes.jobs import Alone, Count, KillMe


def test_a_job_that_kills_its_process_every_time_fails_after_three_crashes(team: Team) -> None:
    """Its 100 neighbours of the same batch all run; it is in failed, once, with WorkerDied."""
    calls = [Count.call(number) for number in range(100)]
    calls.insert(50, KillMe.call())  # type: ignore[arg-type]
    team.app.enqueue_many(*calls)
    wait_for(lambda: team.failed(), 60, "the poison job in failed")
    wait_for(lambda: len(team.executions()) == 100, 30, "the neighbours ran")
    team.wait_until_settled(101)
    assert int(team.redis.get("kills")) == 3
    (record,) = team.failed()
    assert record["exception"] == "WorkerDied"
    assert "SIGKILL" in record["error"]
    assert record["payload"]["class"] == "KillMe"
    assert record["queue"] == "work"
    assert record["crashes"] == 2
    assert len(team.executions()) == 100
    assert all(event["released"] for event in team.events("job.recovered"))


def test_neighbours_of_a_poison_job_run_once(team_of: Callable[..., Team]) -> None:
    """Only the job that had started is blamed: the others carry no crash, and a suspect runs alone."""
    team = team_of(processes=1)
    team.app.enqueue_many(KillMe.call(), *(Count.call(number) for number in range(50)))
    wait_for(lambda: team.failed(), 60, "the poison job in failed")
    team.wait_until_settled(51)
    assert set(team.executions().values()) == {1}


def test_a_payload_that_is_no_object_and_kills_its_reader_is_failed_at_once(team: Team, monkeypatch: object) -> None:
    """No crash can be written into its bytes, so the first is one too many. Recovery decides; here it is told so."""
    team.redis.lpush("resque:inflight:work:gone~0:1", b"no json")
    team.redis.zadd("resque:leases:work", {"gone~0:1": 1})
    team.redis.sadd("resque:queues", "work")
    wait_for(lambda: team.failed(), 20, "recovered into failed")
    (record,) = team.failed()
    assert record["exception"] == "WorkerDied"
    assert record["payload"] is None
    assert record["raw"] == "bm8ganNvbg=="


def test_a_job_marked_alone_never_has_company(team_of: Callable[..., Team]) -> None:
    """It waits until the hand is empty, and nothing is reserved meanwhile; everything runs."""
    team = team_of(processes=1, concurrency=4)
    calls = []
    for number in range(200):
        calls.append(Alone.call(number) if number % 20 == 7 else Count.call(number, 0.002))
    team.app.enqueue_many(*calls)
    team.wait_until_settled(200)
    team.assert_nothing_lost(200)
    overlaps = [int(n) for n in team.redis.lrange("company", 0, -1)]
    assert len(overlaps) == 10
    assert set(overlaps) == {0}
