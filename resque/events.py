"""Events: the only instrument. The logic emits, subscribers write log lines, count, trace.

May be in here: the names of events, `emit`, `subscribe`. May not: log texts (logs.py), anything that decides.
`emit` never fails its caller: a subscriber that raises is reported once on stderr and the work goes on.

Names and what travels with them (keyword arguments):

    job.enqueued      id, queue, job                     a client has stored a job
    job.finished      id, queue, job, seconds            it ran and was settled as done
    job.failed        id, queue, job, error, seconds     it raised, or could not be read; it goes to failed
    job.released      queue, count, why                  back to the front of its queue, not started or not finished
    job.lease_lost    queue, count                       others have taken these jobs over; our result is not counted
    job.recovered     queue, worker, released, failed    in-flight jobs of a dead worker were brought back
    worker.started    id, queues     worker.stopped  id     worker.died  id, pid, why     worker.draining id
    worker.killed     id, pid, why                       its supervisor killed it on purpose
    worker.recycled   id, why                            it leaves on purpose: so many jobs, so much memory, new code
    worker.cannot_fork   error, wait                     no process for a job; the next try is in `wait` seconds
    worker.forks_with_threads  threads                   these run in a process that forks
    worker.strays_killed pids                            left behind by a job, and ended
    worker.ordered    id, what                           an operator wants something of it
    commands.deaf     error, wait                        the supervisor cannot hear operators just now
    worker.pruned     id                                 it was silent for long and has left the registry
    worker.rereading  queue, why, found, lost            a worker has gone by its in-flight list, which differed
    hook.failed       job, hook, error                   a hook after the fact raised; nothing else happens
    job.retried       id, queue, job, error, attempt, delay, seconds   it raised, and runs again in `delay` seconds
    job.dropped       id, queue, job, reason, why        cancelled, discarded or expired: gone, counted, no failure
    job.deduplicated  id, queue, job                     not stored: the job `id` is the same
    job.promoted      queue, count, late                 delayed jobs were due; the oldest `late` seconds ago
    cron.fired        name, queue, id, tick              a tick of a schedule has become a job
    loop.blocked      seconds, id, job, at               an async job lets no other one run
    queue.trouble     queue, error                       nothing can be reserved from it: it rests for a while
    store.lost        error, wait                        no connection; the next try is in `wait` seconds
    store.back        seconds                            connected again after so long
    job.crashed       id, queue, pid, why                its own process died under it (--fork)
    settings.risky    what                               they work, and an operator will regret them
    supervisor.reloading  changed                        fresh processes for changed files
    supervisor.started pid   supervisor.stopping pid, why   supervisor.stopped pid
    lease.renewal_failed  error, since                   the supervisor cannot renew
    loop.failed       loop, error                        a periodic duty raised; it will be tried again
    audit.repaired    queue, what                        the audit found something without its receipt and gave it one
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Subscriber = Callable[[str, dict[str, Any]], None]


class Events:
    """Subscribers by event name. One instance serves a process: `events.default`."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Subscriber]] = {}
        self._broken: set[int] = set()

    def emit(self, name: str, /, **data: Any) -> None:
        """Tell every subscriber of `name` (and of "*"). Never raises."""
        subscribers = self._by_name.get(name)
        everything = self._by_name.get("*")
        for subscriber in (*(subscribers or ()), *(everything or ())):
            if id(subscriber) in self._broken:
                continue
            try:
                subscriber(name, data)
            except Exception:
                self._report(subscriber)

    def wanted(self, name: str) -> bool:
        """Whether anybody listens: lets a hot path skip building the data."""
        return name in self._by_name or "*" in self._by_name

    def subscribe(self, name: str, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(name, data)` for each event of that name ("*" = all). Returns a function that ends it."""
        self._by_name.setdefault(name, []).append(subscriber)

        def unsubscribe() -> None:
            listeners = self._by_name.get(name, [])
            if subscriber in listeners:
                listeners.remove(subscriber)
            if not listeners:
                self._by_name.pop(name, None)

        return unsubscribe

    @contextmanager
    def listening(self, name: str = "*") -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Collect the events of a with-block in a list. For tests."""
        seen: list[tuple[str, dict[str, Any]]] = []
        unsubscribe = self.subscribe(name, lambda event, data: seen.append((event, data)))
        try:
            yield seen
        finally:
            unsubscribe()

    def _report(self, subscriber: Subscriber) -> None:
        self._broken.add(id(subscriber))  # once: a broken subscriber must not flood the log
        sys.stderr.write(f"resque: an event subscriber failed and is ignored from now on: {subscriber!r}\n")
        traceback.print_exc()


default = Events()
emit = default.emit
wanted = default.wanted
subscribe = default.subscribe
listening = default.listening
