"""Hostile and odd inputs: each is read or refused for a reason, quickly, and nothing else happens."""

import base64
import json
import pathlib
import sys
import time
import traceback
import tracemalloc
from typing import Any

import pytest

from resque.errors import Unreadable
from resque.payload.codec import decode, read_own
from resque.payload.strict import MAX_BYTES, careful, is_name, is_shallow

CORPUS = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[1] / "data" / "bad_payloads.jsonl").read_text().splitlines()
]


def reason(raw: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(raw)
    return caught.value.reason


def echo(args: bytes) -> bytes:
    return b'{"class":"Echo","args":[' + args + b"]}"


def test_the_corpus_is_whole() -> None:
    assert len(CORPUS) == 76
    assert {case["expect"] for case in CORPUS} == {"failed: unreadable", "failed: unknown class", "reaches Echo"}


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
def test_each_input_of_the_corpus_gives_what_it_should_within_a_second_of_work(case: dict[str, str]) -> None:
    raw = base64.b64decode(case["raw_base64"])
    started = time.thread_time()
    if case["expect"] == "failed: unreadable":
        assert reason(raw)
    else:
        assert (decode(raw).job == "Echo") == (case["expect"] == "reaches Echo")
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object but a list"),
        (b"null", "not a JSON object but null"),
        (b'"x"', "not a JSON object but a string"),
        (b"{}", "no class"),
        (b'{"class":1}', "class is a number"),
        (b'{"class":"a b"}', "class is 'a b'"),
        (b'{"class":"Echo\\n"}', "class is 'Echo\\n'"),
        (b'{"class":"' + b"A" * 201 + b'"}', "a job's name is"),
        (b'{"class":"E","args":"abc"}', "args is a string, not a list"),
        (b'{"class":"E","args":{}}', "args is an object, not a list"),
        (b'{"class":"E","args":false}', "args is a boolean, not a list"),
        (b'{"class":"E","args":0}', "args is a number, not a list"),
        (b'{"class":"E","args":[],"kwargs":[1]}', "kwargs is not an object"),
        (b'{"class":"E","args":[],"kwargs":false}', "kwargs is not an object"),
        (echo(b"NaN"), "NaN is not JSON"),
        (echo(b"-Infinity"), "-Infinity is not JSON"),
        (echo(b"1e999"), "too large for a float"),
        (b'{"class":"E","args":[],"at":-1e999}', "too large for a float"),
        (echo(b"1" * 41), "an integer of over 40 digits"),
        (echo(b"-" + b"1" * 41), "an integer of over 40 digits"),
        (echo(b'{"deep":[' + b"1" * 41 + b"]}"), "an integer of over 40 digits"),
        (b'{"class":"E","args":[],"at":' + b"9" * 50 + b"}", "an integer of over 40 digits"),
        (b'{"class":"E","args":[],"kwargs":{"n":' + b"9" * 41 + b"}}", "an integer of over 40 digits"),
        (echo(b'{"a":1,"a":1}'), "duplicate key 'a'"),
        (b'{"class":"E","args":[],"x":{"b":1,"\\u0062":2}}', "duplicate key 'b'"),
        (b'{"class":"E","args":[],"meta":{"id":"a","id":"b"}}', "duplicate key 'id'"),
        (b'{"class":"E","args":[],"sig":"a","sig":"b"}', "duplicate key 'sig'"),
        (b'{"class":"E","args":[],"x":"\xff"}', "not UTF-8: byte 28"),
        (b'{"class":"E","args":[],"\xff":1}', "not UTF-8"),
        (echo(b'"\xed\xa0\x80"'), "not UTF-8"),
        (echo(b'"\\udc00"'), "lone surrogate"),
        (b'{"class":"E","args":[],"x":["\\ud83d"]}', "lone surrogate"),
        (b'{"class":"E","args":[],"\\udfff":1}', "lone surrogate"),
        (echo(b"1,"), "not JSON"),
        (echo(b"'a'"), "not JSON"),
        (echo(b'"\x01"'), "not JSON"),
        (echo(b"01"), "not JSON"),
        (echo(b"+1"), "not JSON"),
        (echo(b".5"), "not JSON"),
        (echo(b"") + b"x", "not JSON"),
        (b"\x00" + echo(b""), "not JSON"),
        (b"\xc2\xa0" + echo(b""), "not JSON"),
    ],
)
def test_the_reason_says_what_is_wrong(raw: bytes, why: str) -> None:
    assert why in reason(raw)


@pytest.mark.parametrize(
    ("raw", "args"),
    [
        (b' \t\r\n{"args" : [1] , "class" : "Echo"}\n ', [1]),
        (b'{"class":"Echo"}', []),
        (b'{"class":"Echo","args":null,"kwargs":null,"meta":null,"sig":null,"tries":null}', []),
        (echo(b"9" * 40), [int("9" * 40)]),
        (echo(b"-" + b"9" * 40), [-int("9" * 40)]),
        (echo(b'"' + b"9" * 100 + b'"'), ["9" * 100]),
        (echo(b"0." + b"1" * 100), [0.1111111111111111]),
        (echo(b"1e-999"), [0.0]),
        (echo(b'"\\ud83d\\ude00"'), ["\U0001f600"]),
        (echo(b'"\\u0000"'), ["\0"]),
        (echo(b'"[[[[{{{{"'), ["[[[[{{{{"]),
    ],
)
def test_odd_but_well_formed(raw: bytes, args: list[Any]) -> None:
    assert decode(raw).args == args


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
@pytest.mark.parametrize("level", [62, 63, 64, 65, 128, 500, 999])
def test_sixty_four_levels_and_not_one_more(opener: bytes, level: int) -> None:
    inner = level - 2  # the object and its args
    closer = b"]" if opener == b"[" else b"}"
    raw = echo(opener * inner + b"1" + closer * inner)
    if level <= 64:
        assert decode(raw).job == "Echo"
        assert careful(raw)["class"] == "Echo"
    else:
        assert "nested deeper than 64" in reason(raw)


def test_depth_in_a_field_that_is_not_ours_counts_too() -> None:
    assert "nested" in reason(b'{"class":"E","args":[],"x":' + b"[" * 64 + b"]" * 64 + b"}")


def test_many_shallow_brackets_are_shallow() -> None:
    raw = echo(b",".join([b'{"a":[1]}'] * 500))
    assert is_shallow(raw)
    assert read_own(raw) is not None


def test_brackets_in_strings_do_not_hide_or_fake_depth() -> None:
    assert is_shallow(echo(b'"' + b"[" * 500 + b'"'))
    deep = b'["]",' * 70 + b'"["' + b',"["]' * 70
    assert json.loads(deep)
    assert not is_shallow(deep)
    assert is_shallow(echo(b'"\\"' + b"[" * 500 + b'\\\\"'))


# -- our own fields in a shape that is not ours mean nothing


@pytest.mark.parametrize(
    "meta",
    [
        b"1",
        b'"x"',
        b"[]",
        b"{}",
        b'{"id":"a"}',
        b'{"id":1,"queue":"q","enqueued_at":1}',
        b'{"id":"","queue":"q","enqueued_at":1}',
        b'{"id":"a\\nb","queue":"q","enqueued_at":1.5}',
        b'{"id":"\\u001b[2J","queue":"q","enqueued_at":1.5}',
        '{"id":"é","queue":"q","enqueued_at":1.5}'.encode(),
        b'{"id":"' + b"a" * 201 + b'","queue":"q","enqueued_at":1.5}',
        b'{"id":"a","queue":"","enqueued_at":1.5}',
        b'{"id":"a","queue":"q","enqueued_at":-1.5}',
        b'{"id":"a","queue":"q","enqueued_at":1e300}',
        b'{"id":"a","queue":"q","enqueued_at":9999999999999999999999999999999999999999}',
        b'{"id":"a","queue":"q","enqueued_at":true}',
        b'{"id":"a","queue":"q","enqueued_at":"1"}',
    ],
)
def test_a_meta_of_another_shape_is_none(meta: bytes) -> None:
    back = decode(b'{"class":"E","args":[1],"meta":' + meta + b"}")
    assert (back.meta, back.id, back.args) == (None, None, [1])


def test_a_meta_with_more_fields_than_we_know_is_ours() -> None:
    back = decode(b'{"class":"E","args":[],"meta":{"id":"a-1","queue":"q","enqueued_at":1,"later":[1]}}')
    assert back.id == "a-1"
    assert back.meta is not None
    assert back.meta.enqueued_at == 1.0


@pytest.mark.parametrize("sig", [b"1", b"[]", b'{"kid":"k1"}', b"true"])
def test_a_sig_that_is_no_text_is_none(sig: bytes) -> None:
    assert decode(b'{"class":"E","args":[],"sig":' + sig + b"}").sig is None


def test_a_sig_is_kept() -> None:
    assert decode(b'{"class":"E","args":[],"sig":"k1:abc"}').sig == "k1:abc"


def test_a_lookalike_of_the_trailer_in_a_plain_read_is_not_tries() -> None:
    raw = b'{"class":"E","args":[],"tries":{"id":null,"attempt":7,"crashes":7}}'
    assert decode(raw).tries is None


# -- bounds


@pytest.mark.parametrize(
    "raw",
    [
        echo(b'"' + b"a" * (MAX_BYTES - 27) + b'"'),
        b"\xff" * (20 * MAX_BYTES),
        echo(b"[" * 20 * MAX_BYTES),
        echo(b"")[:-1] + b" " * 20 * MAX_BYTES + b',"tries":{"attempt":1,"crashes":0}}',
    ],
    ids=["one byte over a mebibyte", "bytes", "brackets", "with a trailer"],
)
def test_too_long_is_refused_by_length_before_anything_is_parsed_or_copied(raw: bytes) -> None:
    assert len(raw) >= MAX_BYTES + 1
    tracemalloc.start()
    assert "limit is 1048576" in reason(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_BYTES / 4


def test_a_mebibyte_is_taken() -> None:
    raw = echo(b'"' + b"a" * (MAX_BYTES - 28) + b'"')
    assert len(raw) == MAX_BYTES
    assert len(decode(raw).args[0]) == MAX_BYTES - 28


def filled(unit: bytes, start: bytes = b'{"class":"Echo","args":[', end: bytes = b"0]}") -> bytes:
    return start + unit * ((MAX_BYTES - len(start) - len(end)) // len(unit)) + end


WORST = {
    "numbers": filled(b"0,"),
    "floats": filled(b"1e1,"),
    "long integers": filled(b"9" * 40 + b","),
    "spaced numbers": filled(b"0 ,"),
    "empty objects": filled(b"{},"),
    "empty lists": filled(b"[],"),
    "strings": filled(b'"",'),
    "escapes": filled(b"\\u0041", b'{"class":"Echo","args":["', b'"]}'),
    "escaped quotes without an end": filled(b'\\"', b'{"class":"Echo","args":[' + b"[]," * 70 + b'"', b""),
    "quotes": filled(b'"', b'{"class":"Echo"', b""),
    "backslashes": filled(b"\\", b'{"class":"Echo","args":[' + b"[]," * 70 + b'"', b""),
    "open lists": filled(b"[", b"", b""),
    "closed deep lists": b"[" * (MAX_BYTES // 2) + b"]" * (MAX_BYTES // 2),
    "open objects": filled(b'{"a":', b"", b""),
    "spaces": filled(b" ", b'{"class":"Echo"', b"}"),
    "trailers": filled(b',"tries":{"attempt":1,"crashes":0}', b'{"class":"Echo"', b"}"),
    "commas": filled(b","),
    "one digit string": filled(b"1"),
    "surrogates": filled(b"\\ud83d\\ude00", b'{"class":"Echo","args":["', b'\\ud800"]}'),
    "same key": filled(b'"a":0,', b'{"class":"Echo",', b'"b":0}'),
}


@pytest.mark.parametrize("name", WORST)
def test_a_mebibyte_of_the_worst_takes_less_than_a_second_of_work(name: str) -> None:
    started = time.thread_time()
    try:
        result = decode(WORST[name]).job
    except Unreadable as error:
        result = error.reason
    assert time.thread_time() - started < 1
    assert result == "Echo" or 0 < len(result) < 400


def test_a_stack_that_is_nearly_full_gives_unreadable_and_no_recursion_error() -> None:
    raw = echo(b" " + b"[" * 60 + b"]" * 60)

    def down(levels: int) -> str:
        if levels:
            return down(levels - 1)
        try:
            return decode(raw).job
        except Unreadable as error:
            return error.reason

    used = sum(1 for _ in traceback.walk_stack(None))
    # 40 frames are left: enough for our own calls, too few for a parser that counts its 62 levels as frames.
    assert down(sys.getrecursionlimit() - used - 40) in {"Echo", "nested deeper than 64 levels"}


@pytest.mark.parametrize("name", ["Echo", "_x", "Foo::Bar", "os.system", "a", "A" * 200, "x1:y"])
def test_names_that_are_good(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b", "Echo\n", "É", "A" * 201, ":x", ".x", "a/b", "ªb"])
def test_names_that_are_not(name: str) -> None:
    assert not is_name(name)
