"""Pipe: how a job ended, told by the process that ran it, as one bounded line of JSON.

May be in here: the line, writing and reading it. May not: processes (fork.py), what becomes of the job.

Text only: an error is never rebuilt into its class, since the job may write into the pipe whatever it likes. What is no
such line counts as nothing said.
"""

import os
import traceback
from typing import Annotated, Literal

import msgspec

from resque.errors import ToldError
from resque.jobs.outcome import Dropped, Ended, Failed, Later, Outcome, Raised, Reason, Returned
from resque.jobs.retry import LONGEST as LONGEST_DELAY
from resque.payload import failure
from resque.worker.hand import Entry

LONGEST = 64 * 1024
"""Bytes that are read of one process. A line is shorter; the rest is rubbish."""
_LINE = 48 * 1024
_Short = Annotated[str, msgspec.Meta(max_length=1024)]


class Result(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How one job ended. after, counts, reason: what becomes of it, decided where its error was an object: it runs
    again, or is dropped."""

    kind: Literal["returned", "raised"]
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    exception: _Short = ""
    text: str = ""
    backtrace: list[str] = []
    after: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_DELAY)] | None = None
    counts: bool = True
    reason: Reason | None = None
    why: _Short = ""

    def ended(self) -> Ended:
        """The same as the worker knows it."""
        return Returned() if self.kind == "returned" else Raised(self._error())

    def outcome(self) -> Outcome | None:
        """What becomes of it; None: that is for the worker to decide."""
        if self.reason is not None:
            return Dropped(self.reason, self.why)
        if self.after is not None:
            return Later(self.after, self.counts, self._error() if self.counts else None)
        return Failed(self._error()) if self.kind == "raised" else None

    def _error(self) -> ToldError:
        return ToldError(self.exception, self.text, self.backtrace)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Result).decode


def line_of(entry: Entry) -> bytes:
    """The line for a job that has ended. Never longer than a pipe takes."""
    try:
        return _line_of(entry)
    except MemoryError:  # what the job holds is still held, by the frames of its error
        if isinstance(entry.ended, Raised):
            traceback.clear_frames(entry.ended.error.__traceback__)
        return _line_of(entry)


def _line_of(entry: Entry) -> bytes:
    match entry.ended:
        case Raised(error):
            result = _failed(entry, error)
        case Returned(verb) if verb is not None:
            result = _failed(entry, verb)
        case _:  # almost always; in a process that has just been forked, each thing that is used first costs a page
            return b'{"kind":"returned","seconds":%.6f}\n' % max(0.0, entry.seconds)
    line = _encode(result)
    while len(line) > _LINE and result.backtrace:
        result.backtrace = result.backtrace[: len(result.backtrace) // 2]  # the innermost come first
        line = _encode(result)
    return line + b"\n"


def _failed(entry: Entry, error: BaseException) -> Result:
    """With what was decided about it, and the error that this decision blames."""
    outcome = entry.outcome
    if isinstance(outcome, Failed | Later) and outcome.error is not None:
        error = outcome.error
    result = Result(
        "raised",
        entry.seconds,
        _sound(failure.name_of(error)[:1024]),
        failure.error_text(error)[: _LINE // 12],  # a character may take six bytes as JSON
        [_sound(line) for line in failure.backtrace_of(error)],
    )
    if isinstance(outcome, Later):
        result.after, result.counts = outcome.after, outcome.counts
    elif isinstance(outcome, Dropped):
        result.reason, result.why = outcome.reason, _sound(outcome.why[:1024])
    return result


def _sound(text: str) -> str:
    """Without lone surrogates: the name of a file may hold some, JSON cannot."""
    return text.encode("utf-8", "replace").decode()


def result_of(data: bytes) -> Result | None:
    """What a process has said; None: nothing, not to the end, or something else."""
    if not data.endswith(b"\n"):
        return None
    try:
        return _decode(data)
    except (ValueError, RecursionError, MemoryError, TypeError):
        return None


def drain(reader: int, data: bytearray) -> None:
    """Take in what there is to read, without waiting, and forget what is too long."""
    while True:
        try:
            got = os.read(reader, LONGEST)
        except BlockingIOError:
            return
        if not got:
            return
        data += got[: LONGEST - len(data)] if len(data) < LONGEST else b""
