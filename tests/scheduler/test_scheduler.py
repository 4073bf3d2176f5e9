"""The scheduler and its supervisor talk: reports are worked off and answered, "stop" ends it when all is done."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque import channel, events
from resque.channel import Channel
from resque.config import Settings
from resque.errors import WireMismatch
from resque.payload.payload import mark_of
from resque.scheduler.scheduler import Scheduler
from resque.store import delayed
from resque.store.delayed import Delayed
from resque.store.identity import Identity
from tests.fault_proxy import FaultProxy
from tests.scheduler.conftest import GONE, Stage

JOB = b'{"class":"Count","args":[1],"meta":{"id":"0193","queue":"q","enqueued_at":1.5}}'


class Running:
    """A scheduler in a thread, and the supervisor's end of its channel."""

    def __init__(self, settings: Settings) -> None:
        self.channel, theirs = channel.pair()
        self._theirs = theirs
        self.error: BaseException | None = None
        who = Identity("vm~s:5", "vm~s:5:scheduler")
        self._scheduler = Scheduler(settings, who, theirs, lambda payload: None)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._scheduler.run()
        except BaseException as error:
            self.error = error

    def hear(self, seconds: float = 5.0) -> list[dict[str, Any]]:
        """What it says next."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.channel.receive():
                return found
            time.sleep(0.005)
        return []

    def report(self, *started: bytes, queues: tuple[str, ...] = ("q",), member: str = GONE) -> None:
        marks = [mark_of(raw) for raw in started]
        self.channel.send({"died": member, "id": f"{member}:q", "queues": queues, "started": marks, "why": "signal 9"})

    def ends_within(self, seconds: float) -> bool:
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def close(self) -> None:
        if self.thread.is_alive():
            self.channel.send({"stop": True})
            self.channel.send({"stop": True})
        for end in (self.channel, self._theirs):
            end.close() if self.ends_within(10) else None


@pytest.fixture
def run() -> Iterator[Callable[[Settings], Running]]:
    """run(settings) -> a scheduler at work; ended with the test."""
    started: list[Running] = []

    def start(settings: Settings) -> Running:
        started.append(Running(settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_a_report_is_worked_off_at_once_and_answered(native: Stage, run: Callable[[Settings], Running]) -> None:
    """Not at the next look at the leases, seconds later."""
    scheduler = run(native.settings)
    time.sleep(0.2)  # its first round is over: the next one is due in 5 s
    native.hold(JOB, ends_in=20)
    began = time.monotonic()
    scheduler.report(JOB)
    assert scheduler.hear() == [{"recovered": GONE}]
    assert time.monotonic() - began < 2
    assert native.waiting() == [JOB[:-1] + b',"tries":{"attempt":1,"crashes":1}}']


def test_reports_before_redis_is_there_are_kept(
    native: Stage, run: Callable[[Settings], Running], proxy: FaultProxy
) -> None:
    native.hold(JOB, ends_in=20)
    proxy.stop()
    settings = Settings(redis_url=proxy.url, wire="native", lease=20.0)
    with events.listening("store.lost") as heard:
        scheduler = run(settings)
        scheduler.report()
        assert scheduler.hear(0.3) == []
        assert heard
    proxy.start()
    assert scheduler.hear() == [{"recovered": GONE}]
    assert native.waiting() == [JOB]


def test_a_report_survives_a_lost_connection(
    native: Stage, run: Callable[[Settings], Running], proxy: FaultProxy
) -> None:
    """The duty fails, backs off, and is done when Redis is back."""
    scheduler = run(Settings(redis_url=proxy.url, wire="native", lease=20.0))
    time.sleep(0.2)
    native.hold(JOB, ends_in=20)
    proxy.stop()
    with events.listening("loop.failed") as heard:
        scheduler.report()
        assert scheduler.hear(0.3) == []
        assert heard
    proxy.start()
    assert scheduler.hear(10) == [{"recovered": GONE}]
    assert native.waiting() == [JOB]


def test_stop_ends_it(native: Stage, run: Callable[[Settings], Running]) -> None:
    scheduler = run(native.settings)
    scheduler.channel.send({"stop": True})
    assert scheduler.ends_within(3)
    assert scheduler.error is None


def test_stop_waits_for_the_reports_that_came_before(native: Stage, run: Callable[[Settings], Running]) -> None:
    """The last words of a supervisor: these have died, and now we leave. Nobody else knows of them so soon."""
    for number in range(30):
        native.hold(JOB, ends_in=20, member=f"vm~{number}:1")
    scheduler = run(native.settings)
    for number in range(30):
        scheduler.report(member=f"vm~{number}:1")
    scheduler.channel.send({"stop": True})
    assert scheduler.ends_within(5)
    assert native.inflight() == 0
    assert native.waiting() == [JOB] * 30


def test_it_ends_with_its_supervisor(native: Stage, run: Callable[[Settings], Running]) -> None:
    scheduler = run(native.settings)
    time.sleep(0.1)
    scheduler.channel.close()
    assert scheduler.ends_within(7)
    assert scheduler.error is None


def test_stop_is_heard_while_redis_is_away(
    run: Callable[[Settings], Running], native: Stage, proxy: FaultProxy
) -> None:
    proxy.stop()
    scheduler = run(Settings(redis_url=proxy.url, wire="native", lease=20.0))
    time.sleep(0.1)
    scheduler.channel.send({"stop": True})
    assert scheduler.ends_within(6)


def test_another_wire_direction_is_an_error(native: Stage, run: Callable[[Settings], Running]) -> None:
    native.redis.set("resque:wire", "ruby")
    scheduler = run(native.settings)
    assert scheduler.ends_within(3)
    assert isinstance(scheduler.error, WireMismatch)


def test_the_duties_run_by_themselves(native: Stage, run: Callable[[Settings], Running]) -> None:
    """Recovery, audit and pruning, all within the first round."""
    native.hold(JOB, ends_in=1e6)
    native.hold(JOB, queue="bare")
    native.redis.delete("resque:leases:bare")
    native.redis.sadd("resque:workers", "vm~1:2:q")
    run(native.settings)
    end = time.monotonic() + 5
    while time.monotonic() < end and (native.redis.scard("resque:workers") or not native.lease(queue="bare")):
        time.sleep(0.01)
    assert native.redis.scard("resque:workers") == 0, "pruning"
    assert native.lease(queue="bare"), "audit"
    cut = native.lease()
    assert cut is not None
    assert cut < native.now_ms() + 30_000, "recovery"


def test_what_the_workers_code_declares_is_stored_and_fired(native: Stage, run: Callable[[Settings], Running]) -> None:
    """Within a second, not at the next look at the entries."""
    scheduler = run(native.settings)
    time.sleep(0.2)
    scheduler.channel.send({"schedules": {"tick": '{"name":"tick","class":"Tick","queue":"q","every":1}'}})
    end = time.monotonic() + 10
    while not native.waiting() and time.monotonic() < end:
        time.sleep(0.01)
    assert b'"class":"Tick"' in native.waiting()[0]
    assert b'"source":"code:"' in native.redis.hget("resque:cron", "tick")


def test_delayed_jobs_are_promoted(native: Stage, run: Callable[[Settings], Running]) -> None:
    run(native.settings)
    due = native.now_ms() / 1000 + 0.3
    native.store.run_all(delayed.delay(native.keys, "q", [Delayed("0193", due, JOB)]))
    end = time.monotonic() + 10
    while not native.waiting() and time.monotonic() < end:
        time.sleep(0.005)
    assert native.waiting() == [JOB]


def test_messages_that_it_does_not_know_are_no_trouble(native: Stage, run: Callable[[Settings], Running]) -> None:
    """A newer supervisor may say more."""
    scheduler = run(native.settings)
    ends: Channel = scheduler.channel
    ends.send({"weather": "fine"})
    scheduler.report()
    assert scheduler.hear() == [{"recovered": GONE}]
