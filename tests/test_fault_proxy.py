"""The fault proxy does to a conversation exactly what it says, and counts it."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late
from redis.retry import Retry

from resque.dev.server import Server
from tests.fault_proxy import (
    PASS,
    FaultProxy,
    blackhole,
    call,
    cut_after,
    delay,
    drop_reply,
    drop_request,
    half_open,
    stall_reply,
)
from tests.resp import whole_commands

Connect = Callable[..., Any]


@pytest.fixture
def connect(proxy: FaultProxy) -> Iterator[Connect]:
    """Clients that go through the proxy and never repeat a command."""
    clients = []

    def connect(timeout: float = 5, protocol: int = 2) -> Any:
        client = redis_py.Redis(port=proxy.port, socket_timeout=timeout, retry=Retry(NoBackoff(), 0), protocol=protocol)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


def test_without_a_fault_everything_passes_unchanged(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    big = b"x" * 1_000_000
    assert connect().set("key", big)
    assert redis.get("key") == big
    assert connect().get("key") == big
    assert not proxy.hits


@pytest.mark.parametrize("protocol", [2, 3])
def test_drop_reply_executes_the_request_and_resets(
    connect: Connect, redis: Any, proxy: FaultProxy, protocol: int
) -> None:
    client = connect(protocol=protocol)
    fault = proxy.on(b"INCR", drop_reply())
    with pytest.raises(Lost, match="reset"):
        client.incr("n")
    assert (redis.get("n"), fault.hits, proxy.hits["drop_reply"]) == (b"1", 1, 1)


def test_a_fault_strikes_once_and_the_next_connection_works(connect: Connect, proxy: FaultProxy) -> None:
    proxy.on(b"INCR", drop_reply())
    with pytest.raises(Lost):
        connect().incr("n")
    assert connect().incr("n") == 2


def test_times_and_after_choose_the_requests(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    """The second and third INCR are dropped, the first and fourth pass."""
    fault = proxy.on(b"INCR", drop_request(), times=2, after=1)
    connect().incr("n")
    for _ in range(2):
        with pytest.raises(Lost):
            connect().incr("n")
    connect().incr("n")
    assert (redis.get("n"), fault.hits) == (b"2", 2)


@pytest.mark.every_server
def test_drop_reply_lets_the_whole_of_a_large_pipeline_be_executed(
    connect: Connect, redis: Any, proxy: FaultProxy
) -> None:
    """Larger than what the server reads at once: resetting at the first reply would lose the rest of it."""
    proxy.on(b"first", drop_reply())
    pipeline = connect().pipeline(transaction=False)
    pipeline.set("first", "x" * 40_000)
    for number in range(1000):
        pipeline.rpush("list", f"{number}" + "x" * 100)
    with pytest.raises(Lost):
        pipeline.execute()
    assert redis.exists("first")
    assert redis.llen("list") == 1000


def test_drop_request_never_reaches_the_server(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    proxy.on(b"\nSET\r", drop_request())
    with pytest.raises(Lost, match="reset"):
        connect().set("key", "value")
    assert not redis.exists("key")
    assert proxy.hits["drop_request"] == 1


def test_blackhole_executes_nothing_and_answers_nothing(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    proxy.on(b"\nSET\r", blackhole())
    with pytest.raises(Late):
        connect(timeout=0.2).set("key", "value")
    assert not redis.exists("key")


def test_stall_reply_executes_and_answers_nothing(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    proxy.on(b"\nSET\r", stall_reply())
    with pytest.raises(Late):
        connect(timeout=0.2).set("key", "value")
    assert redis.get("key") == b"value"


def test_half_open_closes_the_servers_side_only(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    client = connect(timeout=0.3)
    client.client_setname("victim")
    proxy.on(b"\nSET\r", half_open())
    with pytest.raises(Late):
        client.set("key", "value")
    assert not redis.exists("key")
    assert "victim" not in [each["name"] for each in redis.client_list()]


def test_half_open_as_a_mode_takes_a_waiting_connection(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    """A client parked in BLPOP keeps waiting although the server has forgotten it."""
    client = connect(timeout=0.5)
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(client.blpop(["list"], timeout=5))
        except Late as error:
            outcome.append(error)

    waiting = threading.Thread(target=wait)
    parked = proxy.on(b"BLPOP", PASS)
    waiting.start()
    assert parked.wait()
    proxy.mode = half_open()
    waiting.join(5)
    assert isinstance(outcome[0], Late)
    redis.rpush("list", "kept")
    assert redis.llen("list") == 1


def test_a_mode_set_while_a_reply_is_awaited_applies_to_it(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    """The pop happens on the server and its reply is lost: the fault that loses jobs."""
    client = connect(timeout=2)
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(client.blpop(["list"], timeout=5))
        except Lost as error:
            outcome.append(error)

    waiting = threading.Thread(target=wait)
    parked = proxy.on(b"BLPOP", PASS)
    waiting.start()
    assert parked.wait()
    proxy.mode = drop_reply()
    redis.rpush("list", "popped")
    waiting.join(5)
    assert isinstance(outcome[0], Lost)
    assert redis.llen("list") == 0
    assert proxy.hits["drop_reply"] == 1


def test_cut_after_delivers_the_beginning_of_the_reply(proxy: FaultProxy, redis: Any) -> None:
    redis.set("key", "0123456789")
    proxy.on(b"GET", cut_after(7))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(b"GET key\r\n")
        received = b""
        while part := client.recv(100):
            received += part
    assert received == b"$10\r\n01"


def test_delay_holds_the_reply_of_one_request(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    """The server has executed it long before the client knows."""
    client = connect(timeout=0.2)
    proxy.on(b"\nSET\r", delay(0.5))
    with pytest.raises(Late):
        client.set("key", "value")
    assert redis.get("key") == b"value"
    assert connect(timeout=0.2).get("key") == b"value"


def test_call_runs_between_execution_and_reply(connect: Connect, redis: Any, proxy: FaultProxy) -> None:
    seen: list[bytes] = []
    proxy.on(b"\nSET\r", call(lambda: seen.append(redis.get("key"))))
    assert connect().set("key", "value")
    assert seen == [b"value"]


def test_an_error_in_a_call_is_raised_by_stop(server: Server) -> None:
    """An assertion inside a callback must not vanish in the proxy's thread."""
    proxy = FaultProxy("127.0.0.1", server.port).start()
    proxy.on(b"PING", call(lambda: 1 / 0))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b""
    with pytest.raises(ZeroDivisionError):
        proxy.stop()


def test_a_stopped_proxy_refuses_and_comes_back_on_its_port(connect: Connect, proxy: FaultProxy) -> None:
    client = connect()
    assert client.ping()
    proxy.stop()
    with pytest.raises(Lost):
        client.ping()
    with pytest.raises(Lost, match="refused"):
        client.ping()
    proxy.start()
    assert client.ping()


def test_a_killed_server_is_seen_through_the_proxy(start_server: Callable[..., Server]) -> None:
    """A client behind the proxy notices the end of the server as it would without the proxy."""
    server = start_server()
    with FaultProxy("127.0.0.1", server.port) as proxy:
        client = redis_py.Redis(port=proxy.port, retry=Retry(NoBackoff(), 0))
        proxy.on(b"PING", call(server.kill))
        assert client.ping()
        with pytest.raises(Lost):
            client.ping()
        client.close()


def test_it_counts_connections_requests_and_commands(connect: Connect, proxy: FaultProxy) -> None:
    """A pipeline is one request: what a test of "one trip" counts."""
    client = connect()
    client.ping()
    requests, commands = proxy.requests, proxy.commands
    pipeline = client.pipeline(transaction=False)
    for number in range(100):
        pipeline.set(f"key{number}", number)
    pipeline.execute()
    assert (proxy.requests - requests, proxy.commands - commands, proxy.connections) == (1, 100, 1)


@pytest.mark.parametrize(
    ("buffer", "expected"),
    [
        (b"", (0, 0)),
        (b"PING\r\n", (6, 1)),
        (b"PIN", (0, 0)),
        (b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI", (14, 1)),
        (b"*1\r\n$4\r\nPING\r", (0, 0)),
        (b"*2\r\n$3\r\nGET\r\n$6\r\na\r\n*1x\r\n", (25, 1)),
        (b"*2\r\n$3\r\nGET\r\n", (0, 0)),
    ],
)
def test_requests_are_cut_between_commands_only(buffer: bytes, expected: tuple[int, int]) -> None:
    assert whole_commands(buffer) == expected
