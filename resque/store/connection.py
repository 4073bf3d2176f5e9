"""How a connection to Redis is made, what it sends, and what its errors mean.

May be in here: URL, TLS and timeouts -> redis-py connections (sync and asyncio); packing; redis' exceptions -> ours.
May not: pools and conversations (sync.py, aio.py), keys, scripts' contents.

Rules, each from a fault that others had:
- The client's own retries are off. redis-py repeats by itself (8.1: 10 times, 6.4: 3): with a lost reply that doubles a
  push and loses a pop. A test asserts it on the connection.
- Every wait has an end: connecting 1 s, a command 2 s, unless the caller says otherwise.
- Maintenance notifications are off, the protocol is pinned: a connection does what we tell it and nothing else.
"""

import inspect
import select
import ssl
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import hiredis
import redis
import redis.asyncio.connection as aio
import redis.connection as sync
import redis.exceptions as exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from resque.config import Settings
from resque.errors import ConfigError, Demoted, Refused, StoreError, Unavailable, Unreachable
from resque.store.operation import Operation
from resque.store.scripts import Dialect, Script

_LIBRARY = ("lib_name", "lib_version")
_READ_SIZE = 256 * 1024
_LATER = ("LOADING", "BUSY", "OOM", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN")
# redis-py takes the code off the text of those it has a class for.
_LATER_ERRORS = (
    exceptions.BusyLoadingError,
    exceptions.OutOfMemoryError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
)
_LATER_KINDS = (  # redis-py takes the word out of the text of these
    exceptions.BusyLoadingError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
)
_GONE = ("READONLY", "UNBLOCKED")


def parameters(settings: Settings, socket_timeout: float | None = None) -> dict[str, Any]:
    """What both kinds of redis-py connection are built with. Raises ConfigError for a URL that cannot be read."""
    common: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": socket_timeout or settings.socket_timeout,
        "protocol": settings.protocol,
        "socket_read_size": _READ_SIZE,
        "decode_responses": False,
    }
    return common | _address(settings) | _tls(settings)


def open_sync(settings: Settings, socket_timeout: float | None = None) -> Any:
    """A connection for blocking code, not yet connected."""
    kinds = {"redis": sync.Connection, "rediss": sync.SSLConnection, "unix": sync.UnixDomainSocketConnection}
    kind: Any = kinds[_parts(settings).scheme]
    return kind(retry=Retry(NoBackoff(), 0), **parameters(settings, socket_timeout), **_silent(sync))


def open_aio(settings: Settings, socket_timeout: float | None = None) -> Any:
    """A connection for asyncio code, not yet connected."""
    kinds = {"redis": aio.Connection, "rediss": aio.SSLConnection, "unix": aio.UnixDomainSocketConnection}
    kind: Any = kinds[_parts(settings).scheme]
    return kind(retry=AsyncRetry(NoBackoff(), 0), **parameters(settings, socket_timeout), **_silent(aio))


def pack(operations: Sequence[Operation[Any]], dialect: Dialect | None, *, whole: bool = False) -> bytes:
    """The bytes of a pipeline. Scripts go by digest, or with their text (`whole`) for a server that lacks them."""
    packed = bytearray()
    for op in operations:
        command = op.command
        if isinstance(command, Script):
            assert dialect is not None, "scripts need the server's dialect"
            how = ("EVAL", command.text(dialect)) if whole else ("EVALSHA", command.sha(dialect))
            words: tuple[Any, ...] = (*how, len(op.keys), *op.keys, *op.args)
        else:
            words = (*command.split(), *op.keys, *op.args)
        packed += hiredis.pack_command(words)
    return bytes(packed)


def dialect_of(info: Any) -> Dialect:
    """The dialect of a server, by its INFO. Valkey calls itself Redis 7.2 there.

    Raises Unavailable when the server cannot say it now (BUSY): a guess would stick to the connection.
    """
    if isinstance(info, Exception) and isinstance(error := translate(info, sent=False), Unavailable):
        raise error
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, version = line.partition(":")
        if name == "redis_version":
            return "modern" if int(version.split(".")[0]) >= 7 else "legacy"
    return "modern"


def is_stale(line: Any) -> bool:
    """Whether an idle connection was closed by the server (or holds an answer that nobody waits for)."""
    try:
        return line._sock is not None and bool(line.can_read(0))
    except CLIENT_ERRORS:  # how it says "closed"
        return True


async def is_stale_aio(line: Any) -> bool:
    """`is_stale` for asyncio; redis-py 7 calls the question by another name.

    It knows only what the event loop has read already. The socket is asked too: the loop may have been busy elsewhere.
    """
    if not line.is_connected:
        return False
    ask = getattr(line, "can_read", None) or line.can_read_destructive
    try:
        return line._writer.is_closing() or _is_readable(line._writer.get_extra_info("socket")) or bool(await ask())
    except CLIENT_ERRORS:
        return True


def result_of(operation: Operation[Any], reply: Any) -> Any:
    """What a reply means to its operation: a parsed value, or a StoreError."""
    if isinstance(reply, Exception):
        return translate(reply, sent=True)
    return operation.parse(reply)


def lacks_script(error: Exception) -> bool:
    """Whether the server answered that it does not know a script."""
    return isinstance(error, exceptions.NoScriptError) or str(error).startswith("NOSCRIPT")


def translate(error: Exception, *, sent: bool) -> StoreError:
    """One of redis' (or the system's) exceptions as one of ours. `sent`: the server may have got the command.

    Older servers and scripts report their state inside other errors, so the text is looked at, too.
    """
    if isinstance(error, StoreError):
        return error
    text = str(error) or type(error).__name__
    first = text.split(" ", 1)[0].lstrip("-")
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return Refused(f"Redis refuses us: {text}. Check user, password and rights (resque acl)")
    if isinstance(error, exceptions.ReadOnlyError) or first in _GONE or "-READONLY" in text:
        return Demoted(f"Redis is not a primary (any more): {text}")
    if isinstance(error, _LATER_ERRORS) or first in _LATER or any(f"-{word}" in text for word in _LATER):
        return Unavailable(f"Redis cannot serve this now: {text}")
    if isinstance(error, exceptions.ResponseError):
        return Refused(f"Redis answered: {text}")
    return Unreachable(f"no connection to Redis: {text}", sent=sent)


def shown(settings: Settings) -> str:
    """The URL for people: without user and password."""
    parts = _parts(settings)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    host = parts.hostname or "localhost"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or 6379}{parts.path}"


def _parts(settings: Settings) -> SplitResult:
    """The URL in its parts. The errors never repeat any of it: with a / or # in a password the parts are not what they
    seem, and the "port" is half of the password."""
    try:
        parts = urlsplit(settings.redis_url)
        unreadable = parts.port == 0 or bool(parts.fragment)
    except ValueError:
        unreadable = True
    if unreadable:
        raise ConfigError(
            "redis_url cannot be read: the port must be a number from 1 to 65535, and in user and password "
            "/ is written %2F, # %23, ? %3F, @ %40, [ %5B"
        )
    if parts.scheme == "unix" and parts.hostname:
        raise ConfigError("redis_url: a unix socket is given by its absolute path: unix:///run/redis.sock?db=0")
    if parts.query and not (parts.scheme == "unix" and parts.query.startswith("db=")):
        raise ConfigError("redis_url takes no options after ? (but unix:///path?db=0); they are settings of their own")
    return parts


@cache
def _silent(module: Any) -> dict[str, Any]:
    """What keeps a connection from saying or hearing more than we ask: no CLIENT SETINFO (minimal rights refuse it), no
    maintenance notifications. Which parameters there are differs between redis-py 7.0 and 8."""
    known = inspect.signature(module.AbstractConnection.__init__).parameters
    options: dict[str, Any] = {"driver_info": None} if "driver_info" in known else dict.fromkeys(_LIBRARY)
    if "maint_notifications_config" in known:
        options["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
    return options


def _address(settings: Settings) -> dict[str, Any]:
    parts = _parts(settings)
    credentials = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    if parts.scheme == "unix":
        return credentials | {"path": unquote(parts.path), "db": _database(parts.query.removeprefix("db="))}
    place = {"host": parts.hostname or "localhost", "port": parts.port or 6379}
    return credentials | place | {"db": _database(parts.path.strip("/"))}


def _database(text: str) -> int:
    if text and not text.isdecimal():
        raise ConfigError("redis_url: the database must be a number: redis://host:6379/0")
    return int(text or 0)


def _is_readable(sock: Any) -> bool:
    poller = select.poll()  # select.select() knows no descriptors above 1023
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def _tls(settings: Settings) -> dict[str, Any]:
    if not settings.redis_url.startswith("rediss://"):
        return {}
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED if settings.tls_verify else ssl.CERT_NONE,
        "ssl_check_hostname": settings.tls_verify,
        "ssl_ca_certs": settings.tls_ca_file,
    }


ERROR_REPLY = exceptions.ResponseError
"""A reply that is an error: the conversation goes on."""

CLIENT_ERRORS = (redis.RedisError, OSError, TimeoutError)
"""Everything that a connection may raise."""
