"""Redis in trouble under a team and under enqueuers: nothing acknowledged is lost, and all go on by themselves.

May be in here: one fault a test, and what it may cost. May not: the network (test_network.py), the sums
(redis_faults.py). Kills of a server that writes every change to disk first are in test_server.py.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from resque.dev.server import Server
from tests.conftest import client
from tests.leftovers import Spawner
from tests.processes.harness import LEASE, TORTURE, wait_for
from tests.processes.redis_faults import (
    Load,
    Witness,
    WitnessedTeam,
    assert_it_adds_up,
    assert_nothing_ran_twice,
    assert_same_processes,
    loaded,
)

SECONDS = 20.0 if TORTURE else 1.0
ROUNDS = 5 if TORTURE else 1
MakeTeam = Callable[..., WitnessedTeam]
pytestmark = pytest.mark.timeout(600 if TORTURE else 120)


@pytest.fixture
def team_on(server: Server, spawn: Spawner, tmp_path: Path) -> Iterator[MakeTeam]:
    """team_on(the server that gets into trouble, **settings) -> a team. `server` is the witness."""
    witness = Witness(spawn, server)
    yield lambda troubled, **settings: WitnessedTeam(witness, troubled, tmp_path, **settings)
    witness.redis.close()


@contextmanager
def again_and_again(action: Callable[[], object], every: float) -> Iterator[list[float]]:
    """Does it in a thread while the block runs; the list has the moments."""
    moments: list[float] = []
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(every):
            action()
            moments.append(time.monotonic())

    thread = threading.Thread(target=repeat, name="fault")
    thread.start()
    try:
        yield moments
    finally:
        stop.set()
        thread.join(30)


# killed -------------------------------------------------------------------------------------------------------------


def cut_the_tail(server: Server, size: int) -> int:
    """What a power failure takes that was not yet on the disk: the end of the append-only file."""
    (file,) = server.folder.glob("appendonlydir/*.incr.aof")
    length = file.stat().st_size
    cut = min(size, length // 2)
    with file.open("r+b") as opened:
        opened.truncate(length - cut)
    return cut


def test_everysec_loses_only_the_tail(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """Power failure: Redis forgets its last moments. What was accepted before is run, and the books are right."""
    server = start_server(appendonly="everysec")
    team = team_on(server)
    accepted_at: dict[int, float] = {}
    with loaded(team) as load:
        for _ in range(ROUNDS):
            before = load.accepted
            load.goes_on(60)
            accepted_at |= dict.fromkeys(load.accepted - before, time.monotonic())
            server.kill()
            assert not server.running
            assert cut_the_tail(server, random.Random(load.errors).randrange(200, 3000))
            server.start()
            load.goes_on(60)
    lost = load.accepted - set(team.executions())
    safe = set(sorted(load.accepted)[:20])
    assert not lost & safe, "what was accepted long before is there"
    assert len(lost) < 60 * ROUNDS, f"more than the tail: {len(lost)}"
    assert set(team.executions()) <= load.accepted | load.doubtful
    assert not team.failed()
    assert_same_processes(load)


def test_loading(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """A big file is read at the restart: everybody is told LOADING, waits, and goes on."""
    slow = ("key-load-delay 150", "loading-process-events-interval-bytes 1024")
    server = start_server(appendonly="always", config=slow)
    team = team_on(server)
    for start in range(0, 4000, 1000):
        team.redis.mset({f"ballast:{n}": b"x" * 100 for n in range(start, start + 1000)})
    team.redis.bgrewriteaof()
    wait_for(lambda: not team.redis.info("persistence")["aof_rewrite_in_progress"], 30, "rewritten")
    with loaded(team) as load:
        server.kill()
        server.start()
        load.goes_on()
    told = [event["error"] for event in team.events("store.lost")]
    assert any("loading" in error.lower() for error in told) or "loading" in load.errors.lower(), told
    assert_it_adds_up(load)


# all the time -------------------------------------------------------------------------------------------------------


def test_script_flush_all_the_time(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """NOSCRIPT at any moment: the text is sent, once, and nobody notices."""
    team = team_on(start_server())
    with loaded(team) as load, again_and_again(team.redis.script_flush, 0.05) as moments:
        wait_for(lambda: len(moments) > SECONDS / 0.1, 30 + SECONDS, "flushes")
        load.goes_on()
    assert_it_adds_up(load)
    assert_nothing_ran_twice(load)
    assert not load.errors
    assert not team.events("store.lost")


def test_client_kill_all_the_time(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """Connections break at any moment, replies are lost with them."""
    team = team_on(start_server())

    def kill() -> None:
        team.redis.client_kill_filter(_type="normal", skipme=True)

    with loaded(team) as load:
        with again_and_again(kill, 0.2) as moments:
            wait_for(lambda: len(moments) > SECONDS / 0.4, 30 + SECONDS, "kills")
        load.goes_on()
    assert team.events("store.lost"), "the kills must hit a worker"
    assert_it_adds_up(load)


def test_client_pause(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """Longer than a command may take, and longer than a lease: what is late counts as lost, and is found again."""
    team = team_on(start_server())
    with loaded(team) as load:
        team.redis.client_pause(round((LEASE + 0.5) * 1000))
        load.goes_on()
    assert team.events("store.lost") or team.events("lease.renewal_failed"), "the pause must be felt"
    assert load.doubtful or load.refused
    assert_it_adds_up(load)


# full ---------------------------------------------------------------------------------------------------------------


def test_maxmemory_and_back(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """Full: enqueue is refused and says so, workers go on; when there is room again all is as before."""
    team = team_on(start_server(config=("maxmemory-policy noeviction",)))
    with loaded(team) as load:
        for _ in range(ROUNDS):
            team.redis.config_set("maxmemory", "1mb")
            wait_for(partial(has_grown, load, len(load.refused)), 20, "enqueue is refused")
            wait_for(lambda: not team.waiting() and not team.inflight(), 30, "drained while full")
            team.redis.config_set("maxmemory", "0")
            load.goes_on()
    assert "OOM" in load.errors or "maxmemory" in load.errors
    assert not load.doubtful, "it is always told"
    assert_it_adds_up(load)
    assert_nothing_ran_twice(load)


def has_grown(load: Load, refused: int) -> bool:
    return len(load.refused) > refused + 5


def test_the_disk_is_full(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """MISCONF: Redis cannot save and takes no writes. Running jobs end and are settled when it can save again."""
    server = start_server(config=("save 3600 1", "dbfilename blocked.rdb", "stop-writes-on-bgsave-error yes"))
    team = team_on(server)
    obstacle = server.folder / "blocked.rdb"  # a folder: the new file cannot be renamed to it
    with loaded(team) as load:
        obstacle.mkdir()
        save(team)
        with pytest.raises(ResponseError, match="MISCONF"):
            team.redis.set("anything", 1)
        wait_for(lambda: len(load.refused) > 5, 20, "enqueue is refused")
        wait_for(lambda: team.events("store.lost"), 20, "workers are told")
        obstacle.rmdir()
        save(team)
        load.goes_on()
    assert "MISCONF" in load.errors
    assert not load.doubtful, "it is always told"
    assert_it_adds_up(load)
    assert_nothing_ran_twice(load)


def save(team: WitnessedTeam) -> None:
    """BGSAVE, until it has ended, well or not."""
    team.redis.bgsave()
    wait_for(lambda: not team.redis.info("persistence")["rdb_bgsave_in_progress"], 20, "saved")


# refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "evalsha",
        "lrange",
        "ltrim",
        "lrem",
        "lpos",
        "llen",
        "lmove",
        "rpush",
        "lpush",
        "blmove",
        "zadd",
        "time",
        "exists",
        "client|unblock",
    ]
    if TORTURE
    else ["ltrim", "lrange"],
)
def test_a_right_is_taken_and_given_back(start_server: Callable[..., Server], team_on: MakeTeam, command: str) -> None:
    """The operator edits the ACL under load. Nothing half done stays behind.

    It did: without LRANGE a whole queue was moved to `oversize`, without LTRIM it was in flight as well as waiting, and
    without LREM each attempt to release or to fail a job made another copy of it.
    """
    server = start_server()
    url = server.url.replace("redis://", "redis://app:secret@")
    rights(server, "+@all")
    team = team_on(server, url=url)
    with loaded(team, url) as load:
        for _ in range(ROUNDS):
            rights(server, f"-{command}")
            time.sleep(min(SECONDS, 2.0))
            rights(server, f"+{command}")
            load.goes_on()
    assert_it_adds_up(load)


def rights(server: Server, rule: str) -> None:
    """One rule more for the user of workers and enqueuers."""
    redis: Any = client(server)
    redis.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", rule)
    redis.close()


# keys ---------------------------------------------------------------------------------------------------------------


def test_flushall(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """Everything is gone, which no queue survives; workers do, serve what comes next, and are seen again."""
    team = team_on(start_server())
    with loaded(team) as load:
        for _ in range(ROUNDS):
            before = load.accepted | load.doubtful
            team.redis.flushall()
            load.goes_on()
    lost = load.accepted - set(team.executions()) - before
    assert len(lost) <= 2, f"only what was under way at that moment: {sorted(lost)[:10]}"
    assert_same_processes(load)
    wait_for(lambda: team.redis.scard("resque:workers") == 2, 4 * LEASE, "both are in the registry again")


def test_a_queue_of_another_type(start_server: Callable[..., Server], team_on: MakeTeam) -> None:
    """WRONGTYPE in the middle of the work: that queue stands still, enqueue says so, the other goes on."""
    team = team_on(start_server(), queues="work,other")
    with loaded(team) as load:
        team.redis.eval(SPOIL, 1, "resque:queue:work")
        wait_for(lambda: len(load.refused) > 5, 20, "enqueue is refused")
        team.app.enqueue("Count", [10**9], queue="other")
        wait_for(lambda: team.has_run(10**9), 20, "the other queue is served")
        team.redis.eval(MEND, 1, "resque:queue:work")
        load.goes_on()
    assert "WRONGTYPE" in load.errors
    load.producers[0].accepted.append(10**9)
    assert_it_adds_up(load)
    assert_nothing_ran_twice(load)


SPOIL = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], 'kept') end
return redis.call('SET', KEYS[1], 'a string')
"""
MEND = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', 'kept') == 1 then redis.call('RENAME', 'kept', KEYS[1]) end
"""
