"""Both clients do the same: what is stored when all is well. When it is not: test_client_faults.py."""

import json
import os
from typing import Any

import pytest

from resque import clock, events
from resque.client.handle import Handle
from resque.config import Wire
from resque.errors import BadArguments, JobError, WireMismatch
from resque.jobs.job import Job, job
from resque.jobs.registry import Registry
from tests.client.conftest import OpenDoor
from tests.client.doors import Door
from tests.fault_proxy import FaultProxy

pytestmark = pytest.mark.every_server

WIRES: list[Wire] = ["native", "ruby"]


def names(redis: Any, queue: str = "mail") -> list[Any]:
    """The first arguments of the waiting jobs, the next one first (native wire)."""
    return [json.loads(raw)["args"][0] for raw in reversed(redis.lrange(f"resque:queue:{queue}", 0, -1))]


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_stored_is_exactly_this(open_door: OpenDoor, redis: Any, url: str, wire: Wire, greet: Any) -> None:
    """Byte for byte, at the end where this wire's jobs come in, and nothing else."""
    door = open_door(url, wire=wire)
    with clock.use(lambda: 1_764_000_000.5):
        handles = [door.enqueue(greet.call("ann")), door.enqueue(greet.call("béa", loud=True))]
    stamp = '"queue":"mail","enqueued_at":1764000000.5}}'
    stored = [
        f'{{"class":"Greet","args":["ann"],"meta":{{"id":"{handles[0].id}",{stamp}',
        f'{{"class":"Greet","args":["béa"],"kwargs":{{"loud":true}},"meta":{{"id":"{handles[1].id}",{stamp}',
    ]
    waiting = [raw.decode() for raw in redis.lrange("resque:queue:mail", 0, -1)]
    assert waiting == (stored if wire == "ruby" else stored[::-1])
    assert redis.smembers("resque:queues") == {b"mail"}
    assert redis.get("resque:wire") == wire.encode()
    assert len(redis.keys("*")) == 3


def test_a_handle_says_which_job_it_is(open_door: OpenDoor, url: str, greet: Any) -> None:
    handle = open_door(url).enqueue(greet.using(queue="slow").call("ann"))
    assert handle == Handle(handle.id, "slow", "Greet")


@pytest.mark.parametrize("wire", WIRES)
def test_2500_jobs_are_three_trips_in_order(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, wire: Wire, greet: Any
) -> None:
    door = open_door(proxy.url, wire=wire)
    door.keys()
    requests, commands = proxy.requests, proxy.commands
    handles = door.enqueue_many([greet.call(str(n)) for n in range(2500)])
    assert (proxy.requests - requests, proxy.commands - commands) == (3, 6)
    waiting = [json.loads(raw) for raw in redis.lrange("resque:queue:mail", 0, -1)]
    if wire == "native":
        waiting.reverse()
    assert [each["args"] for each in waiting] == [[str(n)] for n in range(2500)]
    assert [each["meta"]["id"] for each in waiting] == [handle.id for handle in handles]


def test_one_job_is_one_trip(open_door: OpenDoor, proxy: FaultProxy, greet: Any) -> None:
    door = open_door(proxy.url)
    door.enqueue(greet.call("ann"))
    requests, commands = proxy.requests, proxy.commands
    door.enqueue(greet.call("bob"))
    assert (proxy.requests - requests, proxy.commands - commands, proxy.connections) == (1, 2, 1)


def test_different_jobs_in_different_queues_go_in_one_trip(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any
) -> None:
    @job(queue="bills")
    def bill(number: int) -> None: ...

    door = open_door(proxy.url)
    door.keys()
    requests = proxy.requests
    calls = [greet.call("a"), bill.call(1), greet.call("b"), bill.call(2), greet.using(queue="slow").call("c")]
    handles = door.enqueue_many(calls)
    assert proxy.requests - requests == 1
    assert [(each.queue, each.job) for each in handles] == [
        ("mail", "Greet"),
        ("bills", "bill"),
        ("mail", "Greet"),
        ("bills", "bill"),
        ("slow", "Greet"),
    ]
    assert [names(redis, queue) for queue in ("mail", "bills", "slow")] == [["a", "b"], [1, 2], ["c"]]
    assert redis.smembers("resque:queues") == {b"mail", b"bills", b"slow"}


def test_no_jobs_are_no_trip(open_door: OpenDoor, redis: Any, url: str) -> None:
    assert open_door(url).enqueue_many([]) == []
    assert not redis.keys("resque:queue*")


def test_one_bad_call_among_many_sends_nothing(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    """All are checked before the first is sent."""
    door = open_door(url)
    good = greet.call("ann")
    with pytest.raises(BadArguments):
        door.enqueue_many([good, type(good)(good.definition, (), {}, good.options), good])
    assert redis.keys("*") == []


# by name --------------------------------------------------------------------------------------------------------------


def test_by_name_a_job_that_is_registered_is_checked_as_always(
    open_door: OpenDoor, redis: Any, url: str, greet: Any
) -> None:
    """It knows its queue; an alias leads to it, and its own name is sent."""
    door = open_door(url)
    handles = [
        door.by_name("Greet", ["ann"], kwargs={"loud": True}),
        door.by_name("OldGreet", ("bob",)),
        door.by_name("Greet", ["cy"], queue="slow"),
    ]
    assert [(each.queue, each.job) for each in handles] == [("mail", "Greet"), ("mail", "Greet"), ("slow", "Greet")]
    assert names(redis) == ["ann", "bob"]
    assert names(redis, "slow") == ["cy"]
    with pytest.raises(BadArguments):
        door.by_name("Greet", [])
    assert names(redis) == ["ann", "bob"]


def test_by_name_a_job_of_another_code_base_needs_a_queue(open_door: OpenDoor, redis: Any, url: str) -> None:
    door = open_door(url)
    with pytest.raises(JobError, match="give queue="):
        door.by_name("Elsewhere::Job", [1])
    assert redis.keys("*") == []
    handle = door.by_name("Elsewhere::Job", [1], queue="theirs")
    assert (handle.queue, handle.job) == ("theirs", "Elsewhere::Job")
    assert names(redis, "theirs") == [1]


def test_by_name_the_apps_own_registry_counts(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    door = open_door(url, registry=Registry())
    with pytest.raises(JobError, match="not registered"):
        door.by_name("Greet", ["ann"])


# the namespace --------------------------------------------------------------------------------------------------------


def test_the_marker_is_written_once_and_asked_for_once(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    door = open_door(url)
    door.enqueue(greet.call("a"))
    assert redis.get("resque:wire") == b"native"
    redis.config_resetstat()
    for _ in range(5):
        door.enqueue(greet.call("a"))
    assert not {"cmdstat_eval", "cmdstat_evalsha", "cmdstat_get"} & set(redis.info("commandstats"))


@pytest.mark.parametrize("marked", WIRES)
def test_a_marked_namespace_decides_for_who_does_not_mind(
    open_door: OpenDoor, redis: Any, url: str, marked: Wire, greet: Any
) -> None:
    redis.set("resque:wire", marked)
    door = open_door(url)
    assert door.keys().wire == marked
    door.enqueue_many([greet.call(name) for name in "ab"])
    first = json.loads(redis.lindex("resque:queue:mail", 0))["args"]
    assert first == (["a"] if marked == "ruby" else ["b"])


def test_somebody_elses_namespace_is_refused_until_it_is_said_how(
    open_door: OpenDoor, redis: Any, url: str, greet: Any
) -> None:
    redis.sadd("resque:queues", "theirs")
    door = open_door(url)
    for _ in range(2):  # it is not remembered as fine
        with pytest.raises(WireMismatch, match="wire='ruby'"):
            door.enqueue(greet.call("ann"))
    assert redis.keys("*") == [b"resque:queues"]
    open_door(url, wire="ruby").enqueue(greet.call("ann"))
    door.enqueue(greet.call("bob"))
    assert [json.loads(raw)["args"][0] for raw in redis.lrange("resque:queue:mail", 0, -1)] == ["ann", "bob"]


def test_a_namespace_of_the_other_wire_is_refused(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    redis.set("resque:wire", "ruby")
    with pytest.raises(WireMismatch):
        open_door(url, wire="native").enqueue(greet.call("ann"))
    assert redis.keys("*") == [b"resque:wire"]


def test_another_prefix_is_another_namespace(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    redis.sadd("resque:queues", "theirs")
    open_door(url, prefix="shop").enqueue(greet.call("ann"))
    assert set(redis.keys("*")) == {b"resque:queues", b"shop:queues", b"shop:queue:mail", b"shop:wire"}


# sharing --------------------------------------------------------------------------------------------------------------


def test_threads_share_one_client(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    """Also for the very first call, which marks the namespace."""
    door = open_door(url)

    def work(shared: Door) -> None:
        for n in range(25):
            shared.enqueue(greet.call(str(n)))

    door.in_threads(8, work)
    assert sorted(names(redis)) == sorted([str(n) for n in range(25)] * 8)
    ids = {json.loads(raw)["meta"]["id"] for raw in redis.lrange("resque:queue:mail", 0, -1)}
    assert len(ids) == 200


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_parent_and_child_of_a_fork_enqueue(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    """A web server that was loaded before it forked. Ids stay unique: the child must not repeat the parent's."""
    door = open_door(url)
    door.enqueue(greet.call("before"))
    child = os.fork()
    if not child:
        status = 1
        try:
            door.after_fork()
            door.enqueue_many([greet.call("child") for _ in range(100)])
            status = 0
        finally:
            os._exit(status)
    door.enqueue_many([greet.call("parent") for _ in range(100)])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    door.enqueue(greet.call("after"))
    assert sorted(names(redis)) == ["after", "before", *["child"] * 100, *["parent"] * 100]
    ids = {json.loads(raw)["meta"]["id"] for raw in redis.lrange("resque:queue:mail", 0, -1)}
    assert len(ids) == 202


def test_every_stored_job_is_told_to_who_listens(open_door: OpenDoor, url: str, greet: Any) -> None:
    door = open_door(url)
    with events.listening("job.enqueued") as seen:
        handles = door.enqueue_many([greet.call("a"), greet.call("b")])
    assert seen == [("job.enqueued", {"id": each.id, "queue": "mail", "job": "Greet"}) for each in handles]


def test_a_job_without_arguments(open_door: OpenDoor, redis: Any, url: str) -> None:
    class Nothing(Job):
        def perform(self) -> None: ...

    open_door(url).enqueue(Nothing.call())
    assert redis.lindex("resque:queue:default", 0).startswith(b'{"class":"Nothing","args":[],"meta":{"id":"')
