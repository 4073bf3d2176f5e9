"""The namespace and the server itself: marker, time, version, duties.

May be in here: questions about the whole. May not: anything about one queue or worker.
"""

from typing import Any

from resque.config import Wire
from resque.errors import WireMismatch
from resque.store.keys import Keys
from resque.store.operation import Operation, text
from resque.store.scripts import Script


def claim(prefix: str, wire: Wire | None) -> Operation[Wire]:
    """The wire direction of a namespace; marks a new one. `parse` raises WireMismatch where they do not agree."""
    keys = Keys(prefix)

    def parse(reply: Any) -> Wire:
        found = text(reply)
        if found == "foreign":
            raise WireMismatch(
                f"the namespace '{prefix}:' is already used by somebody else's Resque and has no marker. "
                "Say which side to use: wire='ruby' to share queues with Ruby workers, or wire='native'; "
                "or take a prefix of your own"
            )
        if found not in ("native", "ruby") or (wire and found != wire):
            raise WireMismatch(
                f"the namespace '{prefix}:' is marked as {found!r} but wire={wire!r} was asked for. Jobs would run in "
                "reverse order and failures be written at the wrong end: use the same wire everywhere"
            )
        return "ruby" if found == "ruby" else "native"

    return Operation(Script("claim"), (keys.marker(), keys.queues(), keys.workers()), (wire or "",), parse)


def look(prefix: str) -> list[Operation[Any]]:
    """The marker as it is (None: there is none), and whether the namespace is in use: for those who only read.

    >>> marked, used = store.run_all(namespace.look("resque"))
    """
    keys = Keys(prefix)
    return [
        Operation("GET", (keys.marker(),), (), lambda reply: None if reply is None else text(reply)),
        Operation("EXISTS", (keys.queues(), keys.workers()), (), lambda reply: int(reply) > 0),
    ]


def time() -> Operation[float]:
    """The server's clock: seconds since 1970."""
    return Operation("TIME", (), (), lambda reply: int(reply[0]) + int(reply[1]) / 1_000_000)


def take_duty(keys: Keys, name: str, holder: str, seconds: float) -> Operation[bool]:
    """Try to be the only host that does a periodic duty for so long. Saves work, protects nothing."""
    args = (holder, "NX", "PX", max(1, round(seconds * 1000)))
    return Operation("SET", (keys.duty(name),), args, lambda reply: reply is not None)
