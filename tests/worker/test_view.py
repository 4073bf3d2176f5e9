"""What an operator (and Ruby's web page) sees of a worker: Resque's forms, and signs of life."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from resque import clock
from resque.config import Settings
from resque.jobs.outcome import Returned
from resque.payload import codec
from resque.store.identity import Identity
from resque.store.keys import Keys
from resque.store.sync import SyncStore
from resque.worker.hand import Entry, Hand
from resque.worker.view import VISIBLE, View
from tests.worker.rig import job

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
WHO = Identity("vm~n:7", "vm~n:7:*")
KEYS = Keys()
NOW = 1795485314.6


class Time:
    """Both clocks, standing still."""

    def __init__(self) -> None:
        self.boot = 5000.0

    def __call__(self) -> float:
        return self.boot


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock, "boottime", time)
    monkeypatch.setattr(clock, "monotonic", time)
    return time


@pytest.fixture
def hand() -> Hand:
    hand = Hand(WHO.id, lambda: None)
    hand.current[:] = [None, None]
    return hand


@pytest.fixture
def view(hand: Hand, time: Time) -> View:
    return View(Settings(lease=20.0, concurrency=2), WHO, hand, supervisor=4711, version="1.2.3")


def run(hand: Hand, raw: bytes, runner: int = 0, queue: str = "slow") -> Entry:
    """A runner has begun it just now."""
    hand.add(queue, [raw], None)
    entry = hand.unstarted.pop()
    entry.started_at = clock.boottime()
    hand.current[runner] = entry
    return entry


def golden(name: str) -> dict[str, Any]:
    keys: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())["keys"]
    return {key: described["value"] for key, described in keys.items()}


def commands(operations: list[Any]) -> list[str]:
    return [f"{op.command} {op.keys[0].rsplit(':', 1)[-1]}" for op in operations]


def test_the_registered_form_is_rubys(redis: Any, url: str, view: View) -> None:
    """`workers` and `worker:<id>:started`, compared with what a Ruby worker wrote."""
    store = SyncStore(Settings(redis_url=url))
    with clock.use(lambda: 1795485310.2):
        store.run_all(view.register(KEYS))
    theirs = golden("02a_worker_idle")
    (their_id,) = theirs["resque:workers"]
    assert redis.smembers("resque:workers") == {WHO.id.encode()}
    assert len(WHO.id.split(":")) == len(their_id.split(":")) == 3
    assert redis.get(f"resque:worker:{WHO.id}:started").decode() == theirs[f"resque:worker:{their_id}:started"]
    assert redis.ttl(f"resque:worker:{WHO.id}:started") == -1
    assert redis.exists("resque:workers:heartbeat") == 0, "Ruby's pruner would file our running job as failed"
    store.run_all(view.unregister(KEYS))
    assert redis.keys("*") == []
    store.close()


def test_the_status_is_rubys_byte_for_byte(view: View, hand: Hand) -> None:
    theirs = golden("03a_fork_job_running")["resque:worker:vm:12377:*"]
    run(hand, b'{"class":"Sleeper","args":[1.5,"\xc3\xa9"]}')
    with clock.use(lambda: NOW):
        (shown, *_) = view.operations(KEYS)
    assert shown.command == "SET"
    assert shown.keys == (f"resque:worker:{WHO.id}",)
    assert shown.args[0].decode() == theirs


def test_run_at_is_when_it_began_not_when_it_is_shown(view: View, hand: Hand, time: Time) -> None:
    run(hand, job("Note", 1))
    time.boot += 3.0
    with clock.use(lambda: NOW + 3.0):
        (shown, *_) = view.operations(KEYS)
    assert json.loads(shown.args[0])["run_at"] == "2026-11-24T01:55:14Z"


def test_our_own_payload_is_shown_as_it_is(view: View, hand: Hand) -> None:
    """With its id and all; Ruby's page shows class and args."""
    raw = codec.encode("Echo", [1], {}, codec.Meta("0193", "slow", 1.5), limit=1000)
    run(hand, raw)
    (shown, *_) = view.operations(KEYS)
    assert raw in shown.args[0]


@pytest.mark.parametrize("raw", [b"no json", b'{"class":"A","args":[NaN]}', b'"\xff"', b"", b"}{"])
def test_an_unreadable_payload_is_named_not_shown(view: View, hand: Hand, raw: bytes) -> None:
    """Ruby's page would not survive its bytes."""
    run(hand, raw)
    (shown, *_) = view.operations(KEYS)
    assert json.loads(shown.args[0])["payload"] == {"class": "(unreadable)", "args": []}


def test_what_a_turn_finds_running_is_shown_once(view: View, hand: Hand) -> None:
    view.register(KEYS)
    assert view.operations(KEYS) == []
    run(hand, job("Note", 1))
    assert commands(view.operations(KEYS)) == ["SET *"]
    assert view.operations(KEYS) == []
    run(hand, job("Note", 2))
    assert commands(view.operations(KEYS)) == ["SET *"]


def test_a_job_is_due_to_be_shown_after_50_ms(view: View, hand: Hand, time: Time) -> None:
    view.register(KEYS)
    run(hand, job("Note", 1))
    assert view.due_in() == pytest.approx(VISIBLE)
    time.boot += 0.04
    assert view.due_in() == pytest.approx(0.01)
    time.boot += 0.04
    assert view.due_in() == 0.0
    view.operations(KEYS)
    assert view.due_in() > 1.0


def test_two_long_jobs_are_not_due_for_ever(view: View, hand: Hand, time: Time) -> None:
    """One of them is shown; then there is nothing more to say, or the loop would never rest."""
    view.register(KEYS)
    run(hand, job("Note", 1), 0)
    run(hand, job("Note", 2), 1)
    time.boot += 1.0
    assert view.due_in() == 0.0
    assert commands(view.operations(KEYS)) == ["SET *"]
    assert view.due_in() > 1.0
    hand.current[0] = None
    assert view.due_in() == 0.0, "the first one has ended: now the other is"
    assert commands(view.operations(KEYS)) == ["SET *"]


def test_a_job_that_was_taken_and_has_not_begun_is_not_shown(view: View, hand: Hand) -> None:
    """Its time would be that of the machine's start."""
    view.register(KEYS)
    run(hand, job("Note", 1)).started_at = 0.0
    assert view.due_in() > 1.0
    assert view.operations(KEYS) == []


def test_idle_is_told_once(view: View, hand: Hand) -> None:
    assert view.idle(KEYS) == []
    entry = run(hand, job("Note", 1))
    view.operations(KEYS)
    hand.current[0] = None
    entry.ended = Returned()
    assert commands(view.idle(KEYS)) == ["DEL *"]
    assert view.idle(KEYS) == []
    hand.current[0] = entry
    assert "SET *" in commands(view.operations(KEYS)), "shown again"


def test_beats(view: View, hand: Hand, time: Time, redis: Any, url: str) -> None:
    """Every half lease, forgotten three leases after the last; with what an operator asks first."""
    store = SyncStore(Settings(redis_url=url))
    with clock.use(lambda: NOW):
        store.run_all(view.register(KEYS))
    info = {key.decode(): value.decode() for key, value in redis.hgetall(f"resque:worker:{WHO.id}:info").items()}
    assert int(info.pop("rss")) > 1_000_000
    assert info == {
        "state": "idle",
        "supervisor": "4711",
        "concurrency": "2",
        "version": "1.2.3",
        "jobs": "0",
        "beat": str(NOW),
    }
    assert redis.pttl(f"resque:worker:{WHO.id}:info") == pytest.approx(60_000, abs=500)
    assert view.due_in() == pytest.approx(10.0)
    time.boot += 9.9
    assert view.operations(KEYS) == []
    time.boot += 0.2
    run(hand, job("Note", 1))
    store.run_all(view.operations(KEYS))
    beaten = redis.hgetall(f"resque:worker:{WHO.id}:info")
    assert (beaten[b"state"], beaten[b"jobs"]) == (b"working", b"1")
    assert view.due_in() == pytest.approx(10.0)
    store.close()


def test_a_status_names_the_queue_that_the_job_came_from(view: View, hand: Hand) -> None:
    run(hand, job("Note", 1), queue="größe:1")
    (shown, *_) = view.operations(KEYS)
    assert json.loads(shown.args[0])["queue"] == "größe:1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", json.loads(shown.args[0])["run_at"])
