"""Nursery: where the children of a supervisor are made.

May be in here: forking, what a child must not take along, its page of the ledger. May not: what it does (process.py),
when one is needed and what becomes of it (supervisor.py).
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from resque import channel, clock
from resque.channel import Channel, ChannelClosed
from resque.store.identity import Identity, identity, nonce
from resque.worker.engine import EXIT_ERROR, Seat
from resque.worker.ledger import Ledger, Page
from resque.worker.signals import WISHES

Kind = Literal["worker", "scheduler", "watcher"]


@dataclass(slots=True, eq=False)
class Child:
    """A process of ours that lives, or has died and is not buried yet."""

    kind: Kind
    pid: int
    who: Identity
    channel: Channel
    page: Page
    place: int
    """Of its page in the ledger."""
    born: float
    queues: set[str] = field(default_factory=set)
    """All that it may hold jobs of."""
    late: list[int] = field(default_factory=list)
    """The marks of the jobs for whose sake it was killed: they did not heed their timeout."""
    killed: list[int] = field(default_factory=list)
    """The same: an operator ended them."""
    is_ready: bool = False
    is_killed: bool = False
    """Killed by us, on purpose: its jobs are not to blame."""
    is_leaving: bool = False
    """It takes no jobs any more, and its place among the workers is free for another."""

    def tell(self, message: dict[str, Any]) -> None:
        """Send it a message. A child that is dying hears nothing."""
        with suppress(ChannelClosed):
            self.channel.send(message)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)


class Nursery:
    """Makes children; at most `places` live at the same time, each with so many cells.

    `forget` closes in a child what is the supervisor's alone.
    """

    def __init__(self, places: int, cells: int, version: str, forget: Callable[[], None]) -> None:
        self._forget = forget
        self._ledger = Ledger(places, cells)
        self._free = list(range(places))
        self._version = version

    @property
    def places(self) -> int:
        """How many more may live."""
        return len(self._free)

    def fork(self, kind: Kind, label: str, life: Callable[[Seat], int], siblings: Iterable[Child]) -> Child:
        """A new child, which lives `life` and ends with the code that this returns. `label`: the end of its id."""
        ours, theirs = channel.pair()
        place = self._free.pop()
        page = self._ledger.page(place)
        page.clear()
        seat = Seat(nonce(), page, theirs, os.getpid(), self._version)
        sys.stdout.flush()
        sys.stderr.flush()
        # Until the child has handlers of its own, a wish that meets it waits: ours would write into our own socket.
        signal.pthread_sigmask(signal.SIG_BLOCK, WISHES)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_child(seat, life, siblings)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
        theirs.close()
        return Child(kind, pid, identity(seat.nonce, pid, label), ours, page, place, clock.monotonic())

    def clear(self, child: Child) -> None:
        """It is reaped: what it has started ends with it, and its place is free.

        Nothing may go on with a job that is about to run elsewhere. The processes of jobs have groups of their own.
        """
        for group in (child.pid, *(pid for pid in child.page.children.tolist() if pid)):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        child.channel.close()
        self._free.append(child.place)

    def _be_child(self, seat: Seat, life: Callable[[Seat], int], siblings: Iterable[Child]) -> None:
        """In the child: never returns, so that no code of the parent runs twice."""
        code = EXIT_ERROR
        try:
            self._forget()
            for child in siblings:
                child.channel.close()
            code = life(seat)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
