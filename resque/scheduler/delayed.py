"""Delayed: jobs whose time has come move to their queues. Retries wait for their time here, too.

May be in here: when to look, how much to move at once. May not: what a job is, when it is to run.

No lock and no leader: the script moves each job once, whoever calls it, so every scheduler looks, and one that dies is
missed by nobody. A look is cheap instead: queues that had no delayed jobs are asked about in one command for all.
"""

import random

from resque import clock, events
from resque.errors import Refused, StoreError
from resque.loop import backoff
from resque.store import delayed, namespace, queues
from resque.store.delayed import Promoted
from resque.store.keys import Keys
from resque.store.operation import sure
from resque.store.sync import SyncStore

LIMIT = 1000
"""Jobs that one call moves: the server does nothing else meanwhile."""
_A_TRIP = 8
"""Calls in one trip: it must end within the socket timeout."""
_BUDGET = 0.1
"""Seconds of promoting, then the other duties have their turn."""
_NAMES = (0.6, 0.8)
"""Seconds until the names of queues are read again: a short delay in a queue that is new ends late by so much."""
_SHORT, _LONG = (0.15, 0.25), (0.85, 0.97)
_SOONEST = 0.002


class Promotion:
    """The duty."""

    name = "delayed"

    def __init__(self, store: SyncStore, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._names: list[str] = []
        self._names_due = 0.0
        self._due: dict[str, float] = {}
        """Queue -> when its first delayed job is due, by the server's clock. Only queues that have such jobs."""
        self._rests: dict[str, float] = {}
        """Queue in trouble -> when to try again."""
        self._failures: dict[str, int] = {}

    def tick(self, now: float) -> float:
        """Look, and promote what is due, for a bounded time. Returns when to look again."""
        server = self._look(now)
        if not self._due:
            return random.uniform(*_LONG)
        asked = clock.monotonic()
        if self._promote(now, server):
            return 0.0
        server += clock.monotonic() - asked
        return min([random.uniform(*_SHORT), *(max(_SOONEST, due - server) for due in self._due.values())])

    def _look(self, now: float) -> float:
        """Learn which queues have delayed jobs and when the first of each is due. Returns the server's time."""
        server, fresh = 0.0, self._rested(now)
        new, there_are_some = self._ask_in_general(now)
        if new or there_are_some:
            fresh |= new if not there_are_some else self._quiet()
        asked = sorted({*self._due, *fresh})
        if not asked:
            return server
        server, *answers = self._store.run_all(
            [namespace.time(), *(delayed.next_due(self._keys, queue) for queue in asked)]
        )
        if isinstance(server, StoreError):
            raise server
        for queue, due in zip(asked, answers, strict=True):
            if isinstance(due, StoreError):
                self._rest(queue, due, now)
            else:
                self._note(queue, due)
        return float(server)

    def _ask_in_general(self, now: float) -> tuple[set[str], bool]:
        """The queues that are new, and whether any of those without delayed jobs has got some."""
        quiet = sorted(self._quiet())
        wants_names = now >= self._names_due
        operations = [queues.names(self._keys)] if wants_names else []
        asks = [delayed.some(self._keys, quiet)] if quiet else []
        if not operations and not asks:
            return set(), False
        answers = list(sure(self._store.run_all([*operations, *asks])))
        new: set[str] = set()
        if wants_names:
            self._names_due = now + random.uniform(*_NAMES)
            found = answers.pop(0)
            new = set(found).difference(self._names)
            self._names = found
            for queue in {*self._due, *self._rests}.difference(found):
                self._due.pop(queue, None)
                self._rests.pop(queue, None)
        return new, bool(answers and answers[0])

    def _quiet(self) -> set[str]:
        """Queues that had no delayed jobs when we looked last."""
        return {queue for queue in self._names if queue not in self._due and queue not in self._rests}

    def _promote(self, now: float, server: float) -> bool:
        """Move what is due at `server`, in turns, until our time is over. Whether more is due."""
        due = [queue for queue, when in self._due.items() if when <= server]
        end = clock.monotonic() + _BUDGET
        while due and clock.monotonic() < end:
            turn, due = due[:_A_TRIP], due[_A_TRIP:]
            answers = self._store.run_all([delayed.promote(self._keys, queue, LIMIT) for queue in turn])
            for queue, answer in zip(turn, answers, strict=True):
                if isinstance(answer, StoreError):
                    self._rest(queue, answer, now)
                elif self._take(queue, answer, server, now):
                    due.append(queue)
        return bool(due)

    def _take(self, queue: str, answer: Promoted, server: float, now: float) -> bool:
        """Note what a promotion did. Whether more is due."""
        if answer.moved and events.wanted("job.promoted"):
            late = max(0.0, round(server - self._due[queue], 3))
            events.emit("job.promoted", queue=queue, count=answer.moved, late=late)
        if answer.broken:
            lost = Refused(f"{answer.broken} delayed jobs of {queue!r} had no payload any more; their entries are gone")
            events.emit("loop.failed", loop=self.name, error=lost)
        if answer.error:
            self._rest(queue, Refused(f"the delayed jobs of {queue!r} cannot be promoted: {answer.error}"), now)
            return False
        self._note(queue, answer.next_due)
        return answer.left

    def _note(self, queue: str, due: float | None) -> None:
        self._failures.pop(queue, None)
        if due is None:
            self._due.pop(queue, None)
        else:
            self._due[queue] = due

    def _rest(self, queue: str, error: StoreError, now: float) -> None:
        """Something is wrong with this queue: it is left alone for a while, later and later. The others go on."""
        self._due.pop(queue, None)
        self._failures[queue] = self._failures.get(queue, 0) + 1
        self._rests[queue] = now + backoff(self._failures[queue])
        events.emit("loop.failed", loop=self.name, error=error)

    def _rested(self, now: float) -> set[str]:
        """The queues that have rested long enough."""
        rested = {queue for queue, until in self._rests.items() if until <= now}
        for queue in rested:
            del self._rests[queue]
        return rested
