"""Hostile bytes in a queue: each ends where it should, once, whole; the worker goes on."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.processes.harness import Team, wait_for

CORPUS = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data" / "bad_payloads.jsonl").read_text().splitlines()
]
GOOD = b'{"class":"Echo","args":["good"]}'


def raw(case: dict[str, str]) -> bytes:
    return base64.b64decode(case["raw_base64"])


@pytest.fixture
def team(team_of: Callable[..., Team]) -> Team:
    """One worker on the queue `bad`."""
    return team_of(processes=1, queues="bad")


def test_each_input_of_the_corpus(team: Team) -> None:
    """One after another, each followed by a good job that must run within a second of the bad one's end."""
    (pid,) = team.worker_pids()
    echoed = failures = 0
    for case in CORPUS:
        team.redis.lpush("resque:queue:bad", raw(case))
        team.redis.lpush("resque:queue:bad", GOOD)
        echoed += 1 + (case["expect"] == "reaches Echo")
        failures += case["expect"] != "reaches Echo"
        settled = echoed + failures
        wait_for(lambda n=settled: team.processed() == n, 10, f"{case['name']}: settled, and the good job after it")
        assert int(team.redis.get("echoed")) == echoed, case["name"]
        records = team.failed()
        assert len(records) == failures, case["name"]
        if case["expect"] != "reaches Echo":
            check_record(case, records[0])
    assert team.worker_pids() == [pid], "the same process all the time"
    assert psutil.Process(pid).memory_info().rss < 200 * 1024 * 1024
    assert not team.inflight()
    assert not team.events("worker.died")


def check_record(case: dict[str, str], record: dict[str, object]) -> None:
    """Resque's fields, the right reason, the bytes whole."""
    assert list(record)[:7] == ["failed_at", "payload", "exception", "error", "backtrace", "worker", "queue"]
    kind = {"failed: unreadable": "Unreadable", "failed: unknown class": "UnknownJob"}[case["expect"]]
    assert record["exception"] == kind, case["name"]
    assert record["queue"] == "bad"
    assert record["id"]
    if record.get("raw") is not None:
        assert base64.b64decode(str(record["raw"])) == raw(case), case["name"]
    else:
        assert json.dumps(record["payload"], separators=(",", ":"), ensure_ascii=False).encode() == raw(case)


def test_all_at_once(team: Team) -> None:
    """The whole corpus in one batch with good jobs between: every good job runs, every bad one fails once."""
    for case in CORPUS:
        team.redis.lpush("resque:queue:bad", raw(case), GOOD)
    bad = sum(case["expect"] != "reaches Echo" for case in CORPUS)
    team.wait_until_settled(2 * len(CORPUS))
    failed = team.failed()
    assert len(failed) == bad, [r["error"] for r in failed if r["exception"] not in ("Unreadable", "UnknownJob")]
    assert int(team.redis.get("echoed")) == 2 * len(CORPUS) - bad
    assert not team.events("worker.died")


def test_an_entry_above_the_limit_is_moved_aside_unread(team: Team) -> None:
    """It is in `oversize`, whole, and the next job runs."""
    huge = b'{"class":"Echo","args":["' + b"x" * (1024 * 1024 + 200) + b'"]}'
    for queue in ("resque:queue:bad",):
        team.redis.lpush(queue, GOOD, huge, GOOD, huge, GOOD)
    wait_for(lambda: int(team.redis.get("echoed") or 0) == 3, 10, "the good jobs")
    wait_for(lambda: team.redis.llen("resque:oversize:bad") + len(team.failed()) == 2, 10, "the huge ones")
    assert not team.inflight()
    for kept in team.redis.lrange("resque:oversize:bad", 0, -1):
        assert kept == huge


def test_a_plain_job_pushed_by_hand_into_an_unknown_queue_runs(team: Team) -> None:
    """`redis-cli LPUSH resque:queue:bad '{"class":"Echo","args":[123]}'`: the queue is in no set."""
    assert not team.redis.sismember("resque:queues", "bad")
    team.redis.execute_command("LPUSH", "resque:queue:bad", '{"class":"Echo","args":[123]}')
    wait_for(lambda: int(team.redis.get("echoed") or 0) == 1, 5, "it runs")


def test_args_as_ruby_takes_them(team_of: Callable[..., Team]) -> None:
    """In the ruby wire an object or a string as args is no reason to fail."""
    team = team_of(processes=1, queues="bad", wire="ruby")
    for args in (b'{"a":1}', b'"str"', b"null"):
        team.redis.rpush("resque:queue:bad", b'{"class":"Echo","args":' + args + b"}")
    wait_for(lambda: int(team.redis.get("echoed") or 0) == 3, 5, "all run")
    assert not team.failed()
