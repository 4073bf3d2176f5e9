"""Settings: one frozen object, three sources, and the only reader of the environment.

May be in here: names, defaults, where a value comes from, whether it makes sense. May not: connections, jobs,
anything that acts on more than the environment.

Order, later wins: defaults < `[tool.resque]` in pyproject.toml or resque.toml (in the current folder or above) <
environment `RESQUE_<NAME>` < arguments (and flags). `None` means "not set", never a value.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self, get_args

from resque import durations
from resque.errors import ConfigError

Wire = Literal["native", "ruby"]
OnLeaseLost = Literal["continue", "kill"]
LogFormat = Literal["text", "json"]

_FILE_ONLY = {"cron"}
_DURATIONS = {"connect_timeout", "socket_timeout", "lease", "poll", "drain", "grace"}
_SIZES = {"max_payload", "max_rss"}
_LISTS = {"app", "keep_env"}

_NO_FILE = "no file"
_PLAIN = ("PATH", "HOME", "LANG", "LC_*", "TZ", "USER", "LOGNAME", "PYTHON*")
_SECRET = ("*PASSWORD*", "*SECRET*", "*TOKEN*", "*KEY*", "RESQUE_*", "*_URL")


@dataclass(frozen=True, slots=True)
class CronTables:
    """The tables `[tool.resque.cron.<name>]` of a settings file, by name, as they are: jobs/schedules.py reads them."""

    by_name: Mapping[str, Any] = field(default_factory=dict, hash=False)
    file: str = field(default="", compare=False)
    """Where they stand; "" = there is no settings file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, with its default. Lengths of time are seconds here; text such as "5m" is taken by `load`."""

    redis_url: str = field(default="redis://localhost:6379/0", repr=False)
    """Where Redis is: redis://, rediss:// (TLS, verified) or unix://. Not in the repr: it may hold a password."""
    prefix: str = "resque"
    """Every key starts with this and a colon."""
    wire: Wire | None = None
    """Which end of the list is the front. None: what the namespace's marker says; a new namespace becomes native."""
    protocol: int = 2
    """RESP version, 2 or 3."""
    connect_timeout: float = 1.0
    socket_timeout: float = 2.0
    """How long one command may take before the connection is given up."""
    tls_verify: bool = True
    """False turns the check of certificate and host name off: for tests only."""
    tls_ca_file: str | None = None
    app: tuple[str, ...] = ()
    """Modules that define the jobs; a worker imports them and nothing else."""
    queues: str = "default"
    """What a worker serves: "critical,mail:3,default:1", "*", "mail*,!mail_slow"."""
    processes: int = 1
    concurrency: int = 1
    """How many jobs run at once in one worker process: threads (the first is its main thread), async tasks, or with
    `fork` processes."""
    fork: bool = False
    """A process for each job: leaks and limits end with the job."""
    preload: bool = False
    """Import the application once, before the worker processes are made, so that they share its memory."""
    burst: bool = False
    """End when all queues are empty."""
    max_jobs: int = 0
    """Replace a worker process after at most so many jobs; 0 = never. Jittered, so that not all leave at once."""
    max_rss: int = 0
    """Replace a worker process that takes more memory than this, in bytes; 0 = never. Jittered, too."""
    user: str | None = None
    group: str | None = None
    """Whom the worker processes become, when they are started as root."""
    scrub_env: bool = False
    """With `fork`: jobs see of the environment only what every program needs, and what `keep_env` names."""
    keep_env: tuple[str, ...] = ()
    on_lease_lost: OnLeaseLost = "continue"
    """When leases cannot be renewed for three quarters of their length: "continue" (while Redis is down nobody else can
    take the jobs either), or "kill", for jobs that must never overlap."""
    lease: float = 20.0
    """How long the jobs of a vanished host stay reserved. Renewed every quarter of it."""
    poll: float = 0.5
    """How often queues are looked at that cannot be waited on (more than 16, or patterns)."""
    drain: float = 25.0
    """How long running jobs may go on after TERM before they are released."""
    grace: float = 5.0
    """How long a job may go on after its timeout before its process is killed."""
    max_payload: int = 256 * 1024
    """The largest job that may be enqueued, in bytes."""
    log_level: str = "info"
    log_format: LogFormat = "text"
    cron: CronTables = CronTables()
    """Jobs that run again and again. In the file only: `[tool.resque.cron.<name>]`."""

    @classmethod
    def load(cls, folder: Path | None = None, **arguments: Any) -> Self:
        """Merge defaults, file, environment and arguments. Raises ConfigError that names the source of a bad value."""
        file, written = _from_file(folder or Path.cwd())
        tables = written.pop("cron", {})
        merged: dict[str, Any] = {}
        for source, values in ((file, written), _from_environment(), ("argument", arguments)):
            for name, value in values.items():
                if value is not None:
                    merged[name] = _convert(name, value, source)
        merged["cron"] = _cron_tables(tables, file)
        settings = cls(**merged)
        settings.validate()
        return settings

    def validate(self) -> None:
        """Raise ConfigError for the first value that cannot work."""
        if self.redis_url.split("://", 1)[0] not in ("redis", "rediss", "unix"):
            raise ConfigError("redis_url must start with redis://, rediss:// or unix://")
        if self.protocol not in (2, 3):
            raise ConfigError(f"protocol must be 2 or 3, not {self.protocol}")
        if self.wire not in (None, *get_args(Wire)):
            raise ConfigError(f"wire must be 'native' or 'ruby', not {self.wire!r}")
        if self.log_format not in get_args(LogFormat):
            raise ConfigError(f"log_format must be 'text' or 'json', not {self.log_format!r}")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise ConfigError(f"log_level must be debug, info, warning or error, not {self.log_level!r}")
        if not self.prefix or any(bad in self.prefix for bad in "{}*?[] \n"):
            raise ConfigError(
                f"prefix {self.prefix!r} must be non-empty and without braces, blanks and glob characters"
            )
        if self.on_lease_lost not in get_args(OnLeaseLost):
            raise ConfigError(f"on_lease_lost must be 'continue' or 'kill', not {self.on_lease_lost!r}")
        if self.group is not None and self.user is None:
            raise ConfigError("group goes with user: say whom the workers become")
        for name in ("processes", "concurrency", "max_payload"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("max_jobs", "max_rss", "drain", "grace"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be below 0")
        for name in ("connect_timeout", "socket_timeout", "lease", "poll"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0 seconds")

    def check(self) -> list[str]:
        """Warnings: settings that work but that an operator will regret."""
        warnings = []
        if self.redis_url.startswith("rediss://") and not self.tls_verify:
            warnings.append("tls_verify is off: anybody between us and Redis can read and forge jobs")
        if self.lease < 10:
            warnings.append(f"lease is {self.lease:g} s: a pause that long makes running jobs run twice")
        if self.scrub_env and not self.fork:
            warnings.append("scrub_env has no effect without fork: jobs share the worker's environment")
        return warnings


def environment(name: str) -> str | None:
    """One variable of the environment that is no setting of ours (NO_COLOR, CI …)."""
    return os.environ.get(name)


def scrubbed(environment: Mapping[str, str], keep: Sequence[str] = ()) -> dict[str, str]:
    """What the process of a job may see of `environment`: what every program needs, and what `keep` adds.

    `keep` holds names and patterns. A name that looks like a secret is kept only where it is written out: a pattern
    that was meant for settings must not let a password through.

    >>> scrubbed({"PATH": "/bin", "SHOP_MODE": "eu", "SHOP_TOKEN": "t", "DSN": "d"}, keep=["SHOP_*"])
    {'PATH': '/bin', 'SHOP_MODE': 'eu'}
    """
    return {name: value for name, value in environment.items() if name in keep or _is_plain(name, keep)}


def environment_scrub(keep: Sequence[str] = ()) -> None:
    """Take from this process's environment what `scrubbed` would not show. For the process of a job, after its fork.

    It protects against code that prints, reports or passes on its environment, not against code that searches memory:
    a forked process holds copies of what its parent held.
    """
    left = scrubbed(os.environ, keep)
    for name in set(os.environ).difference(left):
        del os.environ[name]


def _is_plain(name: str, keep: Sequence[str]) -> bool:
    if any(fnmatchcase(name.upper(), pattern) for pattern in _SECRET):
        return False
    return any(fnmatchcase(name, pattern) for pattern in (*_PLAIN, *keep))


def _from_environment() -> tuple[str, dict[str, Any]]:
    names = {field.name for field in fields(Settings)}
    values = {}
    for key, value in os.environ.items():
        name = key.removeprefix("RESQUE_").lower()
        if key.startswith("RESQUE_") and name in names and value != "":
            values[name] = value
    return "environment", values


def _from_file(folder: Path) -> tuple[str, dict[str, Any]]:
    for directory in (folder, *folder.parents):
        own, project = directory / "resque.toml", directory / "pyproject.toml"
        if own.is_file():
            return str(own), dict(_read_toml(own))
        if project.is_file():
            table = _read_toml(project).get("tool", {}).get("resque", {})
            return str(project), dict(table)
    return _NO_FILE, {}


def _cron_tables(tables: Any, file: str) -> CronTables:
    for name, table in tables.items() if isinstance(tables, Mapping) else [("<name>", None)]:
        if not isinstance(table, Mapping):
            raise ConfigError(
                f"{file}: cron must hold a table for each entry: [tool.resque.cron.{name}] in pyproject.toml, "
                f"[cron.{name}] in resque.toml"
            )
    return CronTables(tables, "" if file == _NO_FILE else file)


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _convert(name: str, value: Any, source: str) -> Any:
    known = {field.name: field.type for field in fields(Settings)}
    if name not in known:
        raise ConfigError(f"{source}: there is no setting {name!r}; known are {', '.join(sorted(known))}")
    if name in _FILE_ONLY:
        raise ConfigError(f"{source}: {name} is written in the settings file only, as [tool.resque.{name}.<name>]")
    try:
        if name in _DURATIONS:
            return durations.seconds(value)
        if name in _SIZES:
            return durations.size(value)
        if name in _LISTS:
            return _words(value)
        if known[name] is int:
            return _integer(value)
        if known[name] is bool:
            return _boolean(value)
        if not isinstance(value, str):
            raise ValueError(f"{value!r} must be text")
        return value
    except ValueError as error:
        raise ConfigError(f"{source}: {name}: {error}") from None


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, list | tuple):
        return tuple(str(word) for word in value)
    raise ValueError(f"{value!r} must be a comma list, or a list of names")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    raise ValueError(f"{value!r} must be a whole number")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError(f"{value!r} must be true or false")
