"""Pipe: how a job ended, told by the process that ran it, as one bounded line of JSON.

May be in here: the line, writing and reading it. May not: processes (fork.py), what becomes of the job.

Text only: an error is never rebuilt into its class, since the job may write into the pipe whatever it likes. What is no
such line counts as nothing said.
"""

import os
from typing import Annotated, Literal

import msgspec

from resque.errors import ToldError
from resque.jobs.outcome import Ended, Interrupted, Raised, Returned
from resque.payload import failure
from resque.worker.hand import Entry

LONGEST = 64 * 1024
"""Bytes that are read of one process. A line is shorter; the rest is rubbish."""
_LINE = 48 * 1024
_Short = Annotated[str, msgspec.Meta(max_length=1024)]


class Result(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """How one job ended. `aside`: it must run alone and was not meant to; nothing has happened."""

    kind: Literal["returned", "raised", "released", "aside"]
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    exception: _Short = ""
    text: str = ""
    backtrace: list[str] = []

    def ended(self) -> Ended | None:
        """The same as the worker knows it; None for `aside`."""
        match self.kind:
            case "returned":
                return Returned()
            case "raised":
                return Raised(ToldError(self.exception, self.text, self.backtrace))
            case "released":
                return Interrupted(self.text)
            case "aside":
                return None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Result).decode


def line_of(entry: Entry) -> bytes:
    """The line for a job that has ended (or stands aside). Never raises, never longer than a pipe takes."""
    match entry.ended:
        case Raised(error):
            result = Result(
                "raised",
                entry.seconds,
                failure.name_of(error)[:1024],
                failure.error_text(error)[: _LINE // 12],  # a character may take six bytes as JSON
                failure.backtrace_of(error),
            )
        case Interrupted(why):
            result = Result("released", text=why)
        case None:
            result = Result("aside")
        case _:
            result = Result("returned", entry.seconds)
    line = _encode(result)
    while len(line) > _LINE and result.backtrace:
        result.backtrace = result.backtrace[: len(result.backtrace) // 2]  # the innermost come first
        line = _encode(result)
    return line + b"\n"


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
