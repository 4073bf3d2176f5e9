"""A server at its maxmemory: new jobs are refused, what is there is still settled."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.config import Wire
from resque.dev.server import Server
from resque.errors import Unavailable
from resque.store import cancelling, delayed, failures, inflight, namespace, periodic, queues, unique
from resque.store.cancelling import Waiting
from resque.store.delayed import Delayed
from resque.store.reserve import Taken, reserve
from resque.store.settle import Conclude, Drop, Holder, Later, Settled, conclude, drop, fail, finish, later, release
from tests.conftest import client
from tests.transitions.state import ID, ME, MINUTE, OTHER, Due, In, Space, State

pytestmark = pytest.mark.every_server

MINE, LOST = f"inflight:q:{ME}", f"inflight:q:{OTHER}"
HOLDER = Holder("q", ME, ID)
END = 1_700_000_000_123.0


@pytest.fixture
def full(start_server: Callable[..., Server], wire: Wire) -> Iterator[Space]:
    """A namespace on a server that takes no more; `full.load` goes around that."""
    server = start_server(config=["maxmemory-policy noeviction"])
    redis = client(server)
    space = Space(redis, server.url, wire)
    yield space
    space.store.close()
    redis.close()
    server.kill()  # quicker than the gentle end that comes by itself


def run_full(space: Space, given: State, operations: list[Any]) -> list[Any]:
    """Load, fill, run."""
    space.redis.config_set("maxmemory", 0)
    space.redis.flushall()
    space.load(given)
    space.redis.config_set("maxmemory", 1)
    return space.run_all(operations)


def test_a_full_server_refuses_new_jobs_for_now_and_settles_the_old_ones(full: Space) -> None:
    """Unavailable means "later": the caller may wait, a worker goes on. One server start, so one test."""
    keys = full.keys

    named, pushed = run_full(full, {}, queues.enqueue(keys, "q", [b"a"]))
    assert (type(named), type(pushed)) == (Unavailable, Unavailable)
    assert full.dump() == {}

    (taken,) = run_full(full, {"queue:q": ["a"]}, [reserve(keys, ["q"], ME, 1, 20)])
    assert taken == [Taken("q", 1, [b"a"])]
    assert full.dump() == {MINE: ["a"], "leases:q": {ME: In(20)}}

    (settled,) = run_full(full, {MINE: ["a"]}, [finish(keys, HOLDER, [("A|done", "", "")], [0, b"a"], MINUTE)])
    assert settled == Settled(1, 0)
    assert full.dump()["stat:processed"] == "1"

    (settled,) = run_full(full, {MINE: ["a"]}, [fail(keys, HOLDER, [(b"a", b"record", "", "")], MINUTE)])
    assert settled == Settled(1, 0)
    assert full.dump()["failed"] == ["record"]

    (settled,) = run_full(full, {MINE: ["a"]}, [release(keys, HOLDER, [(b"a", b"a, longer than it was")])])
    assert settled == Settled(1, 0)
    assert full.dump() == {"queue:q": ["a, longer than it was"]}

    given: State = {LOST: ["a"], "leases:q": {OTHER: END}}
    (adopted,) = run_full(full, given, [inflight.adopt(keys, "q", inflight.Lost(OTHER, END), ME, 20)])
    assert adopted == inflight.Adopted([b"a"], 0)
    assert full.dump() == {MINE: ["a"], "leases:q": {OTHER: In(0), ME: In(20)}}

    assert run_full(full, {MINE: ["a"]}, [inflight.audit(keys, "q", ME, 20)]) == [(True, True)]
    assert run_full(full, {"leases:q": {ME: END}}, [inflight.renew(keys, ["q"], [ME], 20)]) == [1]
    assert run_full(full, {"leases:q": {ME: END}}, [inflight.forget(keys, "q", ME, END)]) == [1]
    assert run_full(full, {"failed": ["x"]}, [failures.requeue(keys, b"x", 0, "q", b"job")]) == [1]
    assert full.dump() == {"queues": {"q"}, "queue:q": ["job"]}
    assert run_full(full, {"failed": ["x"]}, [failures.discard(keys, b"x", 0)]) == [1]
    assert run_full(full, {"queue:q": ["x"]}, [queues.purge(keys, "q")]) == [1]
    assert run_full(full, {}, [namespace.claim("resque", None)]) == ["native"]


def test_it_refuses_jobs_for_later_and_moves_those_that_it_has(full: Space) -> None:
    """A tick that was refused can be fired once there is room."""
    keys = full.keys
    claim = unique.Claim("a", b"job", "d1", 60.0, "skip")
    replacing = claim._replace(conflict="replace", due=5.0)
    waiting: State = {"delayed:q": {"a": 1.0}, "payloads:q": {"a": "job"}}
    locked: State = waiting | {"lock:q:d1": "a"}
    for given, operations in (
        ({}, delayed.delay(keys, "q", [Delayed("a", 5.0, b"job")])),
        ({}, unique.enqueue(keys, "q", claim)),
        ({}, unique.enqueue(keys, "q", claim._replace(due=5.0))),
        (locked, unique.enqueue(keys, "q", replacing)),
        (locked, unique.enqueue(keys, "q", replacing._replace(due=None, id="b"))),
        ({}, periodic.tick(keys, "q", "nightly", 60, "a", b"job")),
    ):
        assert [type(answer) for answer in run_full(full, given, operations)] == [Unavailable, Unavailable]
        assert full.dump() == given

    assert run_full(full, waiting, [delayed.promote(keys, "q", 9)]) == [delayed.Promoted(1, False, None, 0, "")]
    assert full.dump() == {"queue:q": ["job"]}
    assert run_full(full, waiting, [delayed.run_now(keys, "q", "a")]) == [True]
    assert run_full(full, waiting, [delayed.reschedule(keys, "q", "a", 5.0)]) == [True]
    assert run_full(full, waiting, [delayed.window(keys, "q", 0, 1)]) == [[Delayed("a", 1.0, b"job")]]
    assert run_full(full, waiting, [delayed.find(keys, "q", "a")]) == [Delayed("a", 1.0, b"job")]
    assert run_full(full, locked, [delayed.cancel(keys, "q", "a", "d1", "A|cancelled", MINUTE)]) == [True]
    assert full.dump()["stat:cancelled"] == "1"

    (settled,) = run_full(full, {MINE: ["a"]}, [later(keys, HOLDER, [Later(b"a", b"", "a", 5, b"{}", ())], MINUTE)])
    assert settled == Settled(1, 0)
    assert full.dump()["delayed:q"] == {"a": Due(5)}
    rows = [Drop(b"a", "expired", "a", "d1", ("A|expired",))]
    assert run_full(full, {MINE: ["a"]}, [drop(keys, HOLDER, rows, MINUTE)]) == [Settled(1, 0)]
    ended = [Conclude(b"a", "a", "d1", ("A|done",))]
    assert run_full(full, {MINE: ["a"]}, [conclude(keys, HOLDER, ended, MINUTE)]) == [Settled(1, 0)]
    assert run_full(full, {"lock:q:d1": "a"}, [unique.unlock(keys, "q", "d1", "a")]) == [True]
    assert run_full(full, {}, [cancelling.mark(keys, "q", "a", 1e10)]) == [True]
    taken = cancelling.take_waiting(keys, "q", Waiting(b"a", "a", "", "A|cancelled"), MINUTE)
    assert run_full(full, {"queue:q": ["a"]}, [taken]) == [True]
