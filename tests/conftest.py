"""Fixtures that every test may use, and the options of the test run.

May be in here: servers, clients, processes as fixtures. May not: anything about jobs.

    server        a running server with an empty database (Valkey 9, or the leg under test)
    redis         a plain client of it: bytes, no retries        url    its URL
    proxy         a FaultProxy in front of it                    leg    the name of the leg
    start_server  start_server(appendonly="always") -> a server for this test alone, to kill, restart or reconfigure
    spawn         spawn(sys.executable, "-m", "resque", …, env={…}) -> Popen; killed with all it forked at the end

A test marked `every_server` runs once on each leg. `--leg=redis7` runs the whole suite on one leg.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from resque.dev.server import Server
from tests import leftovers, servers
from tests.closing_lines import ClosingLines
from tests.fault_proxy import FaultProxy
from tests.scheduling import FilesTogether


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--leg", choices=list(servers.LEGS), help="run the whole suite on this server leg alone")


def pytest_configure(config: pytest.Config) -> None:
    leg = config.getoption("leg") or servers.DEFAULT
    missing = servers.available()[leg]
    if missing is not None:
        raise pytest.UsageError(f"the server leg {leg} cannot run: {missing}")
    leftovers.mark_this_run()
    config.pluginmanager.register(ClosingLines(config), "closing-lines")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_server") is not None:
        chosen = metafunc.config.getoption("leg")
        here = [name for name, missing in servers.available().items() if missing is None]
        metafunc.parametrize("leg", [chosen] if chosen else here, indirect=True)


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid:  # xdist's workers would collect different tests, and run none
            raise pytest.UsageError(
                f"{item.nodeid}: an address in its id; give the object a __repr__, or the case an id"
            )
        if "processes" in item.path.parts:
            item.add_marker("processes")
    if hasattr(config, "workerinput"):  # the longest unit of work begins first
        items.sort(key=lambda item: "processes" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether | None:
    if config.getoption("dist") != "load":
        return None  # another one was asked for
    config.option.loadscopereorder = False  # keep the order of the collection
    return FilesTogether(config, log)


@pytest.fixture
def leg(request: pytest.FixtureRequest) -> str:
    """The name of the server leg that this test runs on."""
    name: str = getattr(request, "param", None) or request.config.getoption("leg") or servers.DEFAULT
    request.node.user_properties.append(("leg", name))
    return name


class Pool:
    """One server for each leg, started when it is first wanted."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._clients: dict[str, Any] = {}

    def clean(self, name: str) -> Server:
        """The leg's server, running, without data and without anybody's connections."""
        if name not in self._servers:
            self._servers[name] = servers.LEGS[name].start()
            self._clients[name] = client(self._servers[name], timeout=2)
        server = self._servers[name].start()
        try:
            self._reset(name)
        except redis_py.RedisError:  # a test has left it stopped, paused or misconfigured
            server.kill()
            server.start()
            self._reset(name)
        return server

    def close(self) -> None:
        for each in self._clients.values():
            each.close()
        for server in self._servers.values():
            server.close()

    def _reset(self, name: str) -> None:
        # A connection that an earlier test left waiting would take this test's jobs.
        self._clients[name].client_kill_filter(_type="normal", skipme=True)
        self._clients[name].client_kill_filter(_type="pubsub", skipme=True)
        self._clients[name].flushall()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """The servers of this session (of this xdist worker). Tests take `server`."""
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def server(leg: str, pool: Pool) -> Server:
    """A running server with an empty database. To change its configuration or kill it, take `start_server`."""
    return pool.clean(leg)


@pytest.fixture
def url(server: Server) -> str:
    """The URL of `server`."""
    return server.url


@pytest.fixture
def redis(server: Server) -> Iterator[Any]:
    """A plain redis-py client of `server`: bytes, no retries."""
    plain = client(server)
    yield plain
    plain.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A fault proxy in front of `server`, passing everything until told otherwise."""
    with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
def start_server(leg: str) -> Iterator[Callable[..., Server]]:
    """start_server(**options of Server) -> a server of this leg for this test alone; gone when the test ends."""
    started: list[Server] = []

    def start(**options: Any) -> Server:
        server = servers.LEGS[leg].start(**options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def spawn() -> Iterator[leftovers.Spawner]:
    """spawn(*command, env={…}, **options of Popen) -> Popen; it and all it forked are killed when the test ends."""
    spawner = leftovers.Spawner()
    yield spawner
    spawner.end()


def client(server: Server, *, timeout: float = 5) -> Any:
    """A client that does what it is told once: no retries, no notifications. For tests: the fixture `redis`."""
    return redis_py.Redis.from_url(
        server.url,
        decode_responses=False,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
