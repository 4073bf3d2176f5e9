"""How a connection to Redis is made, what it sends, and what its errors mean.

May be in here: URL, TLS and timeouts -> redis-py connections (sync and asyncio); packing; redis' exceptions -> ours.
May not: pools and conversations (sync.py, aio.py), keys, scripts' contents.

Rules, each from a fault that others had:
- The client's own retries are off. redis-py repeats by itself (8.1: 10 times, 6.4: 3): with a lost reply that doubles a
  push and loses a pop. A test asserts it on the connection.
- Every wait has an end: connecting 1 s, a command 2 s, unless the caller says otherwise.
- Maintenance notifications are off, the protocol is pinned: a connection does what we tell it and nothing else.
"""

import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

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

_READ_SIZE = 256 * 1024
_LATER = ("LOADING", "BUSY", "OOM", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN")
_GONE = ("READONLY", "UNBLOCKED")


def parameters(settings: Settings, socket_timeout: float | None = None) -> dict[str, Any]:
    """What both kinds of redis-py connection are built with. Raises ConfigError for a URL that cannot be read."""
    common: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": socket_timeout or settings.socket_timeout,
        "protocol": settings.protocol,
        "driver_info": None,  # CLIENT SETINFO is refused by minimal rights and tells us nothing
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "socket_read_size": _READ_SIZE,
        "decode_responses": False,
    }
    return common | _address(settings) | _tls(settings)


def open_sync(settings: Settings, socket_timeout: float | None = None) -> Any:
    """A connection for blocking code, not yet connected."""
    kinds = {"redis": sync.Connection, "rediss": sync.SSLConnection, "unix": sync.UnixDomainSocketConnection}
    kind: Any = kinds[urlsplit(settings.redis_url).scheme]
    return kind(retry=Retry(NoBackoff(), 0), **parameters(settings, socket_timeout))


def open_aio(settings: Settings, socket_timeout: float | None = None) -> Any:
    """A connection for asyncio code, not yet connected."""
    kinds = {"redis": aio.Connection, "rediss": aio.SSLConnection, "unix": aio.UnixDomainSocketConnection}
    kind: Any = kinds[urlsplit(settings.redis_url).scheme]
    return kind(retry=AsyncRetry(NoBackoff(), 0), **parameters(settings, socket_timeout))


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
    """The dialect of a server, by its INFO. Valkey calls itself Redis 7.2 there."""
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        name, _, version = line.partition(":")
        if name == "redis_version":
            return "modern" if int(version.split(".")[0]) >= 7 else "legacy"
    return "modern"


def is_stale(line: Any) -> bool:
    """Whether an idle connection was closed by the server (or holds an answer that nobody waits for)."""
    return line._sock is not None and bool(line.can_read(0))


async def is_stale_aio(line: Any) -> bool:
    """`is_stale` for asyncio; redis-py 7 calls the question by another name."""
    ask = getattr(line, "can_read", None) or line.can_read_destructive
    return line.is_connected and bool(await ask())


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
    if isinstance(error, exceptions.BusyLoadingError) or first in _LATER or any(f"-{word}" in text for word in _LATER):
        return Unavailable(f"Redis cannot serve this now: {text}")
    if isinstance(error, exceptions.ResponseError):
        return Refused(f"Redis answered: {text}")
    return Unreachable(f"no connection to Redis: {text}", sent=sent)


def shown(settings: Settings) -> str:
    """The URL for people: without user and password."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    host = parts.hostname or "localhost"
    return f"{parts.scheme}://{host}:{parts.port or 6379}{parts.path}"


def _address(settings: Settings) -> dict[str, Any]:
    parts = urlsplit(settings.redis_url)
    try:
        port = parts.port or 6379
    except ValueError as error:
        raise ConfigError(f"redis_url: {error}") from None
    credentials = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    if parts.scheme == "unix":
        return credentials | {"path": unquote(parts.path), "db": _database(parts.query.removeprefix("db="))}
    return credentials | {"host": parts.hostname or "localhost", "port": port, "db": _database(parts.path.strip("/"))}


def _database(text: str) -> int:
    if text and not text.isdigit():
        raise ConfigError(f"redis_url: the database must be a number, not {text!r}")
    return int(text or 0)


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
