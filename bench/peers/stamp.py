"""What all measured jobs share: the settings in the environment, and the stamps that tell when which job ran.

May be in here: standard library only; every peer's environment imports it. May not: measuring.
"""

import os
import struct
import time

URL = os.environ.get("BENCH_URL", "")
HOST, _, _PLACE = URL.removeprefix("redis://").partition(":")
PORT, DB = (int(part) for part in (_PLACE or "0/0").split("/"))
QUEUES = os.environ.get("BENCH_QUEUES", "default").split(",")
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "0"))
SAFE = bool(os.environ.get("BENCH_SAFE"))

RECORD = struct.Struct(
    "<qqd"
)  # number of the job, 0 = started or 1 = ended, time of the clock that all processes share
_handles: dict[int, int] = {}


def mark(number: int, phase: int) -> None:
    """One record to the file or pipe that BENCH_STAMPS names. Short appends are atomic."""
    now = time.perf_counter()
    handle = _handles.get(os.getpid())
    if handle is None:
        _handles[os.getpid()] = handle = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND)
    os.write(handle, RECORD.pack(number, phase, now))
