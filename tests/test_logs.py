"""Log lines: one event one line, harmless whatever is in the data, free where nobody wants them."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resque import clock, events, logs
from resque.config import Settings
from resque.events import Events

PACKAGE = Path(logs.__file__).parent
HOSTILE = [
    "two\nlines",
    "back\rspace",
    "\x1b[31mred\x1b[0m",
    "\x9b31m",
    "\u202eright to left",
    "\u2066isolate",
    "lone \ud800 surrogate",
    "next\x85line",
    "para\u2029graph",
    "tab\there",
    "\x00\x7f",
    "\ufeff\u200b",
    "\U000e0041",
]

Write = Callable[..., list[str]]


@pytest.fixture
def write() -> Write:
    """write("job.failed", {…}, log_format="json") -> the lines that came out."""

    def write(name: str, data: dict[str, Any], **settings: Any) -> list[str]:
        source, stream = Events(), io.StringIO()
        logs.setup(Settings(**settings), stream, source)
        with clock.use(lambda: 1795491745.0):
            source.emit(name, **data)
        assert stream.getvalue() in ("", stream.getvalue().rstrip("\n") + "\n")
        return stream.getvalue().splitlines()

    return write


def test_a_line_has_time_level_name_data_and_what_to_do(write: Write) -> None:
    (line,) = write("job.failed", {"id": "0193", "queue": "mail", "error": ValueError("no such user")})
    assert line.startswith(
        '2026-11-24T03:42:25Z WARN  job.failed id=0193 queue=mail error="ValueError: no such user" - it is in'
    )
    assert "resque failed show 0193" in line
    assert "resque failed retry 0193" in line


def test_json_is_one_object_with_the_same(write: Write) -> None:
    (line,) = write("store.lost", {"error": OSError("gone"), "wait": 0.25}, log_format="json")
    fields = json.loads(line)
    assert list(fields) == ["time", "level", "event", "error", "wait", "message"]
    assert fields["time"] == "2026-11-24T03:42:25Z"
    assert fields["level"] == "error"
    assert fields["error"] == "OSError: gone"
    assert fields["wait"] == 0.25
    assert "trying again in 0.250 s" in fields["message"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("place", ["id", "error", "queues"])
def test_one_event_is_one_harmless_line(write: Write, text: str, log_format: str, place: str) -> None:
    value: Any = {"id": text, "error": ValueError(text), "queues": [text, "b"]}[place]
    (line,) = write("job.failed", {place: value, "queue": text}, log_format=log_format)
    assert line.isprintable()
    line.encode("utf-8")
    if log_format == "json":
        assert line.isascii()
        json.loads(line)


def test_a_strange_id_does_not_get_into_a_command_that_somebody_pastes(write: Write) -> None:
    (line,) = write("job.failed", {"id": "x; rm -rf /"})
    assert 'id="x; rm -rf /"' in line
    assert "resque failed show ID;" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_arguments_of_jobs_are_never_logged(write: Write, log_format: str) -> None:
    secret = "4111-1111"
    (line,) = write(
        "job.failed",
        {"id": "1", "args": [secret], "kwargs": {"card": secret}, "payload": secret, "raw": secret},
        log_format=log_format,
    )
    assert secret not in line
    assert "1" in line


@pytest.mark.parametrize(
    ("level", "wanted", "unwanted"),
    [
        ("debug", ["job.finished", "job.enqueued", "worker.started", "store.lost"], []),
        ("info", ["worker.started", "job.failed", "store.lost"], ["job.finished", "job.enqueued", "job.released"]),
        (
            "warning",
            ["job.failed", "job.lease_lost", "job.recovered", "worker.died"],
            ["worker.started", "job.enqueued"],
        ),
        ("error", ["store.lost", "worker.died", "lease.renewal_failed", "loop.failed"], ["job.failed"]),
    ],
)
def test_only_enabled_levels_are_subscribed(level: str, wanted: list[str], unwanted: list[str]) -> None:
    """So that a hot path that asks `wanted("job.finished")` builds nothing at level info."""
    source = Events()
    end = logs.setup(Settings(log_level=level), io.StringIO(), source)
    assert [name for name in wanted if not source.wanted(name)] == []
    assert [name for name in unwanted if source.wanted(name)] == []
    end()
    assert not any(source.wanted(name) for name in logs.EVENTS)


def test_it_writes_to_stderr_as_it_is_when_the_event_comes(capsys: pytest.CaptureFixture[str]) -> None:
    end = logs.setup(Settings())
    try:
        events.emit("store.back", seconds=1.5)
    finally:
        end()
    out, err = capsys.readouterr()
    assert out == ""
    assert "store.back seconds=1.500" in err


class Unprintable(Exception):
    """Its text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_error_without_a_text_is_logged_by_its_name(write: Write) -> None:
    (line,) = write("loop.failed", {"loop": "audit", "error": Unprintable()})
    assert "Unprintable (its text raised RuntimeError)" in line


def test_a_closed_stream_costs_nobody_anything(capsys: pytest.CaptureFixture[str]) -> None:
    source, stream = Events(), io.StringIO()
    logs.setup(Settings(), stream, source)
    stream.close()
    source.emit("store.back", seconds=1)
    assert capsys.readouterr().err == ""


def test_a_long_value_is_cut(write: Write) -> None:
    (line,) = write("loop.failed", {"loop": "x", "error": "e" * 100_000})
    assert len(line) < 3000
    assert "e…" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**80, None, True, object(), b"\xff"])
def test_any_value_makes_valid_json(write: Write, value: Any) -> None:
    (line,) = write("loop.failed", {"loop": value}, log_format="json")
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_value_can_be_read_back_from_its_quotes(write: Write) -> None:
    (line,) = write("loop.failed", {"loop": 'a "b" \\ c\n', "error": "x=1"})
    assert r'loop="a \"b\" \\ c\n" error="x=1" -' in line


def test_data_cannot_pose_as_our_own_fields(write: Write) -> None:
    (line,) = write("store.back", {"level": "debug", "event": "x", "message": "y"}, log_format="json")
    fields = json.loads(line)
    assert (fields["level"], fields["event"]) == ("info", "store.back")
    assert fields["message"].startswith("connected again")


def emitted() -> set[str]:
    """Every event name that the package emits (or chooses to emit, as turn.py does)."""
    names: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        names.update(re.findall(r'emit\(\s*"([a-z_]+\.[a-z_]+)"', text))
    return names | {"job.finished", "job.failed"}


def test_every_event_that_is_emitted_is_logged_and_described() -> None:
    assert len(emitted()) > 15
    assert emitted() - set(logs.EVENTS) == set()
    described = set(re.findall(r"\b[a-z]+\.[a-z_]+\b", events.__doc__ or ""))
    assert set(logs.EVENTS) - described == set()


def test_printable_leaves_what_can_be_read() -> None:
    assert logs.printable("Zoë 日本 100% \\n") == "Zoë 日本 100% \\n"
    assert logs.printable("a\tb\x1b[2J\u202e") == "a\\tb\\e[2J\\u202e"
