"""Both drivers do the same: the conversation when all is well. When it breaks: test_driver_faults.py."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from resque.dev.server import Server
from resque.errors import Refused, StoreError
from resque.store import inflight, queues, settle, workers
from resque.store.keys import Keys
from resque.store.operation import Operation, mapping, texts
from tests.store.conftest import Drive
from tests.store.drivers import Driver

pytestmark = pytest.mark.every_server

KEYS = Keys()
PING: Operation[Any] = Operation("PING")
PURGE = queues.purge(KEYS, "q")


def push(*payloads: bytes) -> Operation[Any]:
    return queues.enqueue(KEYS, "q", payloads)[1]


def test_commands_with_every_kind_of_argument(drive: Drive, url: str) -> None:
    driver = drive(url)
    assert driver.run(PING) == b"PONG"
    assert driver.run(Operation("SET", ("k",), (b"\x00\r\n\xff",))) == b"OK"
    assert driver.run(Operation("GET", ("k",))) == b"\x00\r\n\xff"
    assert driver.run(Operation("APPEND", ("n",), (12,))) == 2
    assert driver.run(Operation("APPEND", ("n",), (0.25,))) == 6
    assert driver.run(Operation("APPEND", ("n",), ("ü",))) == 8
    assert driver.run(Operation("GET", ("n",))) == "120.25ü".encode()
    assert driver.run(Operation("GET", ("absent",))) is None


def test_commands_of_two_words(drive: Drive, url: str) -> None:
    driver = drive(url)
    assert driver.run(Operation("CLIENT ID", (), (), int)) > 0
    assert driver.run(Operation("CONFIG GET", (), ("port",), mapping)) == {"port": url.split(":")[2][:-2].encode()}


def test_replies_that_differ_between_the_protocols_are_parsed_to_one(drive: Drive, url: str) -> None:
    """Sets, maps and scores have shapes of their own in RESP3."""
    driver = drive(url)
    driver.run_all([Operation("SADD", ("resque:queues",), ("b", "a")), *workers.register(KEYS, "w", "now")])
    driver.run_all([Operation("ZADD", (KEYS.leases("q"),), (1.5, "a", 2, "b")), *workers.beat(KEYS, "w", {"n": 1}, 5)])
    assert driver.run(queues.names(KEYS)) == ["a", "b"]
    assert driver.run(workers.ids(KEYS)) == ["w"]
    assert driver.run(workers.info(KEYS, "w")) == {"n": b"1"}
    assert driver.run(inflight.leases(KEYS, "q")) == [("a", 1.5), ("b", 2.0)]
    assert driver.run(inflight.scan(KEYS, "list", 0)) == (0, [])


def test_nothing_is_said_to_the_server_but_what_was_asked_for(drive: Drive, redis: Any, url: str) -> None:
    """No CLIENT SETINFO (minimal rights refuse it), no PING before, no notifications; HELLO where it is needed."""
    redis.config_resetstat()
    driver = drive(url)
    driver.run(PING)
    driver.run(PING)
    said = {name.removeprefix("cmdstat_"): each["calls"] for name, each in redis.info("commandstats").items()}
    protocol = 3 if "hello" in said else 2
    expected = {"ping": 2} | ({"hello": 1} if protocol == 3 else {})
    assert {name: calls for name, calls in said.items() if not name.startswith(("config", "info"))} == expected
    assert driver.store.settings.protocol == protocol


def test_the_protocol_is_the_one_that_was_asked_for(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    number = driver.run(Operation("CLIENT ID"))
    if driver.run(Operation("INFO", (), ("server",))).find(b"redis_version:6") < 0:  # 6.2 does not list it
        ours = next(each for each in redis.client_list() if each["id"] == str(number))
        assert ours["resp"] == str(driver.store.settings.protocol)
    assert type(driver.run(Operation("HGETALL", ("none",)))) is (dict if driver.store.settings.protocol == 3 else list)


def test_one_trip_takes_many_operations_in_order(drive: Drive, url: str) -> None:
    driver = drive(url)
    replies = driver.run_all([push(b"a"), push(b"b"), queues.length(KEYS, "q"), queues.window(KEYS, "q", 0, 9)])
    assert replies == [None, None, 2, [b"a", b"b"]]
    assert driver.run_all([]) == []


def test_an_error_reply_is_a_value_in_a_pipeline_and_raised_alone(drive: Drive, url: str) -> None:
    driver = drive(url)
    driver.run(Operation("SET", (KEYS.queue("q"),), ("a string",)))
    first, second, third = driver.run_all([PING, push(b"a"), PING])
    assert (first, third) == (b"PONG", b"PONG")
    assert type(second) is Refused
    assert "WRONGTYPE" in str(second)
    assert second.sent
    with pytest.raises(Refused, match="WRONGTYPE"):
        driver.run(push(b"a"))
    assert len(driver.idle()) == 1, "the conversation goes on, on the same connection"


def test_a_script_that_the_server_does_not_know_is_sent_whole_once(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    redis.script_flush()
    redis.rpush("resque:queue:q", "a", "b")
    redis.config_resetstat()
    assert driver.run(PURGE) == 2
    assert driver.run(PURGE) == 0
    stats = redis.info("commandstats")
    assert {name: stats[f"cmdstat_{name}"]["calls"] for name in ("evalsha", "eval", "info")} == {
        "evalsha": 2,
        "eval": 1,
        "info": 1,  # the dialect, once a connection; ours has not been counted yet
    }


def test_scripts_go_on_after_script_flush(drive: Drive, redis: Any, url: str) -> None:
    """R21: it happens at every restart."""
    driver = drive(url)
    for _ in range(3):
        redis.rpush("resque:queue:q", "a")
        assert driver.run(PURGE) == 1
        redis.script_flush()


def test_only_the_unknown_scripts_of_a_pipeline_are_repeated(drive: Drive, redis: Any, url: str) -> None:
    """Everything else in it has happened already; a push that is repeated is a job that runs twice."""
    driver = drive(url)
    redis.script_flush()
    holder = settle.Holder("q", "w", "w:q")
    redis.rpush("resque:inflight:q:w", "a")
    finish = settle.finish(KEYS, holder, [("A|done", "", "")], [0, b"a"], 1)
    assert driver.run_all([push(b"x"), finish, push(b"y"), PURGE, PING]) == [
        None,
        settle.Settled(1, 0),
        None,
        2,
        b"PONG",
    ]
    assert redis.get("resque:stat:purged") == b"2"


def test_an_error_inside_a_script_is_an_error_reply(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    redis.set("resque:queue:q", "a string")
    for _ in range(2):  # sent whole, then by its digest
        with pytest.raises(Refused, match="WRONGTYPE"):
            driver.run(PURGE)
    assert len(driver.idle()) == 1


def test_large_pipelines_and_payloads_pass(drive: Drive, redis: Any, url: str) -> None:
    """More than any socket buffer, in both directions."""
    driver = drive(url)
    letters = [bytes([97 + n]) * 200_000 for n in range(26)]
    assert driver.run_all([push(letter) for letter in letters] + [PING] * 3000) == [None] * 26 + [b"PONG"] * 3000
    assert driver.run(queues.window(KEYS, "q", 0, 26)) == letters
    ask = queues.window(KEYS, "q", 0, 26)
    assert driver.run_all([ask] * 5) == [letters] * 5


def test_a_connection_is_used_again(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    ids = {driver.run(Operation("CLIENT ID")) for _ in range(20)}
    assert len(ids) == 1


def test_closing_drops_the_connections_and_the_next_call_opens_one(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url)
    first = driver.run(Operation("CLIENT ID"))
    driver.run(PING)
    if hasattr(driver.store, "close"):
        driver.store.close()
    else:
        driver._runner.run(driver.store.aclose())  # type: ignore[union-attr]
    while any(each["id"] == str(first) for each in redis.client_list()):
        time.sleep(0.001)
    assert driver.run(Operation("CLIENT ID")) != first


def test_a_result_that_cannot_be_parsed_costs_the_connection_not_the_next_caller(drive: Drive, url: str) -> None:
    """Whatever goes wrong in between: no half-read conversation is ever handed on."""
    driver = drive(url)
    with pytest.raises(ValueError, match="invalid literal"):
        driver.run_all([Operation("ECHO", (), ("not a number",), int), PING])
    assert driver.run(Operation("ECHO", (), ("mine",))) == b"mine"


def test_an_argument_that_cannot_be_sent_costs_nobody_else(drive: Drive, url: str) -> None:
    driver = drive(url)
    with pytest.raises(TypeError):
        driver.run_all([PING, Operation("ECHO", (), (None,))])  # type: ignore[arg-type]
    assert driver.run(Operation("ECHO", (), ("mine",))) == b"mine"


def test_the_database_of_the_url_is_used(drive: Drive, redis: Any, url: str) -> None:
    driver = drive(url.removesuffix("/0") + "/3")
    driver.run(Operation("SET", ("k",), ("three",)))
    assert redis.get("k") is None
    assert redis.info("keyspace")["db3"]["keys"] == 1


def test_over_a_unix_socket(drive: Drive, start_server: Callable[..., Server]) -> None:
    """Commands, scripts, errors and a restart; in the database that the URL names."""
    server = start_server(unix_socket=True)
    driver = drive(server.url.replace("db=0", "db=2"))
    driver.run(push(b"a"))
    assert driver.run_all([PURGE, PING]) == [1, b"PONG"]
    assert driver.run(Operation("INFO", (), ("keyspace",))).count(b"db2:") == 1
    server.kill()
    server.start()
    time.sleep(0.06)
    assert driver.run(queues.length(KEYS, "q")) == 0
    server.kill()  # quicker than the gentle end that comes by itself


def test_threads_share_one_store(drive: Drive, url: str) -> None:
    """8 threads x 200 calls: everybody gets his own answers."""
    driver = drive(url)

    def work(shared: Driver) -> None:
        mine = random.randbytes(8).hex()
        for n in range(200):
            said = f"{mine}-{n}"
            replies = shared.run_all([Operation("ECHO", (), (said,)), Operation("INCR", ("calls",))])
            assert replies[0] == said.encode()

    driver.in_threads(8, work)
    assert driver.run(Operation("GET", ("calls",))) == b"1600"


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_parent_and_child_of_a_fork_use_the_same_store(drive: Drive, redis: Any, url: str) -> None:
    """The child opens a connection of its own; the parent's lives on when the child has ended."""
    driver = drive(url)
    before = driver.run(Operation("CLIENT ID"))
    child = os.fork()
    if not child:
        status = 1
        try:
            driver.after_fork()
            numbers = {driver.run(Operation("CLIENT ID", (), (), int)) for _ in range(5)}
            assert len(numbers) == 1
            assert numbers != {before}
            driver.run_all([push(b"child"), PURGE, push(b"child")])
            driver.store._idle.clear()  # what garbage collection does sooner or later
            status = 0
        finally:
            os._exit(status)
    for _ in range(50):
        assert driver.run(Operation("CLIENT ID")) == before
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    time.sleep(0.06)
    assert driver.run_all([Operation("CLIENT ID"), queues.window(KEYS, "q", 0, 9)]) == [before, [b"child"]]


def test_minimal_rights_are_enough_and_less_is_refused(drive: Drive, redis: Any, url: str) -> None:
    """NOPERM and a wrong password tell a person what to do; neither tells anybody the password."""
    redis.acl_setuser("low", enabled=True, passwords=["+pass word"], keys=["resque:*"], commands=["+ping", "+info"])
    try:
        driver = drive(url.replace("redis://", "redis://low:pass%20word@"))
        assert driver.run(PING) == b"PONG"
        for refused in driver.run_all([push(b"a"), PURGE]):
            assert type(refused) is Refused
            assert "rights" in str(refused)
        with pytest.raises(StoreError) as caught:
            drive(url.replace("redis://", "redis://low:geheim@")).run(PING)
        assert type(caught.value) is Refused
        assert "geheim" not in str(caught.value)
    finally:
        redis.acl_deluser("low")


def test_texts_that_are_no_utf8_are_shown_not_raised(drive: Drive, redis: Any, url: str) -> None:
    redis.sadd("resque:queues", b"\xff", "a")
    assert drive(url).run(Operation("SMEMBERS", (KEYS.queues(),), (), texts)) == ["a", "\ufffd"]
