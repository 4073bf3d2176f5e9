"""When, and in front of whom: what the clients store for it, one by one and many at once. Both do the same."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from resque import clock
from resque.config import Wire
from resque.errors import ConfigError, EnqueueUnknown, NotEnqueued, NotUnique, Unserializable
from resque.jobs.job import Job
from resque.store.keys import Keys
from resque.store.scripts import Script
from tests.client.conftest import OpenDoor
from tests.client.stored import is_empty, later, locks, names, waiting
from tests.fault_proxy import FaultProxy, drop_reply

NOW = 1_900_000_000.125
WIRES: list[Wire] = ["native", "ruby"]
YEAR = 365 * 86400.0


# delay and at ---------------------------------------------------------------------------------------------------------


@pytest.mark.every_server
@pytest.mark.parametrize("wire", WIRES)
def test_a_delayed_job_is_stored_under_its_id_with_its_time(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, wire: Wire
) -> None:
    with clock.use(lambda: NOW):
        handle = open_door(url, wire=wire).enqueue(greet.using(delay="5m").call("ann"))
    ((job, due),) = later(redis)
    assert due == NOW + 300
    meta = {"id": handle.id, "queue": "mail", "enqueued_at": NOW, "due_at": NOW + 300}
    assert job == {"class": "Greet", "args": ["ann"], "meta": meta}
    assert redis.hkeys("resque:payloads:mail") == [handle.id.encode()]
    assert redis.smembers("resque:queues") == {b"mail"}
    assert not redis.exists("resque:queue:mail")


@pytest.mark.parametrize("delay", ["90s", 90, 90.0, timedelta(seconds=90)], ids=repr)
def test_a_delay_may_be_written_in_any_way(open_door: OpenDoor, redis: Any, url: str, greet: Any, delay: Any) -> None:
    with clock.use(lambda: NOW):
        open_door(url).enqueue(greet.using(delay=delay).call("ann"))
    assert [due for _, due in later(redis)] == [NOW + 90]


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Berlin")], ids=["utc", "offset", "zone"]
)
def test_at_is_a_moment_in_whatever_zone(open_door: OpenDoor, redis: Any, url: str, greet: Any, zone: Any) -> None:
    at = datetime.fromtimestamp(NOW + 3600, UTC).astimezone(zone)
    with clock.use(lambda: NOW):
        open_door(url).enqueue(greet.using(at=at).call("ann"))
    assert [due for _, due in later(redis)] == [NOW + 3600]


@pytest.mark.parametrize("at", [NOW, NOW - 1, NOW - 40 * YEAR], ids=["now", "just over", "long over"])
def test_a_moment_that_is_over_is_now(open_door: OpenDoor, redis: Any, url: str, greet: Any, at: float) -> None:
    with clock.use(lambda: NOW):
        open_door(url).enqueue(greet.using(at=datetime.fromtimestamp(at, UTC)).call("ann"))
    assert names(redis) == ["ann"]
    assert later(redis) == []
    assert "due_at" not in waiting(redis)[0]["meta"]


def test_no_delay_at_all_is_now(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    open_door(url).enqueue(greet.using(delay=0).call("ann"))
    assert names(redis) == ["ann"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": datetime(2030, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - that is the fault
        ({"at": "2030-01-01T00:00Z"}, "must be a datetime"),
        ({"at": 1_900_000_000}, "must be a datetime"),
        ({"delay": -1}, "no length of time"),
        ({"delay": "soon"}, "no length of time"),
        ({"delay": float("nan")}, "no length of time"),
        ({"delay": timedelta(seconds=-1)}, "no length of time"),
        ({"delay": 10.1 * YEAR}, "more than 10 years"),
        ({"delay": "5m", "at": datetime.now(UTC)}, "not both"),
        ({"delay": "5m", "at_front": True}, "at_front goes without"),
        ({"expires": 0}, "too short"),
        ({"deadline": "11y"}, "no length of time"),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_a_bad_time_is_refused_where_it_is_written(greet: Any, options: Any, words: str) -> None:
    """Before there is a call at all."""
    with pytest.raises(ConfigError, match=words):
        greet.using(**options)


def test_a_moment_in_more_than_ten_years_stores_nothing(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    """Whether it is that far away only the clock can say: at the enqueue, before anything is sent."""
    door = open_door(url)
    far = greet.using(at=datetime.fromtimestamp(NOW + 10.1 * YEAR, UTC))
    with clock.use(lambda: NOW), pytest.raises(ConfigError, match="more than ten years"):
        door.enqueue_many([greet.call("ann"), far.call("bob")])
    assert is_empty(redis)


def test_times_are_kept_to_the_millisecond_and_in_order(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    with clock.use(lambda: NOW):
        open_door(url).enqueue_many([greet.using(delay=n / 1000).call(str(n)) for n in range(50, 0, -1)])
    assert [(job["args"][0], round(due - NOW, 3)) for job, due in later(redis)] == [
        (str(n), n / 1000) for n in range(1, 51)
    ]


def test_jobs_of_one_moment_keep_their_order(open_door: OpenDoor, redis: Any, url: str, greet: Any) -> None:
    with clock.use(lambda: NOW):
        open_door(url).enqueue_many([greet.using(delay="1m").call(str(n)) for n in range(1500)])
    assert [job["args"][0] for job, _ in later(redis)] == [str(n) for n in range(1500)]


# in front -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_at_front_it_is_the_next(open_door: OpenDoor, redis: Any, url: str, greet: Any, wire: Wire) -> None:
    door = open_door(url, wire=wire)
    for name in ("a", "b"):
        door.enqueue(greet.call(name))
    for name in ("c", "d"):
        door.enqueue(greet.using(at_front=True).call(name))
    assert names(redis, wire=wire) == ["d", "c", "a", "b"]


@pytest.mark.parametrize("wire", WIRES)
def test_many_at_front_keep_their_order(open_door: OpenDoor, redis: Any, url: str, greet: Any, wire: Wire) -> None:
    door = open_door(url, wire=wire)
    door.enqueue(greet.call("last"))
    door.enqueue_many([greet.using(at_front=True).call(str(n)) for n in range(3)])
    assert names(redis, wire=wire) == ["0", "1", "2", "last"]


# expiry ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "stamps"),
    [
        ({"expires": "10m"}, {"expires_at": NOW + 600}),
        ({"deadline": "1h"}, {"deadline_at": NOW + 3600}),
        (
            {"expires": "10m", "deadline": "1h", "delay": 60},
            {"due_at": NOW + 60, "expires_at": NOW + 660, "deadline_at": NOW + 3660},
        ),
    ],
    ids=["expires", "deadline", "both, from when it is due"],
)
def test_expiry_is_stamped(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, options: Any, stamps: dict[str, float]
) -> None:
    with clock.use(lambda: NOW):
        open_door(url).enqueue(greet.using(**options).call("ann"))
    (job,) = [job for job, _ in later(redis)] or waiting(redis)
    assert {name: at for name, at in job["meta"].items() if name in ("due_at", "expires_at", "deadline_at")} == stamps


def test_what_a_job_says_of_itself_is_stamped_and_a_call_may_say_otherwise(
    open_door: OpenDoor, redis: Any, url: str
) -> None:
    class Brief(Job):
        queue = "mail"
        expires = "10m"

        def perform(self) -> None: ...

    door = open_door(url)
    with clock.use(lambda: NOW):
        for call in (Brief.call(), Brief.using(expires="1m").call(), Brief.using(expires=None).call()):
            door.enqueue(call)
    assert [job["meta"].get("expires_at") for job in waiting(redis)] == [NOW + 600, NOW + 60, None]


# many at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", WIRES)
def test_many_that_go_different_ways_in_one_trip(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any, unique: Any, wire: Wire
) -> None:
    door, remind, strict = open_door(proxy.url, wire=wire), unique(), greet.using(at_front=True)
    with clock.use(lambda: NOW):
        door.enqueue(remind.call("warm up"))
        redis.flushall()
        requests = proxy.requests
        handles = door.enqueue_many(
            [
                greet.call("b1"),
                greet.using(delay=20).call("d2"),
                strict.call("f1"),
                remind.call("u1"),
                greet.call("b2"),
                remind.call("u1"),
                greet.using(delay=10).call("d1"),
                greet.using(queue="slow").call("s1"),
                strict.call("f2"),
                greet.using(key="k").call("k1"),
                greet.using(key="k").call("k1"),
            ]
        )
    assert proxy.requests - requests <= 2, "one trip, and one more where a script was new to the server"
    ids = [handle.id for handle in handles]
    assert ids[3] == ids[5]
    assert ids[9] == ids[10]
    assert len(set(ids)) == 9
    found = names(redis, wire=wire)
    assert found[:2] == ["f1", "f2"]
    assert sorted(found[2:]) == ["b1", "b2", "k1", "u1"]
    assert found.index("b1") < found.index("b2")
    assert [job["args"][0] for job, _ in later(redis)] == ["d1", "d2"]
    assert names(redis, "slow", wire) == ["s1"]
    by_id = {job["meta"]["id"]: job["args"][0] for job in [*waiting(redis), *(job for job, _ in later(redis))]}
    assert [by_id.get(id) for id in ids] == ["b1", "d2", "f1", "u1", "b2", "u1", "d1", None, "f2", "k1", "k1"]


def test_one_that_is_not_unique_among_many_is_named_and_the_others_are_stored(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, unique: Any
) -> None:
    door, remind = open_door(url), unique(on_conflict="raise")
    first = door.enqueue(remind.call("ann"))
    with pytest.raises(NotUnique) as caught:
        door.enqueue_many([greet.call("a"), remind.call("ann"), remind.call("bob"), greet.using(delay=5).call("d")])
    error = caught.value
    assert (error.job_id, list(error.taken.values()), error.missing) == (first.id, [first.id], tuple(error.taken))
    stored = [job["meta"]["id"] for job in [*waiting(redis), *(job for job, _ in later(redis))]]
    assert sorted(stored) == sorted([first.id, *error.stored])
    assert names(redis) == ["ann", "a", "bob"]


def test_one_bad_call_among_many_stores_nothing(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, unique: Any
) -> None:
    door, remind = open_door(url), unique()
    bad = greet.using(delay=5).call("x")
    calls = [greet.call("a"), remind.call("u"), type(bad)(bad.definition, (object(),), {}, bad.options)]
    with pytest.raises(Unserializable):
        door.enqueue_many(calls)
    assert is_empty(redis)


@pytest.mark.parametrize(
    ("broken", "left"),
    [("delayed", ["a", "f", "u"]), ("queue", ["d"])],
)
def test_one_place_that_is_broken_takes_none_and_the_others_theirs(
    open_door: OpenDoor, redis: Any, url: str, greet: Any, unique: Any, broken: str, left: list[str]
) -> None:
    keys = Keys()
    redis.set(getattr(keys, broken)("mail"), "a string")
    door, remind = open_door(url, wire="native"), unique()
    calls = [
        greet.call("a"),
        greet.using(delay=5).call("d"),
        greet.using(at_front=True).call("f"),
        remind.using(queue="other").call("u"),
    ]
    with pytest.raises(NotEnqueued, match="WRONGTYPE") as caught:
        door.enqueue_many(calls)
    found = [names(redis, "other")[0]]
    found += names(redis) if broken == "delayed" else [job["args"][0] for job, _ in later(redis)]
    assert sorted(found) == sorted({*left, "u"})
    assert len(caught.value.stored) == len(found)
    assert len(caught.value.stored) + len(caught.value.missing) == 4


def test_a_refused_unique_job_leaves_no_lock_behind(open_door: OpenDoor, redis: Any, url: str, unique: Any) -> None:
    """Else it could not be enqueued for an hour, and nothing would be there to end."""
    redis.set("resque:queue:mail", "a string")
    door, remind = open_door(url, wire="native"), unique()
    with pytest.raises(NotEnqueued):
        door.enqueue(remind.call("ann"))
    assert locks(redis) == []
    redis.delete("resque:queue:mail")
    door.enqueue(remind.call("ann"))
    assert names(redis) == ["ann"]


def test_a_lost_reply_among_many_names_all_of_the_trip(
    open_door: OpenDoor, redis: Any, proxy: FaultProxy, greet: Any, unique: Any
) -> None:
    door, remind = open_door(proxy.url), unique()
    door.enqueue(remind.using(delay=1, queue="other").call("x"))
    door.enqueue(greet.using(delay=1, queue="other").call("x"))
    lost = proxy.on(Script("enqueue_unique").sha("modern").encode(), drop_reply())
    with pytest.raises(EnqueueUnknown) as caught:
        door.enqueue_many([greet.call("a"), remind.call("u"), greet.using(delay=5).call("d")])
    assert lost.hits == 1
    stored = [job["meta"]["id"] for job in [*waiting(redis), *(job for job, _ in later(redis))]]
    assert sorted(caught.value.unknown) == sorted(stored)
    assert (caught.value.stored, caught.value.missing) == ((), ())
