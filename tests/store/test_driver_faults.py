"""Both drivers do the same when the conversation breaks: what is known, what is never repeated, what comes after."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from resque.dev.server import Server, free_port
from resque.errors import Demoted, Refused, StoreError, Unavailable, Unreachable
from resque.store import queues
from resque.store.keys import Keys
from resque.store.operation import Operation
from tests.conftest import client
from tests.fault_proxy import FaultProxy, blackhole, cut_after, delay, drop_reply, drop_request, stall_reply
from tests.store.canned import Canned
from tests.store.conftest import Drive

KEYS = Keys()
PING: Operation[Any] = Operation("PING")
INCR: Operation[Any] = Operation("INCR", ("n",))
PURGE = queues.purge(KEYS, "q")
IDLE = 0.07  # seconds; from 0.05 on an idle connection is looked at before it is used

every_server = pytest.mark.every_server


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a port whose connections are never completed: its queue is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect(listener.getsockname())
    time.sleep(0.05)
    yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    for each in (*fillers, listener):
        each.close()


def took(work: Callable[[], object]) -> tuple[StoreError, float]:
    """The error that `work` raises, and after how long."""
    start = time.monotonic()
    with pytest.raises(StoreError) as caught:
        work()
    return caught.value, time.monotonic() - start


# never twice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [drop_reply(), cut_after(2)], ids=["lost", "cut off"])
@every_server
def test_a_lost_reply_is_unknown_and_nothing_is_repeated(
    drive: Drive, proxy: FaultProxy, redis: Any, fault: Any
) -> None:
    """R3, R15: a client that repeats by itself doubles a push and loses a pop."""
    driver = drive(proxy.url)
    driver.run(PING)
    requests = proxy.requests
    struck = proxy.on(b"INCR", fault, times=100)
    error, seconds = took(lambda: driver.run_all([INCR, INCR]))
    assert type(error) is Unreachable
    assert error.sent
    assert seconds < 1
    assert (struck.hits, proxy.requests - requests) == (1, 1)
    assert redis.get("n") == b"2"
    assert driver.idle() == [], "the connection is in doubt and not kept"
    assert driver.run(PING) == b"PONG"
    assert proxy.connections == 2


@every_server
def test_a_script_with_a_lost_reply_is_not_repeated(drive: Drive, proxy: FaultProxy, redis: Any) -> None:
    driver = drive(proxy.url)
    driver.run(PURGE)
    redis.rpush("resque:queue:q", "a")
    struck = proxy.on(b"EVAL", drop_reply(), times=100)
    error, _ = took(lambda: driver.run(PURGE))
    assert type(error) is Unreachable
    assert error.sent
    assert struck.hits == 1
    assert redis.get("resque:stat:purged") == b"1"


def test_a_lost_request_is_unknown_too(drive: Drive, proxy: FaultProxy, redis: Any) -> None:
    """From here nobody can tell whether the server got it."""
    driver = drive(proxy.url)
    driver.run(PING)
    struck = proxy.on(b"INCR", drop_request(), times=100)
    error, _ = took(lambda: driver.run(INCR))
    assert type(error) is Unreachable
    assert error.sent
    assert struck.hits == 1
    assert redis.get("n") is None


def test_the_clients_own_retries_are_off(drive: Drive, url: str) -> None:
    """redis-py 8.1 would repeat 10 times by itself, 6.4 3 times."""
    driver = drive(url)
    driver.run(PING)
    (connection,) = driver.idle()
    assert connection.retry.get_retries() == 0
    assert connection.retry._supported_errors  # it is redis-py's Retry, not something that hides another
    assert connection.health_check_interval == 0
    assert not connection.retry_on_error


def test_a_refused_connection_is_tried_once(drive: Drive) -> None:
    driver = drive(f"redis://127.0.0.1:{free_port()}/0")
    error, seconds = took(lambda: driver.run(PING))
    assert type(error) is Unreachable
    assert not error.sent
    assert seconds < 0.5


# every wait has an end --------------------------------------------------------------------------------------------


def test_an_unreachable_server_costs_the_connect_timeout(drive: Drive, deaf: str) -> None:
    driver = drive(deaf, connect_timeout=0.3, socket_timeout=5)
    error, seconds = took(lambda: driver.run(PING))
    assert type(error) is Unreachable
    assert not error.sent
    assert 0.25 < seconds < 0.8


@pytest.mark.parametrize(
    "fault", [blackhole(), stall_reply(), delay(0.4)], ids=["black hole", "no reply", "late reply"]
)
def test_a_silent_server_costs_the_socket_timeout(drive: Drive, proxy: FaultProxy, fault: Any) -> None:
    driver = drive(proxy.url, socket_timeout=0.2)
    driver.run(PING)
    struck = proxy.on(b"INCR", fault)
    error, seconds = took(lambda: driver.run(INCR))
    assert type(error) is Unreachable
    assert error.sent
    assert 0.15 < seconds < 0.7
    assert struck.hits == 1


def test_a_server_that_accepts_and_says_nothing_costs_the_socket_timeout(drive: Drive) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        driver = drive(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", connect_timeout=0.2, socket_timeout=0.2)
        error, seconds = took(lambda: driver.run(PING))
    assert type(error) is Unreachable
    assert 0.15 < seconds < 0.7


def test_a_late_reply_never_meets_the_next_caller(drive: Drive, proxy: FaultProxy) -> None:
    driver = drive(proxy.url, socket_timeout=0.1)
    driver.run(PING)
    proxy.on(b"late", delay(0.2))
    took(lambda: driver.run(Operation("ECHO", (), ("late",))))
    for n in range(8):
        assert driver.run(Operation("ECHO", (), (n,), int)) == n
        time.sleep(0.05)


# an idle connection that is not there any more ----------------------------------------------------------------------


@every_server
def test_an_idle_connection_that_the_server_has_closed_is_replaced(drive: Drive, redis: Any, url: str) -> None:
    """CLIENT KILL, `timeout 300`, a firewall: nothing was sent yet, so nobody has to know."""
    driver = drive(url)
    driver.run_all([PING, PURGE])
    for operation in (INCR, PURGE):
        time.sleep(IDLE)
        redis.client_kill_filter(_type="normal", skipme=True)
        driver.run(operation)
    assert redis.get("n") == b"1"


@every_server
def test_after_a_restart_the_next_call_works(drive: Drive, start_server: Callable[..., Server]) -> None:
    server = start_server()
    driver = drive(server.url)
    driver.run_all([PING, PURGE])
    server.kill()
    time.sleep(IDLE)
    error, _ = took(lambda: driver.run(PING))
    assert type(error) is Unreachable
    assert not error.sent
    server.start()
    assert driver.run_all([PING, PURGE]) == [b"PONG", 0]
    server.kill()  # quicker than the gentle end that comes by itself


def test_an_idle_connection_that_was_reset_is_replaced(drive: Drive, proxy: FaultProxy) -> None:
    """A reset is no orderly end, and reads differently."""
    driver = drive(proxy.url)
    driver.run(PING)
    proxy.reset_all()
    time.sleep(IDLE)
    assert driver.run(INCR) == 1
    assert proxy.connections == 2


def test_an_idle_connection_that_has_something_to_say_is_replaced(drive: Drive) -> None:
    """An answer that nobody asked for would be taken for the next one's."""
    with Canned(b"+ONE\r\n+TWO\r\n") as server:
        driver = drive(server.url)
        if driver.store.settings.protocol == 3:
            return  # the greeting itself would be answered twice
        assert driver.run(PING) == b"ONE"
        time.sleep(IDLE)
        assert driver.run(PING) == b"ONE"


# what the server says about itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("LOADING Redis is loading the dataset in memory", Unavailable),
        ("BUSY Redis is busy running a script", Unavailable),
        ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable),
        ("MISCONF Redis is configured to save RDB snapshots", Unavailable),
        ("NOREPLICAS Not enough good replicas to write.", Unavailable),
        ("CLUSTERDOWN The cluster is down", Unavailable),
        ("MASTERDOWN Link with MASTER is down", Unavailable),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable),
        ("ERR Error running script: @user_script:1: -OOM command not allowed", Unavailable),
        ("READONLY You can't write against a read only replica.", Demoted),
        ("UNBLOCKED force unblock from blocking operation", Demoted),
        ("ERR Error running script: @user_script:1: -READONLY You can't write", Demoted),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Refused),
        ("NOPERM User x has no permissions to run the 'get' command", Refused),
        ("NOAUTH Authentication required.", Refused),
        ("ERR unknown command", Refused),
        ("ERR the room is BUSY", Refused),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_server_says_is_told_apart(drive: Drive, reply: str, kind: type[StoreError]) -> None:
    """By what to do next: later, another server, a person. Never Unreachable: it answered."""
    with Canned(b"-" + reply.encode() + b"\r\n") as server:
        driver = drive(server.url)
        with pytest.raises(StoreError) as caught:
            driver.run(PING)
        if not (reply.startswith("ERR") and driver.store.settings.protocol == 3):  # there, the greeting was refused
            assert type(caught.value) is kind


@every_server
def test_a_busy_server_is_unavailable_and_is_no_reason_to_guess(
    drive: Drive, start_server: Callable[..., Server]
) -> None:
    """It cannot even tell its version then; the next call must not remember a wrong one (6.2 knows no shebang)."""
    server = start_server(config=["lua-time-limit 10"])
    driver = drive(server.url)
    driver.run(PING)
    other, busy = client(server), client(server, timeout=30)

    def keep_busy() -> None:
        with suppress(Exception):
            busy.eval("while true do end", 0)

    script = threading.Thread(target=keep_busy)
    script.start()
    while "BUSY" not in _answer(lambda: other.get("k")):
        pass
    for _ in range(3):
        error, _ = took(lambda: driver.run(PURGE))
        assert type(error) is Unavailable
    other.script_kill()
    script.join(10)
    assert driver.run(PURGE) == 0
    for each in (other, busy):
        each.close()
    server.kill()


@every_server
def test_a_replica_and_a_full_server(drive: Drive, start_server: Callable[..., Server]) -> None:
    """Real ones, as each server words it: for a command and for a script."""
    server = start_server()
    redis = client(server)
    driver = drive(server.url)
    push = queues.enqueue(KEYS, "q", [b"a"])[1]
    driver.run(PURGE)
    redis.config_set("maxmemory", 1)
    assert type(driver.run_all([push])[0]) is Unavailable
    redis.config_set("maxmemory", 0)
    redis.replicaof("127.0.0.1", "1")
    for refused in driver.run_all([push, PURGE]):
        assert type(refused) is Demoted
    assert driver.run(PING) == b"PONG", "it still answers; the caller has to look for another"
    redis.replicaof("NO", "ONE")
    assert driver.run_all([push, PURGE]) == [None, 1]
    redis.close()
    server.kill()


def _answer(ask: Callable[[], object]) -> str:
    try:
        return str(ask())
    except Exception as error:
        return str(error)
