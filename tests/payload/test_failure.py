"""Failure records: ours in Resque's form, Ruby's as they are, garbage without a crash; the payload's bytes exactly."""

import base64
import json
import os
import pathlib
import types
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.payload import codec
from resque.payload.codec import encode, with_tries
from resque.payload.failure import (
    MAX_ERROR,
    MAX_LINE,
    MAX_LINES,
    UNREADABLE_RECORD,
    Failure,
    backtrace_of,
    error_text,
    payload_bytes,
    read,
    record,
    time_text,
)
from resque.payload.payload import Meta, Tries

META = Meta("0193f0aa-1234-7abc-8def-0123456789ab", "mail", 1795485321.123)
OWN = encode("Echo", [1, "é"], {"k": [1.5]}, META, limit=10_000)


def write(raw: bytes, error: str = "no such order", backtrace: list[str] | None = None, **more: Any) -> bytes:
    facts: Any = {"failed_at": 1795485321.7, "worker": "vm~1:2:mail", "queue": "mail", **more}
    return record(raw, "ValueError", error, backtrace or [], **facts)


# -- our own


def test_resques_fields_come_first_in_its_order_and_the_payload_is_verbatim() -> None:
    written = write(OWN, backtrace=["a.py:1:in perform"], attempt=2, crashes=1)
    assert written == (
        b'{"failed_at":"2026/11/24 01:55:21 UTC","payload":'
        + OWN
        + b',"exception":"ValueError","error":"no such order",'
        b'"backtrace":["a.py:1:in perform"],"worker":"vm~1:2:mail","queue":"mail",'
        b'"id":"0193f0aa-1234-7abc-8def-0123456789ab","attempt":2,"crashes":1}'
    )


def test_what_is_written_can_be_read() -> None:
    back = read(write(OWN, backtrace=["x"], attempt=3, crashes=2, id="other"))
    assert (back.failed_at, back.exception, back.error) == ("2026/11/24 01:55:21 UTC", "ValueError", "no such order")
    assert (back.backtrace, back.worker, back.queue) == (["x"], "vm~1:2:mail", "mail")
    assert (back.id, back.attempt, back.crashes, back.raw, back.retried_at) == ("other", 3, 2, None, None)
    assert payload_bytes(back) == OWN


def test_id_and_counts_are_the_payloads_own_unless_given() -> None:
    tried = with_tries(b'{"class":"E","args":[]}', Tries("0a-1", 4, 2))
    assert tried is not None
    back = read(write(tried))
    assert (back.id, back.attempt, back.crashes) == ("0a-1", 4, 2)
    assert payload_bytes(back) == tried


@given(st.binary(max_size=300) | st.sampled_from([OWN, OWN + b"\n", b" " + OWN, b'{ "class" : "E" }', b"{}", b"null"]))
def test_the_payloads_bytes_come_back_exactly(raw: bytes) -> None:
    written = write(raw)
    assert json.loads(written)["exception"] == "ValueError"
    assert payload_bytes(read(written)) == raw


def test_an_unreadable_payload_is_kept_in_base64_and_payload_is_null() -> None:
    fields = json.loads(write(b'{"class":"E","args":[NaN]}'))
    assert fields["payload"] is None
    assert base64.b64decode(fields["raw"]) == b'{"class":"E","args":[NaN]}'


def test_a_readable_payload_in_white_space_is_shown_and_kept() -> None:
    fields = json.loads(write(b' {"class":"E","args":[]}\n'))
    assert fields["payload"] == {"class": "E", "args": []}
    assert base64.b64decode(fields["raw"]) == b' {"class":"E","args":[]}\n'


@given(st.text(st.characters()), st.lists(st.text(st.characters()), max_size=3))
def test_any_text_can_be_written(text: str, lines: list[str]) -> None:
    back = read(write(OWN, error=text, backtrace=lines))
    assert back.error == text.encode("utf-8", "replace").decode()
    assert len(back.backtrace) == len(lines)


def test_a_lone_surrogate_is_replaced_not_fatal() -> None:
    back = read(write(OWN, error="a\ud800b", backtrace=["\udcff.py:1:in x"], worker="w\ud800", queue="q\udfff"))
    assert (back.error, back.backtrace, back.worker, back.queue) == ("a?b", ["?.py:1:in x"], "w?", "q?")


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600"])
def test_a_long_error_is_cut_at_64_kib_between_characters(letter: str) -> None:
    error = read(write(OWN, error=letter * (MAX_ERROR + 1))).error
    assert MAX_ERROR - 8 <= len(error.encode()) <= MAX_ERROR
    assert error.endswith("… (cut)")
    assert set(error.removesuffix("… (cut)")) == {letter}


def test_an_error_of_exactly_64_kib_is_whole() -> None:
    assert read(write(OWN, error="é" * (MAX_ERROR // 2))).error == "é" * (MAX_ERROR // 2)


def test_a_long_backtrace_is_cut_to_200_lines_and_says_so() -> None:
    lines = read(write(OWN, backtrace=[f"line {number}" for number in range(1000)])).backtrace
    assert len(lines) == MAX_LINES
    assert lines[0] == "line 0"
    assert lines[198] == "line 198"
    assert lines[199] == "… 801 more lines (cut)"


def test_a_long_line_of_a_backtrace_is_cut() -> None:
    [line] = read(write(OWN, backtrace=["x" * 10_000])).backtrace
    assert len(line.encode()) <= MAX_LINE


def test_the_time_is_in_utc_and_resques_form() -> None:
    assert time_text(1795485321.999) == "2026/11/24 01:55:21 UTC"
    assert time_text(0) == "1970/01/01 00:00:00 UTC"


# -- Ruby's (copied from a real one)

RUBY = (
    r'{"failed_at":"2026/11/24 02:05:35 UTC","payload":{"args":[2],"class":"Boom"},"exception":"ArgumentError",'
    r'"error":"kaboom: é 日本 <b>&'
    r"'\"</b> [2]"
    r'","backtrace":["/app/jobs.rb:4:in `perform'
    r"'"
    r'"],"worker":"vm:8427:boom","queue":"boom","retried_at":"2026/11/24 02:05:36 UTC"}'
).encode()


def test_rubys_record_is_read() -> None:
    back = read(RUBY)
    assert (back.exception, back.worker, back.queue) == ("ArgumentError", "vm:8427:boom", "boom")
    assert back.error == "kaboom: é 日本 <b>&'\"</b> [2]"
    assert back.backtrace == ["/app/jobs.rb:4:in `perform'"]
    assert (back.failed_at, back.retried_at) == ("2026/11/24 02:05:35 UTC", "2026/11/24 02:05:36 UTC")
    assert (back.id, back.attempt, back.crashes, back.raw) == (None, 1, 0, None)
    assert payload_bytes(back) == b'{"args":[2],"class":"Boom"}'


def test_our_fields_reach_ruby_in_the_order_of_its_own() -> None:
    ours = list(json.loads(write(OWN)))
    assert ours[:7] == [name for name in json.loads(RUBY) if name != "retried_at"]


@pytest.mark.parametrize("payload", ['{"class":"Boom","args":{"a":1}}', '{"class":"Boom","args":"str"}', '{"args":[]}'])
def test_a_payload_that_only_ruby_takes_is_kept(payload: str) -> None:
    back = read(b'{"failed_at":"x","payload":' + payload.encode() + b',"exception":"E","error":"e"}')
    assert payload_bytes(back) == payload.encode()


# -- odd ones


def test_fields_of_other_types_are_shown_as_text() -> None:
    back = read(
        b'{"payload":null,"exception":null,"error":{"a":[1]},"backtrace":"one\\ntwo","worker":5,'
        b'"attempt":"3","crashes":-1,"raw":7,"id":false}'
    )
    assert (back.exception, back.error, back.backtrace, back.worker) == ("", '{"a":[1]}', ["one", "two"], "5")
    assert (back.attempt, back.crashes, back.raw, back.failed_at) == (1, 0, None, "")
    assert payload_bytes(back) == b""


def test_a_backtrace_may_be_null_or_hold_other_things() -> None:
    assert read(b'{"error":"e","backtrace":null}').backtrace == []
    assert read(b'{"error":"e","backtrace":[1,null,"x"]}').backtrace == ["1", "", "x"]


def test_bad_utf8_in_an_error_is_replaced() -> None:
    assert read(b'{"error":"a\xffb","payload":{"class":"E"}}').error == "a�b"


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{}", b'{"a":1}', b"\xff\xfe", b'{"error":', b'"' + b"x" * 5000, b"[" * 5000, b"{" * 9],
)
def test_garbage_is_no_record_and_no_crash(raw: bytes) -> None:
    back = read(raw)
    assert back.exception == UNREADABLE_RECORD
    assert back.error == raw[:1024].decode("utf-8", "replace")
    assert payload_bytes(back) == b""


def test_a_record_far_above_any_limit_is_not_parsed() -> None:
    back = read(b'{"error":"' + b"x" * (17 * 1024 * 1024) + b'"}')
    assert back.exception == UNREADABLE_RECORD
    assert len(back.error) == 1024


@given(st.binary())
def test_read_never_raises(raw: bytes) -> None:
    assert isinstance(read(raw), Failure)
    assert isinstance(read(b'{"error":' + raw + b',"payload":' + raw + b"}"), Failure)


@pytest.mark.parametrize("raw", ["not base64!", "é", "YQ", "Y Q=="])
def test_a_damaged_base64_gives_nothing_rather_than_something_wrong(raw: str) -> None:
    back = msgspec.structs.replace(read(RUBY), raw=raw)
    assert payload_bytes(back) == b""


# -- errors and tracebacks


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Endless(Exception):
    def __str__(self) -> str:
        return "x" * 10_000_000


def test_the_text_of_an_error_is_bounded_and_never_raises() -> None:
    assert error_text(ValueError("no such order")) == "no such order"
    assert "RuntimeError" in error_text(Silent())
    assert len(error_text(Endless())) <= MAX_ERROR


def moved(function: Callable[..., Any], file: str) -> Callable[..., Any]:
    """The function as if it stood in `file`."""
    code = function.__code__.replace(co_filename=file)
    return types.FunctionType(code, function.__globals__, None, None, function.__closure__)


def caught(function: Callable[..., Any], *args: Any) -> BaseException:
    """The error that `function` raises, with a traceback that begins in it."""
    with pytest.raises(Exception) as info:
        function(*args)
    trace = info.value.__traceback__
    assert trace is not None
    return info.value.with_traceback(trace.tb_next)


def fail() -> None:
    raise KeyError(1)


def perform(*then: Callable[..., Any]) -> None:
    then[0](*then[1:])


def descend(again: Callable[..., Any], levels: int) -> None:
    if levels == 0:
        fail()
    again(again, levels - 1)


ROOM = pathlib.Path(codec.__file__).parents[1]
FAIL = fail.__code__.co_firstlineno + 1
PERFORM = perform.__code__.co_firstlineno + 1


def test_a_backtrace_is_in_rubys_form_innermost_first() -> None:
    error = caught(moved(perform, "/app/jobs.py"), moved(fail, "/app/checks.py"))
    assert backtrace_of(error) == [f"/app/checks.py:{FAIL}:in fail", f"/app/jobs.py:{PERFORM}:in perform"]


def test_our_own_frames_above_the_job_are_cut_off_and_those_below_are_kept() -> None:
    client = moved(fail, f"{ROOM}/client/client.py")
    job = moved(perform, "/app/jobs.py")
    invoke = moved(perform, f"{ROOM}/jobs/job.py")
    loop = moved(perform, os.path.join(os.path.dirname(os.__file__), "asyncio", "events.py"))
    error = caught(moved(perform, f"{ROOM}/worker/worker.py"), loop, invoke, job, client)
    assert backtrace_of(error) == [f"{ROOM}/client/client.py:{FAIL}:in fail", f"/app/jobs.py:{PERFORM}:in perform"]


def test_an_error_before_the_job_was_reached_has_no_backtrace() -> None:
    assert backtrace_of(caught(moved(fail, f"{ROOM}/jobs/job.py"))) == []
    assert backtrace_of(ValueError("never raised")) == []


def test_a_job_of_the_demo_is_a_job() -> None:
    assert backtrace_of(caught(moved(fail, f"{ROOM}/dev/demo/jobs.py"))) == [f"{ROOM}/dev/demo/jobs.py:{FAIL}:in fail"]


def test_a_deep_recursion_keeps_its_innermost_200_frames() -> None:
    deep = moved(descend, "/app/deep.py")
    lines = backtrace_of(caught(deep, deep, 500))
    assert len(lines) == MAX_LINES
    assert lines[0].endswith(f":{FAIL}:in fail")
    assert lines[1:] != lines[:-1]
    assert {line.rpartition(":")[2] for line in lines[1:]} == {"in descend"}


# the errors of earlier attempts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'[{"error":"1st"},{"error":"2nd"}]', [b'{"error":"1st"}', b'{"error":"2nd"}']),
        (b"[]", None),
        (b"null", None),
        (b'"no list"', None),
        (b'{"error":"1st"}', None),
        (b'[1,[],"\xff"]', [b"1", b"[]", '"\ufffd"'.encode()]),
    ],
)
def test_the_errors_of_earlier_attempts_are_read_if_they_are_a_list(text: bytes, found: list[bytes] | None) -> None:
    """A script has put them before the last brace."""
    written = record(b'{"class":"A","args":[]}', "E", "no", [], failed_at=1.0, worker="w", queue="q")
    assert read(written).attempts is None
    back = read(written[:-1] + b',"attempts":' + text + b"}")
    assert (None if back.attempts is None else [bytes(each) for each in back.attempts]) == found
    assert (back.exception, back.error) == ("E", "no")
