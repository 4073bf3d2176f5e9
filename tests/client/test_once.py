"""How often: keys that make repeating safe, and jobs of which there may be one. Both clients do the same."""

from typing import Any

import pytest

from resque import clock, events
from resque.client.prepare import KEY_LIFE
from resque.config import Wire
from resque.errors import ConfigError, EnqueueUnknown, NotUnique
from resque.jobs.job import Job
from tests.client.conftest import OpenDoor
from tests.client.stored import later, locks, names, waiting
from tests.fault_proxy import FaultProxy, drop_reply, drop_request

NOW = 1_900_000_000.125
WIRES: list[Wire] = ["native", "ruby"]
YEAR = 365 * 86400.0


# key ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"delay": "5m"}, {"at_front": True}], ids=["now", "delayed", "front"])
def test_a_key_stores_one_job_however_often(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, options: Any
) -> None:
    door = open_door(url)
    with events.listening() as seen:
        handles = [door.enqueue(greet.using(key="k1", **options).call(name)) for name in ("ann", "bob")]
    assert handles[0].id == handles[1].id
    assert len(waiting(redis)) + len(later(redis)) == 1
    assert [name for name, _ in seen] == ["job.enqueued", "job.deduplicated"]
    assert redis.get("resque:stat:deduplicated") == b"1"
    ttl = redis.pttl(locks(redis)[0]) / 1000
    assert KEY_LIFE - 60 < ttl - (300 if "delay" in options else 0) <= KEY_LIFE
    assert door.enqueue(greet.using(key="k2").call("cy")).id != handles[0].id


def test_a_key_is_one_of_its_job_and_its_queue(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    class Other(Job):
        queue = "mail"

        def perform(self, name: str) -> None: ...

    door = open_door(url)
    calls = [greet.using(key="k").call("a"), Other.using(key="k").call("b"), greet.using(key="k", queue="q").call("c")]
    assert len({door.enqueue(call).id for call in calls}) == 3


@pytest.mark.every_server
@pytest.mark.parametrize("options", [{}, {"delay": "5m"}], ids=["now", "delayed"])
@pytest.mark.parametrize(("fault", "stored"), [(drop_reply(), 1), (drop_request(), 0)], ids=["reply", "request"])
def test_after_a_lost_reply_a_repeat_with_the_key_stores_one_job(
    open_door: OpenDoor, redis: Any, url: str, proxy: FaultProxy, greet: Any, options: Any, fault: Any, stored: int
) -> None:
    """What a key is for: EnqueueUnknown says that nobody knows, and repeating is safe all the same."""
    door = open_door(proxy.url)
    door.enqueue(greet.using(key="other", queue="other").call("x"))  # the script is loaded
    lost = proxy.on(b"\nEVALSHA\r", fault)
    call = greet.using(key="k", **options).call("ann")
    with pytest.raises(EnqueueUnknown) as caught:
        door.enqueue(call)
    assert lost.hits == 1
    assert len(waiting(redis)) + len(later(redis)) == stored
    handle = door.enqueue(call)
    (job,) = [*waiting(redis), *(job for job, _ in later(redis))]
    assert job["meta"]["id"] == handle.id
    assert (handle.id == caught.value.job_id) == bool(stored)
    assert door.enqueue(call).id == handle.id


@pytest.mark.parametrize("key", ["", "x" * 201, 7, b"k"], ids=lambda each: repr(each)[:10])
def test_a_bad_key_is_refused(greet: Any, key: Any) -> None:
    with pytest.raises(ConfigError, match="key must be text"):
        greet.using(key=key)


def test_a_key_for_a_unique_job_is_refused(unique: Any) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        unique().using(key="k")


# unique ---------------------------------------------------------------------------------------------------------------


def test_skip_gives_the_first_one(open_door: OpenDoor, redis: Any, url: str, unique: Any) -> None:
    door, remind = open_door(url), unique()
    with events.listening() as seen:
        first, second, other = (door.enqueue(remind.call(name)) for name in ("ann", "ann", "bob"))
    assert first.id == second.id != other.id
    assert [name for name, _ in seen] == ["job.enqueued", "job.deduplicated", "job.enqueued"]
    assert seen[1][1] == {"id": first.id, "queue": "mail", "job": "Remind"}
    assert names(redis) == ["ann", "bob"]
    assert redis.get("resque:stat:deduplicated") == b"1"


@pytest.mark.parametrize("delay", [{}, {"delay": "1m"}], ids=["waiting", "delayed"])
def test_replace_takes_the_place_of_the_one_that_waits(
    open_door: OpenDoor, redis: Any, url: str, unique: Any, delay: Any
) -> None:
    door, remind = open_door(url), unique(on_conflict="replace")
    with clock.use(lambda: NOW):
        for name in ("ann", "bob"):
            door.enqueue(remind.using(**delay).call(name, "first"))
    with clock.use(lambda: NOW + 30):
        newer = door.enqueue(remind.using(**delay).call("ann", "second"))
    jobs = [job for job, _ in later(redis)] or waiting(redis)
    assert sorted(job["args"] for job in jobs) == [["ann", "second"], ["bob", "first"]]
    if delay:
        assert [due - NOW for _, due in later(redis)] == [60, 90], "a debounce: the new one's time counts"
    else:
        assert names(redis) == ["ann", "bob"], "in the old one's place"
    assert newer.id in {job["meta"]["id"] for job in jobs}
    assert sorted(redis.mget(locks(redis))) == sorted(job["meta"]["id"].encode() for job in jobs)


def test_raise_says_which_one_there_is(open_door: OpenDoor, redis: Any, url: str, unique: Any) -> None:
    door, remind = open_door(url), unique(on_conflict="raise")
    first = door.enqueue(remind.call("ann"))
    with pytest.raises(NotUnique, match=first.id) as caught:
        door.enqueue(remind.call("ann", "again"))
    assert caught.value.job_id == first.id
    assert (caught.value.stored, caught.value.unknown, len(caught.value.missing)) == ((), (), 1)
    assert names(redis) == ["ann"]


@pytest.mark.parametrize(
    ("how", "options", "stamp", "life"),
    [
        ({}, {}, "done", 3600),
        ({"until": "start", "ttl": "2h"}, {}, "start", 7200),
        ({"until": "10m"}, {}, "ttl", 600),
        ({"ttl": "10m"}, {"delay": "1h"}, "done", 4200),
        ({"until": "10m"}, {"delay": "1h"}, "ttl", 600),
    ],
    ids=["done", "start", "ttl", "delayed", "ttl of a delayed one"],
)
def test_the_lock_says_until_when_and_never_lives_for_ever(
    open_door: OpenDoor, redis: Any, url: str, unique: Any, how: Any, options: Any, stamp: str, life: float
) -> None:
    handle = open_door(url).enqueue(unique(**how).using(**options).call("ann"))
    (lock,) = locks(redis)
    digest = lock.decode().removeprefix("resque:lock:mail:")
    (job,) = [job for job, _ in later(redis)] or waiting(redis)
    assert job["meta"]["lock"] == f"{stamp}:{digest}"
    assert redis.get(lock) == handle.id.encode()
    assert life - 60 < redis.pttl(lock) / 1000 <= life


def test_when_the_lock_is_gone_the_next_one_comes(open_door: OpenDoor, redis: Any, url: str, unique: Any) -> None:
    door, remind = open_door(url), unique()
    first = door.enqueue(remind.call("ann"))
    redis.delete(*locks(redis))
    assert door.enqueue(remind.call("ann")).id != first.id
    assert names(redis) == ["ann", "ann"]
