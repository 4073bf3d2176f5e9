"""Both clients do the same when something is wrong: they say what is known, and never push twice."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from resque import events
from resque.dev.server import Server, free_port
from resque.errors import EnqueueUnknown, NotEnqueued, StoreError, Unavailable
from tests.client.conftest import OpenDoor
from tests.conftest import client
from tests.fault_proxy import FaultProxy, blackhole, cut_after, drop_reply, drop_request
from tests.store.canned import Canned
from tests.store.test_driver_faults import deaf as deaf

PUSH = b"\nLPUSH\r"
every_server = pytest.mark.every_server


def ids(redis: Any) -> list[str]:
    """The ids of the waiting jobs, the next one first."""
    return [json.loads(raw)["meta"]["id"] for raw in reversed(redis.lrange("resque:queue:mail", 0, -1))]


@pytest.mark.parametrize("fault", [drop_reply(), cut_after(5)], ids=["lost", "cut off"])
@every_server
def test_a_lost_reply_is_unknown_and_there_was_one_push(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any, fault: Any
) -> None:
    """R15: who repeats it blindly runs the job twice; so do we not."""
    door = open_door(proxy.url)
    door.keys()
    lost = proxy.on(PUSH, fault, times=100)
    with events.listening("job.enqueued") as seen, pytest.raises(EnqueueUnknown) as caught:
        door.enqueue(greet.call("ann"))
    assert lost.hits == 1
    assert ids(redis) == [caught.value.job_id]
    assert (caught.value.stored, caught.value.unknown, caught.value.missing) == ((), (caught.value.job_id,), ())
    assert isinstance(caught.value.__cause__, StoreError)
    assert seen == [], "nobody is told of a job that may not exist"


def test_a_lost_request_is_unknown_too(open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any) -> None:
    door = open_door(proxy.url)
    door.keys()
    lost = proxy.on(PUSH, drop_request(), times=100)
    with pytest.raises(EnqueueUnknown):
        door.enqueue(greet.call("ann"))
    assert lost.hits == 1
    assert ids(redis) == []
    lost.times = 0
    door.enqueue(greet.call("bob"))
    assert len(ids(redis)) == 1


@every_server
def test_of_2500_jobs_the_second_trip_is_lost(open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any) -> None:
    door = open_door(proxy.url)
    door.keys()
    lost = proxy.on(PUSH, drop_reply(), times=100, after=1)
    with pytest.raises(EnqueueUnknown) as caught:
        door.enqueue_many([greet.call(str(n)) for n in range(2500)])
    error = caught.value
    assert lost.hits == 1
    assert [len(each) for each in (error.stored, error.unknown, error.missing)] == [1000, 1000, 500]
    assert ids(redis) == [*error.stored, *error.unknown]


def test_a_server_that_says_nothing_is_unknown_after_the_socket_timeout(
    open_door: OpenDoor, proxy: FaultProxy, greet: Any
) -> None:
    door = open_door(proxy.url, socket_timeout=0.2)
    door.keys()
    proxy.on(PUSH, blackhole())
    start = time.monotonic()
    with pytest.raises(EnqueueUnknown):
        door.enqueue(greet.call("ann"))
    assert 0.15 < time.monotonic() - start < 0.7


def test_a_refused_connection_is_not_enqueued(open_door: OpenDoor, greet: Any) -> None:
    door = open_door(f"redis://127.0.0.1:{free_port()}/0")
    start = time.monotonic()
    with pytest.raises(NotEnqueued, match="It is safe to repeat") as caught:
        door.enqueue_many([greet.call("a"), greet.call("b")])
    assert time.monotonic() - start < 0.5
    assert (caught.value.stored, caught.value.unknown, len(caught.value.missing)) == ((), (), 2)


@every_server
def test_a_server_that_went_away_is_not_enqueued_and_when_it_is_back_the_client_is(
    open_door: OpenDoor, start_server: Callable[..., Server], greet: Any
) -> None:
    """The client knows the namespace already: this time the push itself meets the closed port."""
    server = start_server(appendonly="always")
    door = open_door(server.url)
    door.enqueue(greet.call("a"))
    server.kill()
    time.sleep(0.07)
    with pytest.raises(NotEnqueued):
        door.enqueue(greet.call("b"))
    server.start()
    door.enqueue(greet.call("c"))
    redis = client(server)
    assert [json.loads(raw)["args"] for raw in redis.lrange("resque:queue:mail", 0, -1)] == [["c"], ["a"]]
    redis.close()
    server.kill()  # quicker than the gentle end that comes by itself


def test_an_unreachable_server_fails_within_the_connect_timeout(open_door: OpenDoor, deaf: str, greet: Any) -> None:
    """With the settings as they come: 1 s. A web request must not hang on a dead Redis."""
    door = open_door(deaf)
    start = time.monotonic()
    with pytest.raises(NotEnqueued):
        door.enqueue(greet.call("ann"))
    assert 0.9 < time.monotonic() - start < door.settings.connect_timeout + 0.5


@every_server
def test_a_full_server_and_a_replica_are_not_enqueued(
    open_door: OpenDoor, start_server: Callable[..., Server], greet: Any
) -> None:
    server = start_server()
    redis = client(server)
    door = open_door(server.url)
    door.keys()
    redis.config_set("maxmemory", 1)
    with pytest.raises(NotEnqueued, match="maxmemory") as caught:
        door.enqueue(greet.call("ann"))
    assert isinstance(caught.value.__cause__, Unavailable)
    assert len(caught.value.missing) == 1
    redis.config_set("maxmemory", 0)
    redis.replicaof("127.0.0.1", "1")
    with pytest.raises(NotEnqueued, match="not a primary"):
        door.enqueue(greet.call("ann"))
    redis.replicaof("NO", "ONE")
    assert redis.keys("resque:queue*") == []
    door.enqueue(greet.call("ann"))
    assert len(ids(redis)) == 1
    redis.close()
    server.kill()  # quicker than the gentle end that comes by itself


@every_server
def test_a_queue_of_another_type_takes_none_and_the_others_theirs(
    open_door: OpenDoor, redis: Any, url: str, greet: Any
) -> None:
    redis.set("resque:queue:broken", "a string")
    door = open_door(url, wire="native")
    calls = [greet.using(queue=queue).call("x") for queue in ("mail", "broken", "mail", "broken")]
    with pytest.raises(NotEnqueued, match=r"2 jobs were not stored: .*WRONGTYPE") as caught:
        door.enqueue_many(calls)
    assert ids(redis) == list(caught.value.stored)
    assert len(caught.value.missing) == 2
    assert redis.get("resque:queue:broken") == b"a string"


def test_a_server_that_is_loading_is_not_enqueued(open_door: OpenDoor, greet: Any) -> None:
    with Canned(b"-LOADING Redis is loading the dataset in memory\r\n") as server:
        door = open_door(server.url)
        with pytest.raises(NotEnqueued, match="loading"):
            door.enqueue(greet.call("ann"))


def test_the_marker_is_asked_for_again_when_its_answer_was_lost(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any
) -> None:
    """Of the job nothing was sent: safe to repeat."""
    door = open_door(proxy.url)
    lost = proxy.on(b"EVAL", drop_reply())
    with pytest.raises(NotEnqueued):
        door.enqueue(greet.call("ann"))
    assert lost.hits == 1
    door.enqueue(greet.call("ann"))
    assert len(ids(redis)) == 1
