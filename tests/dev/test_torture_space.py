"""The torture's namespace: refused when it is in use, read, removed; no key and no connection of others is touched."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.app import Resque
from resque.config import Settings
from resque.dev.server import Server
from resque.dev.torture import connections
from resque.dev.torture.space import Space, State, connect, risks, shown, version
from resque.errors import ConfigError, Unreachable
from resque.store.keys import Keys
from tests.conftest import client
from tests.fault_proxy import FaultProxy
from tests.leftovers import Spawner

KEYS = Keys("torn")
MEMBER = "host~1:42"
CONNECT = """
import sys, redis
client = redis.Redis.from_url(sys.argv[1])
client.ping()
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def open_space(url: str) -> Iterator[Callable[..., Space]]:
    """open_space(is_own=True) -> the namespace `torn` of the test's server, claimed."""
    opened: list[Any] = []

    def open_it(*, is_own: bool = False) -> Space:
        app = Resque(url, prefix="torn")
        space = Space(app.settings, is_own=is_own)
        opened.extend((app, space))
        space.claim(app)
        return space

    yield open_it
    for each in opened:
        each.close()


def payload(id: str) -> str:
    return f'{{"class":"TortureQuick","args":[],"meta":{{"id":"{id}","queue":"quick","enqueued_at":1.0}}}}'


@pytest.fixture
def filled(redis: Any) -> None:
    """Two jobs wait, one is in flight, one has failed, three are counted."""
    redis.set(KEYS.marker(), "native")
    redis.lpush(KEYS.queue("quick"), payload("a"), payload("b"))
    redis.lpush(KEYS.inflight("mixed", MEMBER), payload("c"))
    redis.zadd(KEYS.leases("mixed"), {MEMBER: 1})
    redis.sadd(KEYS.workers(), f"{MEMBER}:quick,mixed", "host~2:43:quick,mixed")
    redis.lpush(KEYS.failed(), '{"id":"d","exception":"OnPurpose","error":"no"}')
    redis.mset({KEYS.stat("processed"): 3, KEYS.stat("failed"): 1})


# may it be used ----------------------------------------------------------------------------------------------------


def check(url: str, prefix: str) -> None:
    space = Space(Settings.load(redis_url=url, prefix=prefix), is_own=False)
    try:
        space.check()
    finally:
        space.close()


def test_a_prefix_that_holds_keys_is_refused_and_names_some(url: str, redis: Any) -> None:
    redis.mset({f"shop:{number}": 1 for number in range(9)})
    with pytest.raises(ConfigError, match=r"'shop' holds keys already \(shop:\d, shop:\d, shop:\d …\)"):
        check(url, "shop")
    assert redis.dbsize() == 9, "and nothing was written"


@pytest.mark.parametrize("prefix", ["sho", "shop:1", "sho\\p"])
def test_a_prefix_is_compared_as_a_whole(url: str, redis: Any, prefix: str) -> None:
    redis.set("shop:1", 1)
    check(url, prefix)


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        check("redis://127.0.0.1:1/0", "torn")


# reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_what_it_sees(open_space: Callable[..., Space]) -> None:
    space = open_space()
    assert space.state() == State(processed=3, failed=1, waiting=2, inflight=1)
    assert not space.state().is_over
    assert space.worker_pids() == {42, 43}
    assert space.held([42]) == ("c",)
    assert space.held([43]) == ()
    assert sorted(space.left()) == ["a", "b", "c"]
    assert [(each.id, each.exception) for each in space.failures()] == [("d", "OnPurpose")]


def test_an_empty_namespace_is_over(open_space: Callable[..., Space]) -> None:
    assert open_space().state().is_over


def test_long_lists_are_read_to_their_end(open_space: Callable[..., Space], redis: Any) -> None:
    redis.rpush(KEYS.queue("quick"), *(payload(str(number)) for number in range(1234)))
    assert open_space().left() == [str(number) for number in range(1234)]


def test_what_is_left_is_also_found_where_no_lease_is(open_space: Callable[..., Space], redis: Any) -> None:
    redis.lpush(KEYS.inflight("quick", MEMBER), payload("a"), "no json")
    assert sorted(open_space().left()) == ["?", "a"]


# removing ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_it_removes_its_keys_and_no_other(open_space: Callable[..., Space], redis: Any) -> None:
    others = {"other", "tornado:queue:quick", "torn", "resque:torn:queues"}
    redis.mset(dict.fromkeys(others, 1))
    redis.set("torn:cart:7", 1)  # somebody has begun to use the same prefix
    removed = open_space().remove()
    assert removed.foreign == ["torn:cart:7"]
    assert removed.count == 8
    assert {key.decode() for key in redis.keys("*")} == {*others, "torn:cart:7"}


@pytest.mark.usefixtures("filled")
def test_a_prefix_of_its_own_is_removed_as_a_whole(open_space: Callable[..., Space], redis: Any) -> None:
    redis.mset({f"torn:new-feature:{number}": 1 for number in range(1500)})
    redis.set("other", 1)
    assert open_space(is_own=True).remove().foreign == []
    assert redis.keys("*") == [b"other"]


# the server --------------------------------------------------------------------------------------------------------


def test_settings_that_may_lose_jobs_are_warned_of(start_server: Callable[..., Server]) -> None:
    server = start_server(config=["maxmemory 100mb", "maxmemory-policy allkeys-lru"])
    plain = client(server)
    said = risks(plain)
    assert [line.split(":")[0] for line in said] == ["appendonly is off", "maxmemory-policy is allkeys-lru"]
    assert version(plain) == server.version()
    plain.close()


def test_a_server_that_keeps_everything_gets_no_warning(start_server: Callable[..., Server]) -> None:
    plain = client(start_server(appendonly="always"))
    assert risks(plain) == []
    plain.config_set("appendfsync", "no")
    assert [line.split(":")[0] for line in risks(plain)] == ["appendfsync is no"]
    plain.close()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://user:secret@redis.example:6380/1", "redis://redis.example:6380/1"),
        ("redis://localhost", "redis://localhost"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock"),
    ],
)
def test_no_password_is_shown(url: str, text: str) -> None:
    assert shown(Settings.load(redis_url=url)) == text


# connections -------------------------------------------------------------------------------------------------------


def test_connections_of_one_process_are_cut_and_no_others(url: str, redis: Any, spawn: Spawner) -> None:
    ours, strangers = (spawn(sys.executable, "-c", CONNECT, url, stdin=-1, stdout=-1) for _ in range(2))
    for process in (ours, strangers):
        assert process.stdout is not None
        assert process.stdout.readline() == b"connected\n"
    redis.ping()
    before = {each["id"] for each in redis.client_list()}
    assert connections.why_not(redis) == ""
    assert connections.cut(redis, [ours.pid]) == 1
    after = {each["id"] for each in redis.client_list()}
    assert len(before - after) == 1
    assert connections.cut(redis, [ours.pid]) == 0
    assert connections.cut(redis, [strangers.pid]) == 1


def test_nothing_is_cut_where_addresses_prove_nothing(proxy: FaultProxy) -> None:
    through = connect(Settings.load(redis_url=proxy.url))
    assert "other addresses" in connections.why_not(through)
    through.close()


def test_nothing_is_cut_over_a_unix_socket(start_server: Callable[..., Server]) -> None:
    plain = connect(Settings.load(redis_url=start_server(unix_socket=True).url))
    assert "unix socket" in connections.why_not(plain)
    plain.close()


def test_our_own_process_has_the_address_that_the_server_sees(url: str, redis: Any) -> None:
    redis.ping()
    mine = connect(Settings.load(redis_url=url))
    mine.ping()
    number = mine.client_id()
    seen = {each["id"]: each["addr"] for each in redis.client_list()}
    assert seen[str(number)] in connections._addresses(os.getpid())
    mine.close()
