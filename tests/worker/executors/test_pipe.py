"""The line in which the process of a job says how it ended: bounded, text only, and nothing else is taken for one."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resque.errors import JobTimeout, ToldError
from resque.jobs.outcome import Dropped, Ended, Later, Raised, Returned
from resque.payload import failure
from resque.worker.executors import pipe
from resque.worker.hand import Entry, Hand

HAND = Hand("vm~n:1:q", lambda: None)


def entry(ended: Ended | None, seconds: float = 0.25) -> Entry:
    return Entry(b"{}", "q", HAND, 1.0, seconds=seconds, ended=ended)


def told(ended: Ended | None) -> Ended | None:
    """The same, said and heard."""
    result = pipe.result_of(pipe.line_of(entry(ended)))
    assert result is not None
    return result.ended()


def raised(error: BaseException) -> ToldError:
    found = told(Raised(error))
    assert isinstance(found, Raised)
    assert isinstance(found.error, ToldError)
    return found.error


def fall(depth: int, error: BaseException) -> None:
    if depth == 0:
        raise error
    fall(depth - 1, error)


def caught(error: BaseException, depth: int = 0) -> BaseException:
    try:
        fall(depth, error)
    except BaseException as same:
        return same
    raise AssertionError


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyError("x")


def test_that_it_came_back_comes_over() -> None:
    assert told(Returned()) == Returned()


@pytest.mark.parametrize(
    "outcome", [Later(5.5, True, ValueError("x")), Later(0.5, False, None), Dropped("cancelled", "why")]
)
def test_what_was_decided_comes_over(outcome: Later | Dropped) -> None:
    """Where its error was an object: the worker has its text only."""
    made = entry(Raised(ValueError("x")), 1.5)
    made.outcome = outcome
    result = pipe.result_of(pipe.line_of(made))
    assert result is not None
    found = result.outcome()
    if isinstance(outcome, Dropped):
        assert found == outcome
    else:
        assert isinstance(found, Later)
        assert (found.after, found.counts) == (outcome.after, outcome.counts)
        assert (found.error is None) == (outcome.error is None)


def test_so_does_how_long_it_ran() -> None:
    for ended in (Returned(), Raised(ValueError())):
        result = pipe.result_of(pipe.line_of(entry(ended, 1.5)))
        assert result is not None
        assert result.seconds == 1.5


def test_an_error_comes_over_as_text() -> None:
    """Its class by name, its text, its places; records show it like the error itself."""
    error = caught(JobTimeout("too late"), 2)
    found = raised(error)
    assert (found.kind, found.text) == ("JobTimeout", "too late")
    assert found.backtrace == failure.backtrace_of(error)
    assert (failure.name_of(found), failure.error_text(found)) == ("JobTimeout", "too late")
    assert failure.backtrace_of(found) == failure.backtrace_of(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("é" * 10_000_000),
        ValueError("\x00\x1b" * 1_000_000),
        ValueError("\ud800" * 100_000),
        ValueError("\U0001f600" * 100_000),
        Mute(),
        type("N" * 100_000, (Exception,), {})("x"),
        SystemExit(3),
        BaseExceptionGroup("many", [ValueError(str(number)) for number in range(1000)]),
    ],
    ids=["long", "control", "surrogates", "wide", "mute", "long name", "exit", "group"],
)
@pytest.mark.parametrize("depth", [0, 600])
def test_whatever_the_error_the_line_fits_into_a_pipe_and_is_taken(error: BaseException, depth: int) -> None:
    line = pipe.line_of(entry(Raised(caught(error, depth))))
    assert len(line) < pipe.LONGEST
    assert line.count(b"\n") == 1
    result = pipe.result_of(line)
    assert result is not None
    assert result.kind == "raised"


def test_a_file_whose_name_is_no_utf_8() -> None:
    """As os.fsdecode names it. (A traceback with such a name is more than a report of the tests can carry.)"""
    code = compile("raise ValueError('odd')", "/srv/\udcff/jobs.py", "exec")
    found = None
    try:
        exec(code)
    except ValueError as error:
        with suppress(UnicodeEncodeError):
            found = raised(error)
    if found is None:
        pytest.fail("the line cannot be written", pytrace=False)
    assert found.text == "odd"
    assert any("jobs.py" in line for line in found.backtrace)


def test_of_a_long_backtrace_the_innermost_lines_stay() -> None:
    """A name of a file may be long."""
    code = compile("def fall(n):\n    if n == 0: raise ValueError\n    fall(n - 1)\n", "/" + "d" * 2000, "exec")
    space: dict[str, object] = {}
    exec(code, space)
    try:
        space["fall"](300)  # type: ignore[operator]
    except ValueError as error:
        line = pipe.line_of(entry(Raised(error)))
        whole = failure.backtrace_of(error)
    assert len(line) < pipe.LONGEST
    result = pipe.result_of(line)
    assert result is not None
    assert 0 < len(result.backtrace) < len(whole)
    assert result.backtrace == whole[: len(result.backtrace)]


GOOD = pipe.line_of(entry(Returned()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        GOOD[:-1],
        GOOD + GOOD,
        b" x" + GOOD,
        b"[" * 60_000 + b"\n",
        b'{"kind":"dance"}\n',
        b'{"kind":"returned","more":1}\n',
        b'{"kind":"returned","seconds":-1}\n',
        b'{"kind":"returned","seconds":1e400}\n',
        b'{"kind":"returned","seconds":NaN}\n',
        b'{"kind":"raised","exception":"' + b"x" * 2000 + b'"}\n',
        b'{"kind":"raised","backtrace":[1]}\n',
        b'["returned"]\n',
        b"null\n",
        b'{"kind":"raised","text":"\xff"}\n',
    ],
)
def test_what_is_no_such_line_says_nothing(data: bytes) -> None:
    assert pipe.result_of(data) is None


@given(st.binary(max_size=200))
@example(GOOD)
def test_reading_never_raises(data: bytes) -> None:
    pipe.result_of(data)
    pipe.result_of(data + b"\n")


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_draining_takes_what_is_there_and_does_not_wait(ends: tuple[int, int]) -> None:
    reader, writer = ends
    data = bytearray()
    pipe.drain(reader, data)
    assert data == b""
    os.write(writer, b"ab")
    pipe.drain(reader, data)
    os.write(writer, b"c")
    pipe.drain(reader, data)
    assert data == b"abc"


def test_draining_forgets_what_is_too_long(ends: tuple[int, int]) -> None:
    """And reads on, so that whoever writes does not wait for ever."""
    reader, writer = ends
    data = bytearray()
    for _ in range(10):
        os.write(writer, b"x" * 60_000)
        pipe.drain(reader, data)
    assert len(data) == pipe.LONGEST
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)


def test_draining_a_pipe_that_nobody_can_write_into_any_more() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"end")
    os.close(writer)
    data = bytearray()
    pipe.drain(reader, data)
    os.close(reader)
    assert data == b"end"
