"""From a call to what is sent. Pure."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from resque.client.prepare import KEY_LIFE, Lock, by_name, prepare
from resque.errors import BadArguments, BadQueueName, ConfigError, PayloadTooLarge, Unserializable

LIMIT = 256 * 1024
NOW = 1_764_000_000.123456


def test_a_prepared_job_is_its_payload_and_what_people_ask_about_it(greet: Any) -> None:
    prepared = prepare(greet.call("ann", loud=True), NOW, LIMIT)
    assert (prepared.queue, prepared.job) == ("mail", "Greet")
    meta = f'{{"id":"{prepared.id}","queue":"mail","enqueued_at":1764000000.123}}'
    assert prepared.payload.decode() == f'{{"class":"Greet","args":["ann"],"kwargs":{{"loud":true}},"meta":{meta}}}'


def test_without_keyword_arguments_there_is_no_field_for_them(greet: Any) -> None:
    assert list(json.loads(prepare(greet.call("ann"), NOW, LIMIT).payload)) == ["class", "args", "meta"]


def test_ids_are_unique_and_sort_by_time(greet: Any) -> None:
    """uuid7: a log sorted by id is a log sorted by time, and an index on it stays small."""
    call = greet.call("ann")
    ids = [prepare(call, NOW, LIMIT).id for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert ids == sorted(ids)
    for id in ids[:10]:
        assert uuid.UUID(id).version == 7
        assert str(uuid.UUID(id)) == id


def test_the_queue_of_the_call_counts(greet: Any) -> None:
    prepared = prepare(greet.using(queue="slow").call("ann"), NOW, LIMIT)
    assert prepared.queue == json.loads(prepared.payload)["meta"]["queue"] == "slow"


def test_what_does_not_fit_is_refused(greet: Any) -> None:
    """The call is checked again: it may have been made by hand."""
    call = greet.call("ann")
    with pytest.raises(BadArguments, match="Greet"):
        prepare(type(call)(call.definition, (), {}, call.options), NOW, LIMIT)
    with pytest.raises(Unserializable):
        prepare(type(call)(call.definition, (float("nan"),), {}, call.options), NOW, LIMIT)


def test_the_limit_counts_the_whole_payload(greet: Any) -> None:
    size = len(prepare(greet.call("ann"), NOW, LIMIT).payload)
    assert len(prepare(greet.call("ann"), NOW, size).payload) == size
    with pytest.raises(PayloadTooLarge, match=f"{size} bytes; the limit is {size - 1}"):
        prepare(greet.call("ann"), NOW, size - 1)


def test_a_job_of_another_code_base_is_known_by_its_name_alone() -> None:
    prepared = by_name("Other::Job", (1, "é"), {}, "q", NOW, LIMIT)
    assert (prepared.job, prepared.queue) == ("Other::Job", "q")
    assert prepared.payload.decode().startswith('{"class":"Other::Job","args":[1,"é"],"meta":{"id":"')


@pytest.mark.parametrize("queue", ["", "a b", "a{b}", "a*"])
def test_by_name_the_queues_name_is_checked(queue: str) -> None:
    with pytest.raises(BadQueueName):
        by_name("Other", (), {}, queue, NOW, LIMIT)


@pytest.mark.parametrize("name", ["", "1st", "a b", "a-b", 'x","args":[', "x" * 201])
def test_by_name_a_name_that_no_reader_takes_is_refused(name: str) -> None:
    with pytest.raises(Unserializable):
        by_name(name, (), {}, "q", NOW, LIMIT)


# times, once, in front ------------------------------------------------------------------------------------------------


def meta(prepared: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prepared.payload)["meta"]
    return found


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("options", "due"),
    [
        ({}, None),
        ({"delay": 0}, None),
        ({"delay": 60}, NOW + 60),
        ({"at": moment(NOW + 60)}, NOW + 60),
        ({"at": moment(NOW - 60)}, None),
        ({"at_front": True}, None),
    ],
    ids=repr,
)
def test_due_is_a_moment_of_the_clock_that_comes_in(greet: Any, options: Any, due: float | None) -> None:
    prepared = prepare(greet.using(**options).call("ann"), NOW, LIMIT)
    assert prepared.due == (None if due is None else pytest.approx(due, abs=1e-5))
    assert meta(prepared).get("due_at") == (None if due is None else round(due, 3))
    assert prepared.front == options.get("at_front", False)


def test_ten_years_is_the_end(greet: Any) -> None:
    prepare(greet.using(delay="3653d").call("ann"), NOW, LIMIT)
    prepare(greet.using(at=moment(NOW + 3653 * 86400 - 1)).call("ann"), NOW, LIMIT)
    with pytest.raises(ConfigError, match="more than ten years away"):
        prepare(greet.using(at=moment(NOW + 3653 * 86400 + 1)).call("ann"), NOW, LIMIT)


def test_the_usual_call_has_no_stamp_more(greet: Any) -> None:
    """The hot path: what is not used costs no byte."""
    assert list(meta(prepare(greet.call("ann"), NOW, LIMIT))) == ["id", "queue", "enqueued_at"]
    assert list(meta(prepare(greet.using(at_front=True).call("ann"), NOW, LIMIT))) == ["id", "queue", "enqueued_at"]


def test_expiry_counts_from_when_it_is_due(greet: Any) -> None:
    found = meta(prepare(greet.using(delay=100, expires=10, deadline=20).call("ann"), NOW, LIMIT))
    stamps = [found[name] - NOW for name in ("due_at", "expires_at", "deadline_at")]
    assert stamps == pytest.approx([100, 110, 120], abs=0.001)


def test_a_key_is_a_lock_for_a_day(greet: Any) -> None:
    first, again, late, other = (
        prepare(greet.using(key=key, delay=delay).call(name), NOW, LIMIT)
        for key, delay, name in (("k", 0, "ann"), ("k", 0, "bob"), ("k", 60, "ann"), ("k2", 0, "ann"))
    )
    assert first.lock is not None
    assert first.lock == Lock(first.lock.digest, KEY_LIFE, "skip")
    assert again.lock == first.lock, "whatever the arguments are"
    assert late.lock == Lock(first.lock.digest, pytest.approx(KEY_LIFE + 60, abs=0.01), "skip")  # type: ignore[arg-type]
    assert other.lock is not None
    assert other.lock.digest != first.lock.digest
    assert meta(first)["lock"] == f"ttl:{first.lock.digest}"


@pytest.mark.parametrize("conflict", ["skip", "replace", "raise"])
def test_a_unique_job_has_a_lock(unique: Any, conflict: str) -> None:
    remind = unique(on_conflict=conflict, ttl="10m", until="start")
    first, same, other = (
        prepare(remind.call(*args), NOW, LIMIT) for args in (("ann",), ("ann", "other text"), ("bob",))
    )
    assert first.lock is not None
    assert (first.lock.ttl, first.lock.conflict) == (600.0, conflict)
    assert same.lock == first.lock
    assert other.lock != first.lock
    assert meta(first)["lock"] == f"start:{first.lock.digest}"


def test_a_lock_is_not_on_the_queue_but_beside_it(unique: Any) -> None:
    """The key in Redis has the queue's name; the digest need not."""
    remind = unique()
    assert prepare(remind.call("ann"), NOW, LIMIT).lock == prepare(remind.using(queue="q").call("ann"), NOW, LIMIT).lock


def test_the_limit_counts_the_stamps(greet: Any) -> None:
    call = greet.using(delay=5, expires=5, deadline=5, key="k").call("ann")
    size = len(prepare(call, NOW, LIMIT).payload)
    assert len(prepare(call, NOW, size).payload) == size
    with pytest.raises(PayloadTooLarge):
        prepare(call, NOW, size - 1)
