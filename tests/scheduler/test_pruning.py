"""Workers that are long gone leave the registry; living ones and Ruby's are never touched."""

import pytest

from resque import events
from resque.scheduler.pruning import Pruning
from tests.scheduler.conftest import Stage

OURS = "vm~0a1b2c3d:77:critical,mail"
RUBY = "vm:12377:*"


def pruning(stage: Stage, holder: str = "vm~r:1") -> Pruning:
    return Pruning(stage.store, stage.keys, holder, stage.settings)


def register(stage: Stage, id: str, *, alive: bool) -> None:
    stage.redis.sadd("resque:workers", id)
    stage.redis.set(f"resque:worker:{id}:started", "2026-11-24 01:55:14 +0000")
    stage.redis.set(f"resque:worker:{id}", '{"queue":"q"}')
    stage.redis.set(f"resque:stat:processed:{id}", 7)
    if alive:
        stage.redis.hset(f"resque:worker:{id}:info", "state", "idle")


def test_a_worker_without_a_sign_of_life_is_forgotten_with_all_its_keys(native: Stage) -> None:
    register(native, OURS, alive=False)
    with events.listening("worker.pruned") as heard:
        assert pruning(native).tick(0.0) == native.settings.lease * 3
    assert native.redis.smembers("resque:workers") == set()
    assert native.redis.keys(f"*{OURS}*") == []
    assert heard == [("worker.pruned", {"id": OURS})]


def test_a_worker_that_lives_stays(native: Stage) -> None:
    register(native, OURS, alive=True)
    pruning(native).tick(0.0)
    assert native.redis.smembers("resque:workers") == {OURS.encode()}
    assert native.redis.exists(f"resque:worker:{OURS}") == 1


@pytest.mark.parametrize("id", [RUBY, "vm:12377:critical,mail", "two:parts", "", "~:x:q", "vm~n:pid:q"])
def test_what_is_not_ours_is_not_touched(native: Stage, id: str) -> None:
    """Ruby prunes its own; a malformed id is none that we have written."""
    register(native, id, alive=False)
    before = sorted(native.redis.keys("*"))
    pruning(native).tick(0.0)
    assert native.redis.smembers("resque:workers") == {id.encode()}
    assert sorted(native.redis.keys("*")) == sorted({*before, b"resque:duty:pruning"})


def test_one_dead_among_many(native: Stage) -> None:
    for number in range(20):
        register(native, f"vm~{number:08x}:{number}:q", alive=number != 13)
    register(native, RUBY, alive=False)
    pruning(native).tick(0.0)
    left = {id.decode() for id in native.redis.smembers("resque:workers")}
    assert left == {RUBY, *(f"vm~{number:08x}:{number}:q" for number in range(20) if number != 13)}


def test_a_sign_of_life_of_a_wrong_type_is_no_proof_of_death(native: Stage) -> None:
    register(native, OURS, alive=False)
    native.redis.set(f"resque:worker:{OURS}:info", "x")
    pruning(native).tick(0.0)
    assert native.redis.scard("resque:workers") == 1


def test_its_jobs_are_recoverys(native: Stage) -> None:
    native.hold(b"{}", member="vm~0a1b2c3d:77")
    register(native, OURS, alive=False)
    pruning(native).tick(0.0)
    assert native.inflight() == 1
    assert native.lease("vm~0a1b2c3d:77")


def test_one_host_does_it_for_all(native: Stage) -> None:
    pruning(native, "vm~one:1").tick(0.0)
    register(native, OURS, alive=False)
    pruning(native, "vm~other:1").tick(1.0)
    assert native.redis.scard("resque:workers") == 1
    native.redis.delete("resque:duty:pruning")
    pruning(native, "vm~other:1").tick(60.0)
    assert native.redis.scard("resque:workers") == 0


def test_no_workers_are_no_trouble(native: Stage) -> None:
    pruning(native).tick(0.0)
