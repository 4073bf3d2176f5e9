"""A payload can be shown whatever its bytes are."""

import json
from pathlib import Path

import pytest

from resque.admin import jobs
from resque.payload import codec
from resque.payload.payload import Tries
from tests.admin.conftest import payload

BAD = Path(__file__).parents[1] / "data" / "bad_payloads.jsonl"


def test_our_own_payload_is_shown_in_full() -> None:
    raw = codec.with_tries(payload(1, "a@example.org", at=1000.5), Tries(None, 2, 1))
    assert raw is not None
    view = jobs.view(raw)
    assert (view.id, view.job, view.args, view.enqueued_at) == ("job-1", "SendMail", ["a@example.org"], 1000.5)
    assert (view.attempt, view.crashes, view.unreadable, view.raw) == (2, 1, "", raw)


def test_a_foreign_payload_says_what_it_has() -> None:
    view = jobs.view(b'{"class":"Echo","args":["x"]}')
    assert (view.id, view.job, view.args, view.enqueued_at) == (None, "Echo", ["x"], None)


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[]", b'{"class":1}', b"{" * 1000, b'{"class":"A","args":[NaN]}'])
def test_bytes_that_cannot_be_read_are_shown_with_the_reason(raw: bytes) -> None:
    view = jobs.view(raw)
    assert view.job is None
    assert view.unreadable
    assert view.raw == raw


def test_no_known_bad_payload_breaks_the_view() -> None:
    lines = BAD.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10
    for line in lines:
        jobs.view(json.dumps(json.loads(line)).encode())
        jobs.view(line.encode())
