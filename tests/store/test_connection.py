"""From a URL to a connection: what is understood, what is refused, what is never told."""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resque.config import Settings
from resque.dev.server import Server, free_port
from resque.errors import ConfigError, StoreError, Unreachable
from resque.store import connection
from resque.store.operation import Operation
from resque.store.sync import SyncStore
from tests import servers
from tests.store.drivers import DRIVERS
from tests.store.tls import Authority, Terminator

PING: Operation[Any] = Operation("PING")
SECRET = "ge:heim/#?@[x] %"
CODED = "ge%3Aheim%2F%23%3F%40%5Bx%5D%20%25"


def place(url: str) -> dict[str, Any]:
    """Where a URL leads."""
    found = connection.parameters(Settings(redis_url=url))
    return {name: found[name] for name in ("host", "port", "path", "username", "password", "db") if name in found}


NOBODY = {"username": None, "password": None}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", {"host": "localhost", "port": 6379, "db": 0} | NOBODY),
        ("redis://", {"host": "localhost", "port": 6379, "db": 0} | NOBODY),
        ("redis://redis.example:7000/3", {"host": "redis.example", "port": 7000, "db": 3} | NOBODY),
        ("redis://10.0.0.1:7000/", {"host": "10.0.0.1", "port": 7000, "db": 0} | NOBODY),
        ("redis://h/15/", {"host": "h", "port": 6379, "db": 15} | NOBODY),
        ("redis://[::1]:7000/1", {"host": "::1", "port": 7000, "db": 1} | NOBODY),
        ("redis://:word@h", {"host": "h", "port": 6379, "db": 0, "username": None, "password": "word"}),
        ("redis://ann:word@h/2", {"host": "h", "port": 6379, "db": 2, "username": "ann", "password": "word"}),
        ("redis://ann@h", {"host": "h", "port": 6379, "db": 0, "username": "ann", "password": None}),
        (f"redis://a%40b:{CODED}@h", {"host": "h", "port": 6379, "db": 0, "username": "a@b", "password": SECRET}),
        (f"rediss://:{CODED}@h:7000", {"host": "h", "port": 7000, "db": 0, "username": None, "password": SECRET}),
        ("unix:///run/redis.sock", {"path": "/run/redis.sock", "db": 0} | NOBODY),
        ("unix:///run/redis.sock?db=4", {"path": "/run/redis.sock", "db": 4} | NOBODY),
        ("unix:///run/my%20redis.sock?db=", {"path": "/run/my redis.sock", "db": 0} | NOBODY),
        (
            f"unix://ann:{CODED}@/run/redis.sock?db=1",
            {"path": "/run/redis.sock", "db": 1, "username": "ann", "password": SECRET},
        ),
    ],
)
def test_a_url_leads_to(url: str, expected: dict[str, Any]) -> None:
    assert place(url) == expected


BAD_URLS = [
    ("redis://h:port/0", "the port must be a number"),
    ("redis://h:70000/0", "the port must be a number"),
    ("redis://h:0/0", "the port must be a number"),
    ("redis://h/zero", "the database must be a number"),
    ("redis://h/-1", "the database must be a number"),
    ("redis://h/0/1", "the database must be a number"),
    ("redis://h/\N{SUPERSCRIPT TWO}", "the database must be a number"),
    ("redis://h?db=3", "takes no options"),
    ("redis://h/0?password=geheim", "takes no options"),
    ("rediss://h/0?ssl_cert_reqs=none", "takes no options"),
    ("redis://h/0#x", "cannot be read"),
    ("unix:///run/redis.sock?password=geheim", "takes no options"),
    ("unix:///run/redis.sock?db=0&password=geheim", "the database must be a number"),
    ("unix://run/redis.sock", "absolute path"),
    # a password that was not written with %: its parts end up in strange places
    ("redis://:geheim/word@h", "%2F"),
    ("redis://:12/geheim@h", "database"),
    ("redis://ann:geheim#word@h", "%23"),
    ("redis://:12#geheim@h", "%23"),
    ("redis://:geheim?word@h", "%3F"),
    ("redis://:geheim[word@h", "%5B"),
    ("redis://:geheim\N{FULLWIDTH COMMERCIAL AT}word@h", "cannot be read"),
]


@pytest.mark.parametrize(("url", "hint"), BAD_URLS)
def test_a_url_that_cannot_be_meant_is_refused_without_repeating_it(url: str, hint: str) -> None:
    """Rather than taking half of it: jobs would go to another database, or the password into a log."""
    with pytest.raises(ConfigError) as caught:
        SyncStore(Settings(redis_url=url)).run(PING)
    assert hint in str(caught.value)
    told = "".join(traceback.format_exception(caught.value))
    assert not any(part in told for part in ("geheim", "word@", url))


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_a_connection_is_plain_and_does_nothing_by_itself(kind: str) -> None:
    settings = Settings(redis_url="redis://h", protocol=3, connect_timeout=0.7, socket_timeout=1.5)
    line = connection.open_sync(settings) if kind == "sync" else connection.open_aio(settings)
    assert (line.socket_connect_timeout, line.socket_timeout, line.protocol) == (0.7, 1.5, 3)
    assert line.retry.get_retries() == 0
    assert not line.encoder.decode_responses
    notifications = getattr(line, "maint_notifications_config", None)  # redis-py 7.0 has none on its asyncio side
    assert notifications is None or not notifications.enabled
    assert line.health_check_interval == 0
    longer = connection.open_sync(settings, 9) if kind == "sync" else connection.open_aio(settings, 9)
    assert longer.socket_timeout == 9


# secrets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://ann:{CODED}@h:7000/2", "redis://h:7000/2"),
        (f"rediss://:{CODED}@h", "rediss://h:6379"),
        (f"unix://ann:{CODED}@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://[::1]/0", "redis://[::1]:6379/0"),
        ("redis://", "redis://localhost:6379"),
    ],
)
def test_people_are_shown_the_place_and_no_names(url: str, shown: str) -> None:
    assert connection.shown(Settings(redis_url=url)) == shown


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_secrets_are_in_no_repr_and_in_no_error(kind: str, server: Server, redis: Any) -> None:
    """A wrong password, a closed port, a host that does not exist: people paste these into tickets."""
    redis.config_set("requirepass", "right")
    try:
        urls = [f"redis://:geheim@127.0.0.1:{server.port}/0", f"redis://ann:geheim@127.0.0.1:{free_port()}/0"]
        for url in [*urls, "redis://ann:geheim@no-such-host.invalid/0", "unix://:geheim@/no/such.sock"]:
            settings = Settings(redis_url=url)
            driver = DRIVERS[kind](settings)
            with pytest.raises(StoreError) as caught:
                driver.run(PING)
            told = "".join(traceback.format_exception(caught.value))
            line = connection.open_sync(settings) if kind == "sync" else connection.open_aio(settings)
            for text in (told, repr(caught.value), repr(settings), str(settings), repr(driver.store), repr(line)):
                assert "geheim" not in text
            driver.close()
    finally:
        redis.config_set("requirepass", "")


def test_user_and_password_are_used(url: str, redis: Any) -> None:
    """With everything in them that a URL cannot hold as it is."""
    redis.acl_setuser("a@b", enabled=True, passwords=[f"+{SECRET}"], keys=["*"], commands=["+@all"])
    try:
        store = SyncStore(Settings(redis_url=url.replace("redis://", f"redis://a%40b:{CODED}@")))
        assert store.run(Operation("ACL WHOAMI")) == b"a@b"
        store.close()
    finally:
        redis.acl_deluser("a@b")


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signed the server's certificate."""
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another one."""
    return Authority(tmp_path_factory.mktemp("tls") / "theirs")


ENDS = ["terminator", *(["redis7"] if servers.available()["redis7"] is None else [])]
"""Debian's redis-server is the one server here that speaks TLS by itself."""


@pytest.fixture(params=ENDS)
def tls_port(request: pytest.FixtureRequest, ours: Authority, server: Server) -> Iterator[Callable[[str], int]]:
    """tls_port("IP:127.0.0.1") -> a port where a server with a certificate for that name takes TLS connections."""
    opened: list[Any] = []

    def start(name: str) -> int:
        certificate, key = ours.issue(name)
        if request.param == "terminator":
            opened.append(Terminator(certificate, key, server.port).__enter__())
            return int(opened[-1].port)
        port = free_port()
        files = [f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {ours.ca}"]
        opened.append(servers.LEGS["redis7"].start(config=[f"tls-port {port}", "tls-auth-clients no", *files]))
        return port

    yield start
    for each in opened:
        each.__exit__(None, None, None)


def ask(kind: str, port: int, ca: Path | None, **settings: Any) -> Any:
    driver = DRIVERS[kind](
        Settings(redis_url=f"rediss://127.0.0.1:{port}/0", tls_ca_file=None if ca is None else str(ca), **settings)
    )
    try:
        return driver.run(PING)
    finally:
        driver.close()


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_over_tls_the_server_must_prove_who_it_is(
    kind: str, tls_port: Callable[[str], int], ours: Authority, theirs: Authority
) -> None:
    """The right authority and the right name work; nothing else does, unless the check is turned off."""
    port = tls_port("IP:127.0.0.1")
    assert ask(kind, port, ours.ca) == b"PONG"
    for wrong in (theirs.ca, None):
        with pytest.raises(Unreachable, match=r"(?i)certificate") as caught:
            ask(kind, port, wrong)
        assert not caught.value.sent
    assert ask(kind, port, None, tls_verify=False) == b"PONG"


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_over_tls_a_certificate_for_another_name_is_refused(
    kind: str, tls_port: Callable[[str], int], ours: Authority
) -> None:
    """Anybody can have a certificate of a public authority, for a name of his own."""
    port = tls_port("DNS:elsewhere.example")
    with pytest.raises(Unreachable, match=r"(?i)certificate.*127\.0\.0\.1") as caught:
        ask(kind, port, ours.ca)
    assert not caught.value.sent
    assert ask(kind, port, ours.ca, tls_verify=False) == b"PONG"
