"""Workers as a person sees them: ours with all they say, Ruby's with what they have."""

import json
from typing import Any

import pytest

from resque import clock
from resque.admin import workers
from resque.admin.console import Console
from resque.store import workers as registry
from resque.store.sync import SyncStore
from tests.admin.conftest import Shop, payload

OURS = "web-1~ab12cd34:4711:mail,default"


def run(url_settings: Any, operations: list[Any]) -> None:
    store = SyncStore(url_settings)
    store.run_all(operations)
    store.close()


@pytest.fixture
def ours(console: Console, shop: Shop) -> Shop:
    """One of our workers, registered 10 s ago."""
    beat: dict[str, str | int | float] = {"state": "idle", "supervisor": 4000, "concurrency": 2, "rss": 52428800}
    beat |= {"version": "0.1", "jobs": 1, "beat": 990.0}
    operations = [
        *registry.register(shop.keys, OURS, "2026-11-24 01:55:10 +0000"),
        *registry.beat(shop.keys, OURS, beat, life=60),
    ]
    run(console.settings, operations)
    return shop


def test_an_idle_worker_of_ours(console: Console, ours: Shop) -> None:
    with clock.use(lambda: 1000.0):
        (view,) = workers.every(console)
    assert (view.id, view.host, view.pid, view.queues, view.is_foreign) == (OURS, "web-1", 4711, "mail,default", False)
    assert (view.state, view.job, view.queue, view.since) == ("idle", None, None, None)
    assert (view.beat_age, view.rss, view.concurrency, view.supervisor) == (10.0, 52428800, 2, 4000)
    assert (view.jobs_in_hand, view.version, view.started) == (1, "0.1", "2026-11-24 01:55:10 +0000")
    assert workers.count(console) == 1


def test_a_working_worker_shows_its_job_and_since_when(console: Console, ours: Shop) -> None:
    status = {"queue": "mail", "run_at": "1970-01-01T00:16:30Z", "payload": json.loads(payload(7, "x"))}
    ours.redis.set(ours.keys.worker(OURS), json.dumps(status))
    (view,) = workers.every(console)
    assert view.job is not None
    assert (view.state, view.queue, view.since) == ("working", "mail", 990.0)
    assert (view.job.job, view.job.id) == ("SendMail", "job-7")


def test_a_worker_of_ours_without_a_beat_is_silent(console: Console, ours: Shop) -> None:
    ours.redis.delete(ours.keys.worker_info(OURS))
    (view,) = workers.every(console)
    assert (view.state, view.beat_age, view.rss) == ("silent", None, None)


def test_a_ruby_worker_is_shown_as_in_golden_03a(console: Console, shop: Shop) -> None:
    id = "vm:12377:*"
    shop.redis.sadd(shop.keys.workers(), id)
    shop.redis.set(shop.keys.worker_started(id), "2026-11-24 01:55:14 +0000")
    shop.redis.set(
        shop.keys.worker(id),
        '{"queue":"slow","run_at":"2026-11-24T01:55:14Z","payload":{"class":"Sleeper","args":[1.5,"é"]}}',
    )
    (view,) = workers.every(console)
    assert (view.host, view.pid, view.queues, view.is_foreign, view.state) == ("vm", 12377, "*", True, "working")
    assert view.job is not None
    assert (view.job.job, view.job.args, view.queue) == ("Sleeper", [1.5, "é"], "slow")
    assert view.since == 1795485314.0
    shop.redis.delete(shop.keys.worker(id))
    assert workers.every(console)[0].state == "idle"


@pytest.mark.parametrize(
    "status",
    [b"\xff", b"[]", b"{}", b"null", b'{"queue":1,"run_at":2,"payload":3}', b'{"run_at":"yesterday"}', b"{" * 5000],
)
def test_a_status_that_means_nothing_still_says_working(console: Console, ours: Shop, status: bytes) -> None:
    ours.redis.set(ours.keys.worker(OURS), status)
    (view,) = workers.every(console)
    assert view.state == "working"
    assert view.job is not None
    assert (view.job.job, view.queue, view.since) == (None, None, None)


@pytest.mark.parametrize("id", ["", "x", "a:b:c", "a:1", "::", "h:99999999999999999999999:q", "\x1b[31m:1:q"])
def test_a_malformed_id_is_shown(console: Console, shop: Shop, id: str) -> None:
    shop.redis.sadd(shop.keys.workers(), id)
    (view,) = workers.every(console)
    assert view.id == id
    assert view.is_foreign


def test_details_that_are_no_numbers_are_unknown(console: Console, ours: Shop) -> None:
    ours.redis.hset(ours.keys.worker_info(OURS), mapping={"rss": "much", "beat": "nan", "concurrency": "-1"})
    (view,) = workers.every(console)
    assert (view.rss, view.beat_age, view.concurrency) == (None, None, None)
