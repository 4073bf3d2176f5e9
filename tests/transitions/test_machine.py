"""Random walks through all transitions on a real server, beside a model in plain Python.

May be in here: the steps and what each is compared with. May not: the model and the laws (machine.py).

Every step is one operation of store/, run by the real driver and the real script. After each the whole namespace must
be what the model says, and the laws must hold of it: each accepted push is in exactly one place, counts at most once,
is reserved in the order of the pushes, and has a lease while it is in flight. RESQUE_TORTURE=1 walks for minutes.
"""

import os
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from resque.config import Settings, Wire
from resque.errors import StoreError
from resque.scheduler.audit import Audit
from resque.store import failures, inflight, queues, reserve, settle
from resque.store.inflight import Adopted, Lost
from resque.store.settle import Holder, Settled
from tests.servers import DEFAULT
from tests.transitions.machine import (
    MEMBERS,
    MINUTE,
    QUEUES,
    RECOVERERS,
    WORKERS,
    Between,
    Model,
    Place,
    agree,
    laws,
    payload_of,
    read,
    record_of,
)
from tests.transitions.state import Space

pytestmark = pytest.mark.every_server

TORTURE = os.environ.get("RESQUE_TORTURE") == "1"
WALKS, STEPS = (400, 80) if TORTURE else (30, 40)
PHASES = tuple(Phase) if TORTURE else (Phase.generate,)  # making a failing walk short takes minutes, too

TWIN = b'{"class":"Twin","args":[]}'
FAT = b'{"class":"Fat","args":["' + b"x" * reserve.BATCH_BYTES + b'"]}'
HUGE = b'{"class":"Huge","args":["' + b"x" * reserve.LARGEST_ENTRY + b'"]}'
FOREIGN = (b"", b"\x00\xff\r\n", b"null", b"[]", "{ä}".encode(), b"*1\r\n$4\r\nPING\r\n")
STRANGER = b'{"class":"Stranger","args":[]}'
LEASE_ENDS = ("expires", "is lost", "is cut", "is ended")
GROUPS = (("done", "", ""),)

kinds = st.sampled_from(["own"] * 5 + ["twin"] * 5 + ["foreign"] * 2 + ["fat"] * 2)
a_queue = st.sampled_from(QUEUES)
a_member = st.sampled_from(MEMBERS)
a_worker = st.sampled_from(WORKERS)
how_many = st.sampled_from([0, 1, 3, 8, 25])
a_lease = st.sampled_from([5.0, 20.0, 0.25])
picks = st.lists(st.integers(0, 9), min_size=1, max_size=6)
which = st.integers(0, 7)
how_seen = st.sampled_from(["exact", "exact", "exact", "stale", "dead"])


class Walk(RuleBasedStateMachine):
    """One walk. Each rule: the real operation, the model's, and that they answer the same."""

    redis: Any
    url: str
    wire: Wire

    def __init__(self) -> None:
        super().__init__()
        self.space = Space(self.redis, self.url, self.wire)
        self.keys = self.space.keys
        self.model = Model(self.keys)
        self.number = 0
        self.redis.flushall()

    def teardown(self) -> None:
        self.space.store.close()

    # in ---------------------------------------------------------------------------------------------------------
    @rule(queue=a_queue, wanted=st.lists(kinds, min_size=1, max_size=6))
    def enqueue(self, queue: str, wanted: list[str]) -> None:
        payloads = self.payloads(wanted)
        _, pushed = self.space.run_all(queues.enqueue(self.keys, queue, payloads))
        assert self.model.enqueue(queue, payloads) is not isinstance(pushed, StoreError)

    @initialize(queue=a_queue)
    def begin(self, queue: str) -> None:
        for each in (queue, *QUEUES):
            self.enqueue(each, ["own", "twin", "own", "twin", "foreign", "own", "own", "twin"])
        self.take(WORKERS[0], list(QUEUES), 20, 20.0)

    @rule(queue=a_queue, wanted=st.lists(kinds, min_size=1, max_size=3), huge=st.booleans())
    def push_by_hand(self, queue: str, wanted: list[str], huge: bool) -> None:
        """`redis-cli LPUSH`: the queue's name is in no set, and an entry may be above the limit."""
        payloads = [HUGE] if huge and self.model.pushed[HUGE] < 2 else self.payloads(wanted)
        if self.model.enqueue(queue, payloads, named=False):
            self.redis.execute_command(self.keys.direction.push_back, self.keys.queue(queue), *payloads)

    # waiting -> in-flight ---------------------------------------------------------------------------------------
    @rule(worker=a_worker, order=st.permutations(QUEUES), want=how_many, lease=a_lease)
    def reserve(self, worker: str, order: list[str], want: int, lease: float) -> None:
        self.take(worker, order, want, lease)

    @precondition(lambda self: not self.holders())
    @rule(worker=a_worker, order=st.permutations(QUEUES), want=how_many)
    def reserve_when_nothing_is_in_flight(self, worker: str, order: list[str], want: int) -> None:
        """The same again, so that the walks have something to settle."""
        self.take(worker, order, want, 20.0)

    @rule(worker=a_worker, queue=a_queue)
    def wait(self, worker: str, queue: str) -> None:
        """A wait that ends at once: with a job, or with nothing."""
        end = round((time.time() + 20) * 1000)
        leased, raw, pauses, _ = self.space.run_all(reserve.wait(self.keys, queue, worker, end, 0.002))
        refused = isinstance(raw, StoreError)
        assert leased is None
        assert (None if refused else raw, refused, pauses) == self.model.wait(queue, worker, end)

    # in-flight -> … ---------------------------------------------------------------------------------------------
    @precondition(lambda self: self.holders())
    @rule(place=which, chosen=picks, twice=st.booleans())
    def finish(self, place: int, chosen: list[int], twice: bool) -> None:
        """In any order, strangers among them; or twice, since the first reply was lost."""
        where = self.holder(place)
        self.finished(where, self.choose(where, chosen), twice)

    @precondition(lambda self: self.holders())
    @rule(place=which, count=st.integers(1, 12))
    def finish_the_oldest(self, place: int, count: int) -> None:
        """As a worker does that ends its jobs in their order."""
        where = self.holder(place)
        self.finished(where, self.model.inflight[where][:count], twice=False)

    @precondition(lambda self: self.holders())
    @rule(place=which, chosen=picks, number=st.sampled_from([0, 0, 0, 0, 1]), twice=st.booleans())
    def fail(self, place: int, chosen: list[int], number: int, twice: bool) -> None:
        where = self.holder(place)
        entries = [(raw, record_of(number, raw)) for raw in self.choose(where, chosen)]
        asked = settle.fail(self.keys, holder(where), [(raw, rec, "failed", "") for raw, rec in entries], MINUTE)
        for answer in self.space.run_all([asked] * (1 + twice)):
            assert (answer.ours, answer.inflight, "WRONGTYPE" in answer.error) == self.model.fail(where, entries)

    @precondition(lambda self: self.holders())
    @rule(place=which, chosen=picks, crashed=st.booleans(), twice=st.booleans())
    def release(self, place: int, chosen: list[int], crashed: bool, twice: bool) -> None:
        """As it is (drain, a slow neighbour), or with a new trailer (recovery)."""
        where = self.holder(place)
        entries = [(raw, raw + b"+" if crashed else b"") for raw in self.choose(where, chosen)]
        asked = settle.release(self.keys, holder(where), entries)
        for answer in self.space.run_all([asked] * (1 + twice)):
            assert (answer.ours, answer.inflight, "WRONGTYPE" in answer.error) == self.model.release(where, entries)

    # leases, death, recovery ------------------------------------------------------------------------------------
    @rule(
        place=which, recoverer=st.sampled_from(RECOVERERS), seen=how_seen, count=st.integers(1, 5), twice=st.booleans()
    )
    def adopt(self, place: int, recoverer: str, seen: str, count: int, twice: bool) -> None:
        """Of a worker, or of a recoverer that died; twice, since the first reply was lost or there are two."""
        where = self.holder(place) if self.holders() else (QUEUES[place % 2], WORKERS[0])
        if where[1] == recoverer:
            return
        end = self.seen(where, seen)
        asked = inflight.adopt(self.keys, where[0], Lost(where[1], end), recoverer, 20, count)
        for _ in range(1 + twice):
            self.adopted(asked, where, recoverer, end, count)

    @precondition(lambda self: self.model.leases)
    @rule(place=which, seen=how_seen)
    def forget(self, place: int, seen: str) -> None:
        where = self.leased(place)
        end = self.seen(where, seen) or 0.0
        assert self.space.run(inflight.forget(self.keys, *where, end)) == self.model.forget(where, end)

    @rule(members=st.sets(a_member, min_size=1), lease=a_lease)
    def renew(self, members: set[str], lease: float) -> None:
        """The supervisor's duty: nobody who was forgotten comes back."""
        started = time.time()
        renewed = self.space.run(inflight.renew(self.keys, QUEUES, sorted(members), lease))
        there = [place for place in self.model.leases if place[1] in members]
        assert renewed <= len(there), "those whose end is the same millisecond are not counted"
        self.model.leases |= {place: between(started, lease) for place in there}

    def expire(self, where: Place, ago: int) -> None:
        """Its host has vanished long ago, or its clock has jumped."""
        self.redis.zadd(self.keys.leases(where[0]), {where[1]: 1_700_000_000_000 - ago})
        self.model.leases[where] = 1_700_000_000_000.0 - ago

    def shorten_or_end(self, where: Place, end: int, *, clean: bool) -> None:
        before = self.model.leases[where]
        assert not isinstance(before, Between)
        after = float(end) if clean or end < before else before
        asked = inflight.end_lease if clean else inflight.shorten
        assert self.space.run(asked(self.keys, *where, end)) == (after != before)
        self.model.leases[where] = after

    def lose_a_lease(self, where: Place) -> None:
        """A restored backup, or an operator's hand."""
        self.redis.zrem(self.keys.leases(where[0]), where[1])
        del self.model.leases[where]
        self.model.excused.add(where)

    @rule()
    def audit(self) -> None:
        """The real duty: afterwards nothing is excused."""
        self.redis.delete(self.keys.duty("audit"))
        started = time.time()
        Audit(self.space.store, self.keys, "host", Settings(redis_url=self.url)).tick(0.0)
        self.redis.delete(self.keys.duty("audit"))
        self.model.audit(between(started, 20))
        assert self.model.nameless.isdisjoint(where[0] for where in self.holders())

    @precondition(lambda self: self.model.leases)
    @rule(
        place=which,
        ago=st.integers(0, 100_000),
        end=st.integers(1, 2_000_000_000_000),
        what=st.sampled_from(LEASE_ENDS),
    )
    def a_lease_changes(self, place: int, ago: int, end: int, what: str) -> None:
        where = self.leased(place)
        match what:
            case "expires":
                self.expire(where, ago)
            case "is lost":
                self.lose_a_lease(where)
            case _:
                self.shorten_or_end(where, end, clean=what == "is ended")

    # operators --------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.model.failed)
    @rule(index=which, off=st.sampled_from([0, 0, 0, 1, -1, 5]), queue=a_queue, twice=st.booleans())
    def requeue(self, index: int, off: int, queue: str, twice: bool) -> None:
        """From where it was seen, or from where it has moved; two operators at once."""
        record, position = self.seen_record(index, off)
        asked = failures.requeue(self.keys, record, position, queue, payload_of(record))
        for answer in self.space.run_all([asked] * (1 + twice)):
            expected = self.model.requeue(record, position, queue)
            assert (None if isinstance(answer, StoreError) else answer) == expected

    @precondition(lambda self: self.model.failed)
    @rule(index=which, off=st.sampled_from([0, 0, 0, 1, -1, 5]), twice=st.booleans())
    def discard(self, index: int, off: int, twice: bool) -> None:
        record, position = self.seen_record(index, off)
        asked = failures.discard(self.keys, record, position)
        for answer in self.space.run_all([asked] * (1 + twice)):
            assert answer == self.model.discard(record, position)

    @rule(queue=a_queue, sure=st.sampled_from([False, False, True]))
    def purge(self, queue: str, sure: bool) -> None:
        if f"queue:{queue}" in self.model.broken:
            (answer,) = self.space.run_all([queues.purge(self.keys, queue)])
            assert isinstance(answer, StoreError)
        elif sure or not self.model.waiting[queue]:
            assert self.space.run(queues.purge(self.keys, queue)) == self.model.purge(queue)

    def pause_or_resume(self, queue: str) -> None:
        key = self.keys.pause_all() if queue == "*" else self.keys.paused(queue)
        if queue in self.model.paused:
            self.redis.delete(key)
        else:
            self.redis.set(key, " True \n")
        self.model.paused ^= {queue}

    def ruby_removes_a_queue(self, queue: str) -> None:
        self.redis.srem(self.keys.queues(), queue)
        self.redis.delete(self.keys.queue(queue))
        self.model.ruby_removes(queue)

    def break_or_mend(self, name: str) -> None:
        """A key of another type strands nothing but its own queue."""
        if name in self.model.broken:
            self.redis.delete(f"resque:{name}")
            self.model.broken.discard(name)
        elif self.redis.set(f"resque:{name}", "a string", nx=True):
            self.model.broken.add(name)

    @rule(
        queue=a_queue, what=st.sampled_from(["pause", "pause", "pause all", "break", "break", "break failed", "remove"])
    )
    def meddle(self, queue: str, what: str) -> None:
        """What a hand at redis-cli, a web page or Ruby does."""
        match what:
            case "pause" | "pause all":
                self.pause_or_resume(queue if what == "pause" else "*")
            case "break" | "break failed":
                self.break_or_mend(f"queue:{queue}" if what == "break" else "failed")
            case _:
                self.ruby_removes_a_queue(queue)

    # after each step --------------------------------------------------------------------------------------------
    @invariant()
    def it_all_adds_up(self) -> None:
        state = read(self.redis, self.keys)
        agree(self.model, state)
        laws(self.model, state)

    # choosing ---------------------------------------------------------------------------------------------------
    def payloads(self, wanted: Iterable[str]) -> list[bytes]:
        made = []
        for kind in wanted:
            self.number += 1
            own = b'{"class":"Own","args":[%d]}' % self.number
            foreign = FOREIGN[self.number % len(FOREIGN)]
            made.append({"own": own, "twin": TWIN, "foreign": foreign, "fat": FAT}[kind])
        return made

    def holders(self) -> list[Place]:
        return [place for place, held in self.model.inflight.items() if held]

    def holder(self, index: int) -> Place:
        places = self.holders()
        return places[index % len(places)]

    def leased(self, index: int) -> Place:
        places = sorted(self.model.leases)
        return places[index % len(places)]

    def choose(self, where: Place, chosen: list[int]) -> list[bytes]:
        """Payloads that are held there, some of them more than once, and (9) one that is not."""
        held = self.model.inflight[where]
        return [STRANGER if index == 9 else held[index % len(held)] for index in chosen]

    def seen(self, where: Place, how: str) -> float | None:
        end = self.model.leases.get(where, 0.0)
        assert not isinstance(end, Between)
        return {"exact": end, "stale": end - 1, "dead": None}[how]

    def seen_record(self, index: int, off: int) -> tuple[bytes, int]:
        position = index % len(self.model.failed)
        return self.model.failed[len(self.model.failed) - 1 - position], max(0, position + off)

    def take(self, worker: str, order: list[str], want: int, lease: float) -> None:
        started = time.time()
        taken = self.space.run(reserve.reserve(self.keys, order, worker, want, lease))
        expected = self.model.reserve(order, worker, want, between(started, lease))
        assert [(t.queue, t.inflight, t.payloads, "WRONGTYPE" in t.error, t.paused) for t in taken] == expected

    def finished(self, where: Place, payloads: list[bytes], twice: bool) -> None:
        entries: list[bytes | int] = [item for raw in payloads for item in (0, raw)]
        asked = settle.finish(self.keys, holder(where), GROUPS, entries, MINUTE)
        for answer in self.space.run_all([asked] * (1 + twice)):
            assert answer == Settled(*self.model.finish(where, payloads))

    def adopted(self, asked: Any, where: Place, recoverer: str, end: float | None, count: int) -> None:
        started = time.time()
        answer = self.space.run(asked)
        times = between(started, 20), between(started, 0)
        expected = self.model.adopt(where, recoverer, end, count, times)
        assert answer == (None if expected is None else Adopted(*expected))
        state = read(self.redis, self.keys)
        agree(self.model, state)


def holder(where: Place) -> Holder:
    return Holder(where[0], where[1], f"{where[1]}:-")


def between(started: float, lease: float) -> Between:
    """A lease that was written after `started` and before now, by a clock that is this machine's."""
    return Between(started * 1000 + lease * 1000 - 2, (time.time() + lease) * 1000 + 2)


@pytest.mark.timeout(1800 if TORTURE else 120)
def test_a_walk_through_all_transitions(redis: Any, url: str, wire: Wire, leg: str) -> None:
    """Both wires, every server; most walks on the default one."""

    class Here(Walk):
        pass

    Here.redis, Here.url, Here.wire = redis, url, wire
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=WALKS if leg == DEFAULT else WALKS // 3,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=PHASES,
            derandomize=not TORTURE,
            suppress_health_check=list(HealthCheck),
        ),
    )
