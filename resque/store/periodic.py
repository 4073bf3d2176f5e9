"""Periodic jobs: their entries, which of them are disabled, and firing a tick exactly once.

May be in here: entries as bytes, ticks as numbers. May not: schedules (jobs/cron.py), what an entry means, who fires
(scheduler/). Any number of hosts may try to fire a tick: the script lets one of them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from resque.store.keys import Keys
from resque.store.operation import Operation, mapping, number, text, texts
from resque.store.queues import name as name_queue
from resque.store.scripts import Script

RUNS_KEPT = 20


class Run(NamedTuple):
    """A tick that was fired (seconds since 1970), and the id of its job."""

    tick: float
    id: str


def entries(keys: Keys) -> Operation[dict[str, bytes]]:
    """All entries by name."""
    return Operation("HGETALL", (keys.cron(),), (), mapping)


def put(keys: Keys, name: str, entry: bytes) -> Operation[bool]:
    """Add an entry, or change it. False if there was one of this name."""
    return Operation("HSET", (keys.cron(),), (name, entry), bool)


def remove(keys: Keys, names: Sequence[str]) -> Operation[int]:
    """Remove entries; how many there were. What was fired is still known, and what was disabled stays so: an entry that
    one deployment takes away and the next one brings back neither fires a tick again nor a tick that nobody wants.
    """
    assert names, "nothing to remove is no trip"
    return Operation("HDEL", (keys.cron(),), tuple(names), number)


def disabled(keys: Keys) -> Operation[set[str]]:
    """The names of the entries that are not to fire."""
    return Operation("SMEMBERS", (keys.cron_disabled(),), (), lambda reply: set(texts(reply)))


def disable(keys: Keys, name: str) -> Operation[bool]:
    """False if it was disabled already."""
    return Operation("SADD", (keys.cron_disabled(),), (name,), bool)


def enable(keys: Keys, name: str) -> Operation[bool]:
    """False if it was not disabled."""
    return Operation("SREM", (keys.cron_disabled(),), (name,), bool)


def runs(keys: Keys, queue: str, name: str) -> Operation[list[Run]]:
    """What was fired of an entry, the last tick first; at most 20."""
    return Operation("LRANGE", (keys.cron_runs(queue, name),), (0, RUNS_KEPT - 1), _runs)


def tick(keys: Keys, queue: str, name: str, tick: int, id: str, payload: bytes) -> list[Operation[Any]]:
    """waiting <- new, at the back, if `tick` is later than any that was fired: make the queue's name known, then push
    and record in one script. The second answer: whether it was us who fired it.
    """
    ends = keys.direction
    named = (keys.cron_runs(queue, name), keys.queue(queue))
    return [
        name_queue(keys, queue),
        Operation(Script("tick"), named, (tick, id, payload, ends.push_back, RUNS_KEPT), bool),
    ]


def _runs(reply: Any) -> list[Run]:
    found = []
    for line in reply:
        when, _, id = text(line).partition(" ")
        try:
            found.append(Run(float(when), id))
        except ValueError:  # somebody else's entry: it was no tick
            continue
    return found
