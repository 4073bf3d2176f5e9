"""The trailer: written, replaced and forgotten on bytes; everything before it stays byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resque.errors import Unreadable
from resque.payload.codec import decode, encode, tries_of, with_tries, without_tries
from resque.payload.payload import MAX_COUNT, TRAILER_BYTES, Meta, Tries, split
from resque.payload.strict import MAX_BYTES

BARE = b'{"class":"E","args":[]}'
META = Meta("0193f0aa-1234-7abc-8def-0123456789ab", "default", 1795485321.123)
OWN = encode("E", [1, "x"], {"k": 1}, META, limit=10_000)

counts = st.integers(0, MAX_COUNT)
trailers = st.builds(Tries, id=st.none() | st.uuids().map(str), attempt=st.integers(1, MAX_COUNT), crashes=counts)
white = st.text(" \t\r\n", max_size=200).map(str.encode)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.text(max_size=9)).map(
    lambda value: json.dumps(value).encode()
)


def put(raw: bytes, tries: Tries) -> bytes:
    result = with_tries(raw, tries)
    assert result is not None
    return result


def test_the_form_with_and_without_an_id() -> None:
    assert put(BARE, Tries(None, 2, 1)) == b'{"class":"E","args":[],"tries":{"attempt":2,"crashes":1}}'
    assert put(BARE, Tries("0a-f", 2, 1)) == b'{"class":"E","args":[],"tries":{"id":"0a-f","attempt":2,"crashes":1}}'


def test_own_payloads_keep_every_byte_before_the_trailer() -> None:
    assert put(OWN, Tries(None, 2)) == OWN[:-1] + b',"tries":{"attempt":2,"crashes":0}}'


def test_sig_stays_before_tries() -> None:
    signed = b'{"class":"E","args":[],"sig":"k1:abc"}'
    tried = put(put(signed, Tries(None, 2)), Tries(None, 3))
    assert tried == b'{"class":"E","args":[],"sig":"k1:abc","tries":{"attempt":3,"crashes":0}}'
    assert split(tried) == (signed, Tries(None, 3, 0))


@given(objects, trailers, trailers, white, white)
def test_before_the_trailer_nothing_changes(
    raw: bytes, first: Tries, second: Tries, before: bytes, after: bytes
) -> None:
    raw = before + raw[:-1] + before + b"}" + after
    closed = raw.rstrip(b" \t\r\n")
    for tries in (first, second):
        tried = put(raw, tries)
        assert tried.startswith(closed[:-1])
        assert tries_of(tried) == tries
        assert split(tried) == (closed, tries)
        assert without_tries(tried, keep_id=False) == closed
        assert list(json.loads(tried))[-1] == "tries"
        raw = tried


@given(st.binary() | st.binary().map(lambda tail: b"{" + tail + b',"crashes":1}}'), trailers)
def test_nothing_raises_whatever_the_bytes(raw: bytes, tries: Tries) -> None:
    tries_of(raw)
    without_tries(raw, keep_id=True)
    tried = with_tries(raw, tries)
    if tried is not None:
        assert tries_of(tried) == tries
        assert with_tries(tried, tries) == tried


@pytest.mark.parametrize("raw", [b"{}", b"{ }", b" \n{\t}\r\n ", b"{" + b" " * 500 + b"}"])
def test_an_empty_object_gets_no_comma_and_its_trailer_is_found_again(raw: bytes) -> None:
    tried = put(raw, Tries(None, 2, 1))
    assert json.loads(tried) == {"tries": {"attempt": 2, "crashes": 1}}
    assert tries_of(tried) == Tries(None, 2, 1)
    assert put(tried, Tries(None, 3, 1)).count(b"tries") == 1
    assert without_tries(tried) == raw.rstrip()


@pytest.mark.parametrize("raw", [b"", b"{", b"}", b"[]", b"null", b"[{}]", b'"{}"', b"{}x", b" ", b"\x00", b"x{}"])
def test_what_is_no_object_gets_no_trailer(raw: bytes) -> None:
    assert with_tries(raw, Tries()) is None


@pytest.mark.parametrize(
    "tail",
    [
        b',"tries":{"attempt":2,"crashes":1}}\n',
        b',"tries":{"attempt":2,"crashes":1} }',
        b',"tries": {"attempt":2,"crashes":1}}',
        b', "tries":{"attempt":2,"crashes":1}}'.replace(b', "', b' "'),
        b',"tries":{"crashes":1,"attempt":2}}',
        b',"tries":{"attempt":2}}',
        b',"tries":{"crashes":1}}',
        b',"tries":{"attempt":0,"crashes":1}}',
        b',"tries":{"attempt":02,"crashes":1}}',
        b',"tries":{"attempt":2,"crashes":01}}',
        b',"tries":{"attempt":-2,"crashes":1}}',
        b',"tries":{"attempt":2.0,"crashes":1}}',
        b',"tries":{"attempt":1e9,"crashes":1}}',
        b',"tries":{"attempt":1000000000,"crashes":1}}',
        b',"tries":{"attempt":2,"crashes":1000000000}}',
        b',"tries":{"attempt":2,"crashes":1,"x":1}}',
        b',"tries":{"id":null,"attempt":2,"crashes":1}}',
        b',"tries":{"id":"","attempt":2,"crashes":1}}',
        b',"tries":{"id":"xyz","attempt":2,"crashes":1}}',
        b',"tries":{"id":"a\\n","attempt":2,"crashes":1}}',
        b',"tries":{"id":"' + b"a" * 65 + b'","attempt":2,"crashes":1}}',
        b',"tries":{"attempt":2,"crashes":1},"x":1}',
        b',"tries":5}',
        b',"tries":[{"attempt":2,"crashes":1}]}',
        b',"x":"\\"tries\\":{\\"attempt\\":2,\\"crashes\\":1}}"}',
        b',"x":{"tries":{"attempt":2,"crashes":1}}}',
        b',"x":[",\\"tries\\":{\\"attempt\\":2,\\"crashes\\":1}}"]}',
        b',"args2":["\',\'tries\':{","tries",{"attempt":2,"crashes":1}]}',
    ],
)
def test_anything_that_is_not_exactly_our_trailer_means_nothing(tail: bytes) -> None:
    raw = b'{"class":"E","args":[]' + tail
    assert tries_of(raw) == Tries(None, 1, 0)
    try:
        first = decode(raw)
    except Unreadable:  # a few of them are no JSON at all
        assert b":02," in tail or b":01}" in tail or b'[] "' in raw
        return
    assert (first.tries, first.attempt, first.crashes) == (None, 1, 0)
    tried = put(raw, Tries(None, 4, 2))
    again = decode(tried)  # a foreign field of that name does not make our own a duplicate
    assert (again.job, again.args, again.tries) == ("E", [], Tries(None, 4, 2))
    assert put(tried, Tries(None, 5, 2)) == tried.replace(b'"attempt":4', b'"attempt":5')


def test_a_trailer_inside_a_string_argument_is_text() -> None:
    text = ',"tries":{"attempt":9,"crashes":9}}'
    raw = encode("E", [text], {}, META, limit=10_000)
    assert tries_of(raw) == Tries()
    tried = put(raw, Tries(None, 2))
    assert decode(tried).args == [text]
    assert decode(without_tries(tried)).args == [text]
    last = b'{"args":[],"class":"E","note":' + json.dumps(text).encode() + b"}"
    assert tries_of(last) == Tries()
    assert decode(put(last, Tries(None, 2, 0))).tries == Tries(None, 2, 0)


def test_two_trailers_are_a_duplicate_key() -> None:
    with pytest.raises(Unreadable, match="duplicate key 'tries'"):
        decode(put(BARE, Tries(None, 2, 1))[:-1] + b',"tries":{"attempt":1,"crashes":0}}')


def test_a_duplicate_within_the_trailer_is_refused() -> None:
    with pytest.raises(Unreadable, match="duplicate key 'crashes'"):
        decode(b'{"class":"E","args":[],"tries":{"attempt":1,"crashes":9,"crashes":0}}')


def test_white_space_after_a_trailer_does_not_make_a_second_one() -> None:
    tried = put(BARE, Tries(None, 2, 1))
    assert put(tried + b" \n", Tries(None, 3, 1)) == put(BARE, Tries(None, 3, 1))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (Tries(None, 0, -1), Tries(None, 1, 0)),
        (Tries(None, 10**12, 10**12), Tries(None, MAX_COUNT, MAX_COUNT)),
        (Tries('a"b', 2, 1), Tries(None, 2, 1)),
        (Tries("é", 2, 1), Tries(None, 2, 1)),
        (Tries("a\n", 2, 1), Tries(None, 2, 1)),
        (Tries("", 2, 1), Tries(None, 2, 1)),
    ],
)
def test_what_cannot_be_written_is_brought_within_bounds(given: Tries, written: Tries) -> None:
    tried = put(BARE, given)
    assert tries_of(tried) == written
    assert decode(tried).tries == written


def test_the_longest_trailer_is_within_the_allowance() -> None:
    longest = Tries("a" * 64, MAX_COUNT, MAX_COUNT)
    tried = put(BARE, longest)
    assert len(tried) - len(BARE) <= TRAILER_BYTES
    assert tries_of(tried) == decode(tried).tries == longest


def test_a_payload_at_the_size_limit_can_still_be_read_with_its_trailer() -> None:
    raw = b'{"class":"E","args":["' + b"a" * (MAX_BYTES - 25) + b'"]}'
    assert len(raw) == MAX_BYTES
    assert decode(put(raw, Tries("a" * 64, MAX_COUNT, 1))).attempt == MAX_COUNT
    with pytest.raises(Unreadable, match=r"bytes; the limit is"):
        decode(put(raw[:-3] + b'a"]}', Tries(None, 2, 1)))


def test_without_tries_forgets_counts_and_keeps_an_id_that_lives_nowhere_else() -> None:
    tried = put(BARE, Tries("0a-1", 5, 2))
    assert (
        without_tries(tried, keep_id=True) == b'{"class":"E","args":[],"tries":{"id":"0a-1","attempt":1,"crashes":0}}'
    )
    assert without_tries(tried, keep_id=False) == BARE
    assert without_tries(put(OWN, Tries(None, 5, 2)), keep_id=True) == OWN


@pytest.mark.parametrize("raw", [b"", BARE, BARE + b" \n", b"\xff", OWN, b'{"tries":5}'])
def test_without_tries_leaves_what_has_no_trailer(raw: bytes) -> None:
    assert without_tries(raw, keep_id=True) == raw
