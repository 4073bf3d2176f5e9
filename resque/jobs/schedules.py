"""Schedules: the entries of cron, what each says, and how it is written and read.

May be in here: an entry, checked whole whenever one is made; entries as JSON and from the settings file. May not: ticks
(cron.py), how a job asks for an entry (periodic.py), Redis, clocks, who fires.

An entry is made in code (`@cron`), in the settings file (`[tool.resque.cron.<name>]`), or by hand in Redis. Whatever is
wrong with one is a ConfigError that begins with its name.
"""

import difflib
import math
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from resque.config import CronTables
from resque.errors import ConfigError, JobError
from resque.jobs.cron import MissedTicks, Schedule
from resque.jobs.options import check_queue_name
from resque.payload import codec
from resque.payload.payload import Meta

MAX_BYTES = 64 * 1024
"""Of the job that an entry makes."""
MAX_DESCRIPTION = 1000
"""Characters."""

_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.:#\-]{0,219}")
_LONGEST_JSON = MAX_BYTES * 2
_ID = "0" * 36
_TABLE = ("class", "args", "kwargs", "queue", "cron", "every", "tz", "missed", "description")
_END = 253_402_300_799.0  # what a datetime can hold


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A job that is to run again and again. Raises ConfigError when it could not.

    name: of the entry. job: its wire name. queue, args, kwargs: as it is enqueued, arguments in their JSON form.
    cron and tz, or every (seconds): when. missed: what becomes of missed ticks, "skip", "once" or "all".
    source: who has declared it, "code:<modules>" or "file:<modules>".
    since: no tick before it is due (seconds since 1970): an entry begins when it is stored for the first time.
    expires, deadline: the job's own, in seconds from when it is enqueued.

    >>> Entry("nightly", "Report", "reports", cron="0 6 * * mon-fri", tz="Europe/Berlin").schedule().explain()
    'At 06:00 on Monday through Friday (Europe/Berlin)'
    """

    name: str
    job: str = msgspec.field(name="class")
    queue: str
    args: list[Any] = msgspec.field(default_factory=list)
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    cron: str | None = None
    tz: str = "UTC"
    every: int | None = None
    missed: MissedTicks = "skip"
    description: str = ""
    source: str = ""
    since: float = 0.0
    expires: float | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        try:
            check_queue_name(self.queue)
            args, kwargs = _as_json(self)
        except JobError as error:
            raise ConfigError(f"cron entry {self.name!r}: {error}") from None
        msgspec.structs.force_setattr(self, "args", args)
        msgspec.structs.force_setattr(self, "kwargs", kwargs)
        for wrong in _wrong(self):
            raise ConfigError(f"cron entry {self.name!r}: {wrong}")
        self.schedule()

    def schedule(self) -> Schedule:
        """When it ticks. Made anew each time: keep it."""
        return schedule_of(self.name, self.cron, self.tz, self.every)

    def changed(self, **values: Any) -> "Entry":
        """A copy with other values, checked again.

        >>> Entry("hourly", "Report", "reports", cron="@hourly").changed(since=5.0).since
        5.0
        """
        return msgspec.structs.replace(self, **values)

    def says_the_same(self, other: "Entry") -> bool:
        """Whether both mean the same, whoever has declared them and when."""
        return write(self.changed(source="", since=0.0)) == write(other.changed(source="", since=0.0))


def write(entry: Entry) -> bytes:
    """The JSON of an entry."""
    return msgspec.json.encode(entry)


def read(name: str, raw: bytes | str) -> Entry:
    """The entry of this name from its JSON. Raises ConfigError, whatever the bytes, nothing else."""
    if len(raw) > _LONGEST_JSON:
        raise ConfigError(f"cron entry {name[:220]!r}: it has {len(raw)} bytes, more than {_LONGEST_JSON}")
    try:
        entry = msgspec.json.decode(raw, type=Entry)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise ConfigError(f"cron entry {name[:220]!r} cannot be read: {str(error)[:200]}") from None
    if entry.name != name:
        raise ConfigError(f"cron entry {name[:220]!r} calls itself {entry.name!r}")
    return entry


def from_table(name: str, table: object, source: str = "") -> Entry:
    """The entry that a table `[tool.resque.cron.<name>]` describes. Raises ConfigError.

    >>> from_table("nightly", {"class": "Report", "queue": "reports", "every": "1d"}).every
    86400
    """
    _check_name(name)
    if not isinstance(table, Mapping):
        raise ConfigError(f"cron entry {name!r} must be a table: [tool.resque.cron.{name}], then class = '...'")
    for key in table:
        if key not in _TABLE:
            close = difflib.get_close_matches(str(key), _TABLE, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(_TABLE)}"
            raise ConfigError(f"cron entry {name!r}: there is no {key!r}; {hint}")
    for key, example in (("class", "ProcessOrderJob"), ("queue", "order_processing")):
        if key not in table:
            raise ConfigError(f"cron entry {name!r} needs {key}; write for example {key} = {example!r}")
    found = schedule_of(name, table.get("cron"), table.get("tz"), table.get("every"))
    same = {key: table[key] for key in ("queue", "args", "kwargs", "missed", "description") if key in table}
    return Entry(
        name=name, job=table["class"], cron=found.expression, tz=found.tz, every=found.every, source=source, **same
    )


def from_tables(tables: CronTables, source: str = "") -> list[Entry]:
    """All entries of a settings file. Raises ConfigError, which names the file and the entry."""
    try:
        return [from_table(name, table, source) for name, table in tables.by_name.items()]
    except ConfigError as error:
        raise ConfigError(f"{tables.file}: {error}") from None


def schedule_of(name: str, cron: Any, tz: Any, every: Any) -> Schedule:
    """The schedule of the entry `name`. Raises ConfigError."""
    try:
        return Schedule(cron, tz=tz, every=every)
    except ConfigError as error:
        raise ConfigError(f"cron entry {name!r}: {error}") from None


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name)[:240]
        raise ConfigError(f"{shown} cannot name a cron entry: letters, digits and _ . : # -, 220 characters at most")


def _as_json(entry: Entry) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as they will come out of the payload. Raises JobError."""
    if not isinstance(entry.args, list | tuple) or not isinstance(entry.kwargs, Mapping):
        raise JobError("args must be a list and kwargs a table, for example args = [123] and kwargs = {express = true}")
    if not isinstance(entry.job, str):
        raise JobError(f"class must be the name of a job, not {entry.job!r}")
    raw = codec.encode(entry.job, entry.args, dict(entry.kwargs), Meta(_ID, entry.queue, 0.0), limit=MAX_BYTES)
    payload = codec.decode(raw)
    return payload.args, payload.kwargs


def _wrong(entry: Entry) -> list[str]:
    """What cannot be in the rest."""
    found = []
    if entry.missed not in get_args(MissedTicks):
        found.append(f"missed must be 'skip', 'once' or 'all', not {entry.missed!r}")
    for name, most in (("description", MAX_DESCRIPTION), ("source", 2000)):
        text = getattr(entry, name)
        if not isinstance(text, str) or len(text) > most:
            found.append(f"{name} must be text of at most {most} characters")
    if not (isinstance(entry.since, int | float) and math.isfinite(entry.since) and 0 <= entry.since <= _END):
        found.append(f"since must be seconds since 1970, not {entry.since!r}")
    for name in ("expires", "deadline"):
        value = getattr(entry, name)
        if value is not None and not (isinstance(value, int | float) and 0 < value <= _END):
            found.append(f"{name} must be above 0 seconds, not {value!r}")
    return found
