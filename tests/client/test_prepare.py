"""From a call to what is sent. Pure."""

import json
import uuid
from typing import Any

import pytest

from resque.client.prepare import by_name, prepare
from resque.errors import BadArguments, BadQueueName, PayloadTooLarge, Unserializable

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
