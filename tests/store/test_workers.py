"""The registry of workers, in Resque's keys and forms."""

from typing import Any

import pytest

from resque.store import workers
from resque.store.keys import Keys
from tests.store.conftest import Drive

pytestmark = pytest.mark.every_server

KEYS, ID = Keys(), "host~0a1b:77:q"


def test_a_worker_comes_works_and_goes(drive: Drive, redis: Any, url: str) -> None:
    """WIRE 1: `workers`, `worker:<id>` (absent while idle), `worker:<id>:started`; all gone at the end."""
    driver = drive(url)
    driver.run_all(workers.register(KEYS, ID, "2026-11-24 01:55:10 +0000"))
    assert redis.smembers("resque:workers") == {ID.encode()}
    assert redis.get(f"resque:worker:{ID}:started") == b"2026-11-24 01:55:10 +0000"
    assert driver.run(workers.ids(KEYS)) == [ID]
    assert driver.run(workers.started(KEYS, ID)) == b"2026-11-24 01:55:10 +0000"
    assert driver.run(workers.status(KEYS, ID)) is None

    driver.run(workers.working(KEYS, ID, b'{"queue":"q"}'))
    assert redis.get(f"resque:worker:{ID}") == driver.run(workers.status(KEYS, ID)) == b'{"queue":"q"}'
    driver.run(workers.idle(KEYS, ID))
    assert driver.run(workers.status(KEYS, ID)) is None

    driver.run_all(workers.beat(KEYS, ID, {"state": "idle", "rss": 5}, 60))
    driver.run(workers.working(KEYS, ID, b"{}"))
    redis.mset({f"resque:stat:{name}:{ID}": 1 for name in ("processed", "failed")} | {"resque:stat:processed": 1})
    driver.run_all(workers.unregister(KEYS, ID))
    assert redis.keys("*") == [b"resque:stat:processed"], "the totals stay"


def test_a_sign_of_life_ends_by_itself_and_can_be_prolonged(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    driver.run_all(workers.beat(KEYS, ID, {"state": "busy", "concurrency": 2, "load": 0.5}, 0.25))
    assert driver.run(workers.info(KEYS, ID)) == {"state": b"busy", "concurrency": b"2", "load": b"0.5"}
    assert 0 < redis.pttl(f"resque:worker:{ID}:info") <= 250
    driver.run(workers.prolong(KEYS, ID, 90))
    assert 80_000 < redis.pttl(f"resque:worker:{ID}:info") <= 90_000
    driver.run(workers.prolong(KEYS, "nobody", 90))
    assert driver.run(workers.info(KEYS, "nobody")) == {}
    assert not redis.exists("resque:worker:nobody:info")
