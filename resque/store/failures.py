"""The failed list: look at it, requeue and discard its records, race-free.

May be in here: windows and the two transitions out of failed. May not: what a record means (payload/failure.py).
Records are addressed by their bytes and an index hint: the index moves when others work on the list, the bytes do not.
"""

from resque.store.keys import Keys
from resque.store.operation import Operation, number
from resque.store.scripts import Script

SEARCH_DEPTH = 100_000


def count(keys: Keys) -> Operation[int]:
    """How many failure records there are."""
    return Operation("LLEN", (keys.failed(),), (), number)


def window(keys: Keys, start: int, count: int) -> Operation[list[bytes]]:
    """`count` records, newest first, from position `start` (0 = the newest)."""
    assert count > 0, "a window shows something: LRANGE would take 0 for everything"
    if keys.direction.back == "LEFT":
        return Operation("LRANGE", (keys.failed(),), (start, start + count - 1), list)
    return Operation("LRANGE", (keys.failed(),), (-start - count, -start - 1), lambda reply: list(reversed(reply)))


def requeue(keys: Keys, record: bytes, position: int, queue: str, payload: bytes) -> Operation[int]:
    """failed -> waiting. `position` as in `window`. 1 if it was there, 0 if somebody else was faster."""
    args = (record, _index(keys, position), SEARCH_DEPTH, queue, payload, keys.direction.push_back)
    return Operation(Script("requeue"), (keys.failed(), keys.queue(queue), keys.queues()), args, number)


def discard(keys: Keys, record: bytes, position: int) -> Operation[int]:
    """failed -> dropped, counted. 1 if it was there, 0 if somebody else was faster."""
    args = (record, _index(keys, position), SEARCH_DEPTH)
    return Operation(Script("discard"), (keys.failed(), keys.stat("discarded")), args, number)


def _index(keys: Keys, position: int) -> int:
    return position if keys.direction.back == "LEFT" else -position - 1
