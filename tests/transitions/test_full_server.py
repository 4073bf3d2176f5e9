"""A server at its maxmemory: new jobs are refused, what is there is still settled."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.config import Wire
from resque.dev.server import Server
from resque.errors import Unavailable
from resque.store import failures, inflight, namespace, queues
from resque.store.reserve import Taken, reserve
from resque.store.settle import Holder, Settled, fail, finish, release
from tests.conftest import client
from tests.transitions.state import ID, ME, MINUTE, OTHER, In, Space, State

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
