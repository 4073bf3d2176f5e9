"""Space: the torture's namespace in Redis: is it empty, how far is the work, what is left, and its removal.

May be in here: reading Resque's keys under the torture's own prefix, removing them. May not: a key outside of it,
FLUSH, KEYS, judging what was read (account.py).

Reads go past Resque on purpose, with a plain client that does what it is told once.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from resque.admin.console import Console
from resque.app import Resque
from resque.config import Settings
from resque.dev.torture.account import FailedJob
from resque.dev.torture.jobs import QUEUES
from resque.errors import ConfigError, Unreachable

_TIMEOUT: Final = 5.0
_WINDOW: Final = 500
_A_STEP: Final = 1000
_NAMED: Final = 3
_GLOB: Final = re.compile(r"([\\*?\[\]])")
_QUEUE: Final = f"(?:{'|'.join(QUEUES)})"
_FORMS: Final = re.compile(
    rf"(?:queues|workers|failed|wire|pause-all-workers|(?:queue|paused|oversize|leases):{_QUEUE}"
    rf"|inflight:{_QUEUE}:.+|metrics:{_QUEUE}:\d+|worker:.+|stat:.+|duty:.+)"
)


@dataclass(frozen=True, slots=True)
class State:
    """How far the work is."""

    processed: int
    failed: int
    waiting: int
    inflight: int

    @property
    def is_over(self) -> bool:
        """Nothing waits, nothing is in flight."""
        return not self.waiting and not self.inflight


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of the keys under the prefix."""

    count: int
    foreign: list[str]
    """Keys that are none of Resque's: somebody else has begun to use the prefix meanwhile. They stay."""


class _Meta(msgspec.Struct):
    id: str = "?"


class _Payload(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Record(msgspec.Struct):
    id: str | None = None
    exception: str = ""
    error: str = ""


class Space:
    """The namespace of `settings.prefix`.

    is_own   the prefix was made up for this run: whatever is under it is ours
    Raises redis.RedisError from every question that the server does not answer.
    """

    def __init__(self, settings: Settings, *, is_own: bool) -> None:
        self.prefix = settings.prefix
        self._settings = settings
        self._is_own = is_own
        self.redis = connect(settings)

    def check(self) -> None:
        """Raises StoreError when the server does not serve us, ConfigError when the prefix is in use."""
        with Console(self._settings) as console:
            assert console.keys  # asks the server; says what is wrong better than the plain client
        held = []
        for key in self._scan(f"{_escaped(self.prefix)}:*"):
            held.append(key)
            if len(held) > _NAMED:
                break
        if held:
            names = ", ".join(held[:_NAMED]) + (" …" if len(held) > _NAMED else "")
            raise ConfigError(
                f"the prefix {self.prefix!r} holds keys already ({names}). The torture needs a namespace of its own "
                "and removes it afterwards: give another --prefix, or none"
            )

    def claim(self, app: Resque) -> None:
        """Mark the namespace as ours, as the first process of Resque does. Raises StoreError."""
        self._keys = app.client.keys()

    # how far it is -----------------------------------------------------------------------------------------------

    def state(self) -> State:
        """In two trips: what moves between them may be seen twice, or nowhere; ask again before you believe it."""
        look = self.redis.pipeline(transaction=False)
        for queue in QUEUES:
            look.zrange(self._keys.leases(queue), 0, -1)
        held = [
            self._keys.inflight(queue, member.decode())
            for queue, members in zip(QUEUES, look.execute(), strict=True)
            for member in members
        ]
        look = self.redis.pipeline(transaction=True)
        look.mget(self._keys.stat("processed"), self._keys.stat("failed"))
        for key in (*(self._keys.queue(queue) for queue in QUEUES), *held):
            look.llen(key)
        (processed, failed), *lengths = look.execute()
        return State(int(processed or 0), int(failed or 0), sum(lengths[: len(QUEUES)]), sum(lengths[len(QUEUES) :]))

    def worker_pids(self) -> set[int]:
        """The process ids of all registered workers."""
        return {int(id.split(b":")[1]) for id in self.redis.smembers(self._keys.workers())}

    def held(self, pids: Collection[int]) -> tuple[str, ...]:
        """The ids of the jobs that these worker processes have in flight."""
        ids = [id.decode() for id in self.redis.smembers(self._keys.workers())]
        look = self.redis.pipeline(transaction=False)
        for id in ids:
            host, pid, _ = id.split(":", 2)
            for queue in QUEUES if int(pid) in pids else ():
                look.lrange(self._keys.inflight(queue, f"{host}:{pid}"), 0, -1)
        return tuple(_id_of(payload) for payloads in look.execute() for payload in payloads)

    # the end -----------------------------------------------------------------------------------------------------

    def left(self) -> list[str]:
        """The ids of all that waits or is in flight, an entry each. For when every process has ended."""
        lists = [*(self._keys.queue(queue) for queue in QUEUES), *(self._keys.oversize(queue) for queue in QUEUES)]
        lists += self._scan(f"{_escaped(self.prefix)}:inflight:*")
        return [_id_of(payload) for key in lists for payload in self._whole(key)]

    def failures(self) -> list[FailedJob]:
        """All failure records."""
        records = (msgspec.json.decode(each, type=_Record) for each in self._whole(self._keys.failed()))
        return [FailedJob(each.id or "?", each.exception, each.error) for each in records]

    def remove(self) -> Removed:
        """Remove the namespace: all of it if the prefix is our own, else the keys that Resque writes."""
        found = list(self._scan(f"{_escaped(self.prefix)}:*"))
        start = len(self.prefix) + 1
        ours = [key for key in found if self._is_own or _FORMS.fullmatch(key[start:])]
        for first in range(0, len(ours), _WINDOW):
            self.redis.unlink(*ours[first : first + _WINDOW])
        return Removed(len(set(ours)), sorted(set(found) - set(ours)))

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()

    def _whole(self, key: str) -> Iterator[bytes]:
        """A list, window by window: no reply is large."""
        start = 0
        while entries := self.redis.lrange(key, start, start + _WINDOW - 1):
            yield from entries
            start += len(entries)

    def _scan(self, pattern: str) -> Iterator[str]:
        for key in self.redis.scan_iter(match=pattern, count=_A_STEP):
            yield key.decode("utf-8", "surrogateescape")


def connect(settings: Settings) -> Any:
    """A client without repeats. Raises Unreachable for a URL that it cannot read."""
    options: dict[str, Any] = {}
    if settings.redis_url.startswith("rediss://"):
        options = {
            "ssl_cert_reqs": "required" if settings.tls_verify else "none",
            "ssl_check_hostname": settings.tls_verify,
            "ssl_ca_certs": settings.tls_ca_file,
        }
    try:
        return redis.Redis.from_url(
            settings.redis_url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            **options,
        )
    except ValueError as error:
        raise Unreachable(f"the URL cannot be read: {error}", sent=False) from None


def risks(client: Any) -> list[str]:
    """Settings of the server with which it may lose or refuse jobs by itself. By INFO, which everybody may ask."""
    try:
        facts = client.info()
    except redis.ResponseError as error:
        return [f"the server does not let us see its settings ({error})"]
    found = []
    if not facts.get("aof_enabled"):
        found.append("appendonly is off: a server that crashes loses all since its last snapshot (appendonly yes)")
    elif _asked(client, "appendfsync") == "no":
        found.append("appendfsync is no: a power cut loses what the system had not written yet (everysec, or always)")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        when = "" if facts.get("maxmemory") else ", once maxmemory is set"
        found.append(f"maxmemory-policy is {policy}: a full server evicts keys, and jobs with them{when} (noeviction)")
    if facts.get("role") == "slave":
        found.append("this server is a replica")
    return found


def version(client: Any) -> str:
    """What the server says it is: "valkey 9.1.0"."""
    facts: dict[str, Any] = client.info("server")
    if "valkey_version" in facts:  # it reports a redis_version for old clients, too
        return f"valkey {facts['valkey_version']}"
    return f"redis {facts.get('redis_version', '?')}"


def _asked(client: Any, name: str) -> str | None:
    """A setting; None where the server does not tell (managed servers do not)."""
    try:
        answer: dict[str, str] = client.config_get(name)
    except redis.ResponseError:
        return None
    return answer.get(name)


def _id_of(payload: bytes) -> str:
    try:
        return msgspec.json.decode(payload, type=_Payload).meta.id
    except msgspec.DecodeError:
        return "?"


def _escaped(text: str) -> str:
    return _GLOB.sub(r"\\\1", text)


def shown(settings: Settings) -> str:
    """Where the server is, for people: without user and password."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
