"""From jobs that have ended to operations: grouped by outcome and queue, counted by class and time. Pure."""

import json
from typing import Any

import pytest

from resque import clock
from resque.errors import ToldError, WorkerDied
from resque.jobs.outcome import Died, Ended, Interrupted, Raised, Returned
from resque.payload import codec
from resque.store.keys import Keys
from resque.store.scripts import Script
from resque.worker.hand import Entry, Hand
from resque.worker.settlement import Part, Settlement

KEYS = Keys()
NOW = 1795485321.5
MINUTE = int(NOW // 60)
BOOT = 4000.0

HAND = Hand("vm~n:1:q", lambda: None)


@pytest.fixture(autouse=True)
def _clocks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(clock, "boottime", lambda: BOOT)
    with clock.use(lambda: NOW):
        yield


def entry(raw: bytes, ended: Ended, *, queue: str = "q", job: str = "Echo", seconds: float = 0.5) -> Entry:
    """A job that began two seconds ago."""
    made = Entry(raw, queue, HAND, BOOT - 3, started_at=BOOT - 2, seconds=seconds, job=job, ended=ended)
    if raw.startswith(b"{"):
        made.payload = codec.decode(raw)
    return made


def parts(*entries: Entry) -> list[Part]:
    return list(Settlement(KEYS, "vm~n:1", "vm~n:1:q").parts(entries, NOW))


def raw(number: int) -> bytes:
    return b'{"class":"Echo","args":[%d]}' % number


def own(number: int, enqueued_at: float) -> bytes:
    return codec.encode("Echo", [number], {}, codec.Meta(f"id-{number}", "q", enqueued_at), limit=1000)


def test_nothing_ended_nothing_to_do() -> None:
    assert parts() == []


def test_one_part_for_each_outcome_and_queue() -> None:
    found = parts(
        entry(raw(1), Returned()),
        entry(raw(2), Raised(ValueError("x"))),
        entry(raw(3), Interrupted("late")),
        entry(raw(4), Returned(), queue="r"),
        entry(raw(5), Returned()),
        entry(raw(6), Interrupted("late"), queue="r"),
    )
    assert [(part.kind, part.queue, [each.raw for each in part.entries]) for part in found] == [
        ("done", "q", [raw(1), raw(5)]),
        ("done", "r", [raw(4)]),
        ("failed", "q", [raw(2)]),
        ("released", "q", [raw(3)]),
        ("released", "r", [raw(6)]),
    ]
    scripts = [part.operation.command for part in found]
    assert scripts == [Script("finish"), Script("finish"), Script("fail"), Script("release"), Script("release")]


def test_done_jobs_are_counted_by_class_wait_and_run_time() -> None:
    """Equal ones share a group: it is sent once. A job from elsewhere has no time of its enqueueing."""
    (part,) = parts(
        entry(own(1, NOW - 3), Returned()),
        entry(own(2, NOW - 3), Returned()),
        entry(raw(3), Returned(), seconds=0.0),
    )
    assert part.operation.args[2] == 2
    assert part.operation.args[3:9] == ("Echo|done", "Echo|w20", "Echo|r19", "Echo|done", "", "Echo|r0")
    assert part.operation.args[9:] == (0, own(1, NOW - 3), 0, own(2, NOW - 3), 1, raw(3))
    assert part.operation.keys[-1] == KEYS.metrics("q", MINUTE)


def test_a_clock_that_is_behind_makes_no_negative_wait() -> None:
    (part,) = parts(entry(own(1, NOW + 500), Returned()))
    assert part.operation.args[4] == "Echo|w0"


def test_a_failure_has_its_record() -> None:
    error = ValueError("no such order")
    (part,) = parts(entry(own(1, NOW - 3), Raised(error), job="Echo"))
    payload, record, failed, ran, id, lock = part.operation.args[3:]
    assert payload == own(1, NOW - 3)
    told = json.loads(record)  # type: ignore[arg-type]
    assert told["exception"] == "ValueError"
    assert told["error"] == "no such order"
    assert told["payload"] == json.loads(own(1, NOW - 3))
    assert (told["worker"], told["queue"], told["id"]) == ("vm~n:1:q", "q", "id-1")
    assert told["failed_at"] == "2026/11/24 01:55:21 UTC"
    assert (failed, ran, id, lock) == ("Echo|failed", "Echo|r19", "id-1", 0)


def test_a_failure_without_an_id_gets_one() -> None:
    """It must be possible to name it."""
    (part,) = parts(
        entry(raw(1), Raised(ValueError())),
    )
    assert len(json.loads(part.operation.args[4])["id"]) == 36  # type: ignore[arg-type]


def test_an_id_that_only_tries_has_is_kept() -> None:
    tried = b'{"class":7,"tries":{"id":"0193-ab","attempt":1,"crashes":1}}'
    made = Entry(tried, "q", HAND, BOOT, started_at=BOOT, ended=Raised(ValueError()))
    (part,) = parts(made)
    assert json.loads(part.operation.args[4])["id"] == "0193-ab"  # type: ignore[arg-type]


def test_a_hostile_name_is_no_field_of_the_metrics() -> None:
    """Only registered names are: others would fill the hash without end."""
    (part,) = parts(entry(b'{"class":"Stranger","args":[]}', Raised(ValueError()), job=""))
    assert part.operation.args[5:7] == ("?|failed", "")


def test_unreadable_bytes_are_kept_whole() -> None:
    (part,) = parts(entry(b"\xff no json", Raised(ValueError("not UTF-8")), job=""))
    told = json.loads(part.operation.args[4])  # type: ignore[arg-type]
    assert told["payload"] is None
    assert told["raw"] == "/yBubyBqc29u"


def test_released_jobs_go_back_as_they_are_the_last_first() -> None:
    """Pushed to the front one by one, so that the queue has its order again."""
    (part,) = parts(*(entry(raw(number), Interrupted("late")) for number in (1, 2, 3)))
    assert part.operation.args[2:] == (raw(3), b"", raw(2), b"", raw(1), b"")


@pytest.mark.parametrize(("wire", "oldest", "push"), [("native", -1, "LPUSH"), ("ruby", 1, "RPUSH")])
def test_the_wire_decides_where_it_is_looked_for(wire: Any, oldest: int, push: str) -> None:
    settlement = Settlement(Keys("resque", wire), "vm~n:1", "vm~n:1:q")
    done, failed, released = settlement.parts(
        [entry(raw(1), Returned()), entry(raw(2), Raised(ValueError())), entry(raw(3), Interrupted("x"))], NOW
    )
    assert done.operation.args[0] == oldest
    assert failed.operation.args[:2] == (oldest, push)
    assert released.operation.args[:2] == (-oldest, "LPUSH" if push == "RPUSH" else "RPUSH")


def test_a_job_whose_process_died_goes_back_with_a_crash_more() -> None:
    """The count is in what is pushed, not in what is looked for. One that had not started is not blamed."""
    once = b'{"class":"Echo","args":[1],"meta":{"id":"i","queue":"q","enqueued_at":1.5}}'
    (part,) = parts(entry(once, Died("signal 9", started=True)), entry(raw(2), Died("signal 9", started=False)))
    assert part.kind == "released"
    second, unchanged, first, changed = part.operation.args[2:]
    assert (second, unchanged) == (raw(2), b"")
    assert first == once
    assert changed == once[:-1] + b',"tries":{"attempt":1,"crashes":1}}'


@pytest.mark.parametrize("payload", [b'{"class":"Echo","args":[],"tries":{"attempt":1,"crashes":2}}', b"no object"])
def test_a_job_whose_process_died_too_often_is_failed(payload: bytes) -> None:
    """For the third time; or once, where no crash can be written into its bytes. Events tell the error, too."""
    dead = entry(payload, Died("signal 11 (SIGSEGV)", started=True))
    (part,) = parts(dead)
    assert part.kind == "failed"
    assert isinstance(dead.ended, Raised)
    assert isinstance(dead.ended.error, WorkerDied)
    assert "signal 11 (SIGSEGV)" in str(dead.ended.error)


def test_what_a_process_told_is_recorded_as_it_told_it() -> None:
    (part,) = parts(entry(raw(1), Raised(ToldError("shop.NoStock", "none left", ["shop.py:3:in perform"]))))
    told = json.loads(part.operation.args[4])  # type: ignore[arg-type]
    assert (told["exception"], told["error"]) == ("shop.NoStock", "none left")
    assert told["backtrace"] == ["shop.py:3:in perform"]
