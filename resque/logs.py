"""Log lines: the subscriber of events that writes them, as text or as JSON, one event one line.

May be in here: the level of each event, the words for the operator at 3 a.m., escaping. May not: deciding or emitting
anything.

    2026-11-24T03:42:25Z WARN  job.failed id=0193 queue=mail error="ValueError: no such user" - it is in the failed …

Whatever is in the data, a line stays one line and harmless in a terminal. Arguments of jobs are never logged: whoever
may read logs may not read what the jobs are about.
"""

import json
import math
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from resque import clock, events
from resque.config import Settings
from resque.errors import ToldError
from resque.events import Events

LEVELS: Final = ("debug", "info", "warning", "error")

EVENTS: Final[dict[str, tuple[str, str]]] = {
    # event: (level, what happened, what happens next, what to do)
    "job.enqueued": ("debug", ""),
    "job.finished": ("debug", ""),
    "job.released": ("debug", "back at the front of the queue; nothing to do"),
    "job.failed": (
        "warning",
        "it is in the failed list and is not tried again by itself; see why: resque failed show {id}; "
        "once mended: resque failed retry {id}",
    ),
    "job.crashed": (
        "warning",
        "it is tried again, and goes to failed when its process dies under it for the third time; look for memory, "
        "native code and os._exit in this job",
    ),
    "settings.risky": ("warning", "it works; change the setting when you can"),
    "supervisor.reloading": ("info", "fresh processes take the new code; the old ones let their jobs end"),
    "job.lease_lost": (
        "warning",
        "this worker was cut off for longer than its lease and somebody else has these jobs: they may run twice, our "
        "result is not counted; look for pauses of this machine or of the network, or make the lease longer",
    ),
    "job.recovered": (
        "warning",
        "the jobs of a worker that is gone are back in their queue (one that keeps killing its worker goes to failed); "
        "look why the worker died: memory, deploy, host",
    ),
    "worker.started": ("info", "it takes jobs now"),
    "worker.draining": ("info", "it takes no new jobs and lets the running ones end; a second signal ends it at once"),
    "worker.stopped": ("info", "it has left; nothing is left in its hands"),
    "worker.ordered": ("info", "it obeys now"),
    "commands.deaf": ("warning", "tried again; until then 'resque workers quiet|stop|kill' is not heard by this host"),
    "worker.killed": ("error", "that job is in failed, its neighbours go back unblamed; a new process takes its place"),
    "worker.died": (
        "error",
        "its jobs go back to their queues and a new process takes its place; if this comes again, look for memory "
        "limits (dmesg) and at the job that ran",
    ),
    "worker.recycled": ("info", "it lets its running jobs end and leaves; a fresh process takes its place at once"),
    "worker.cannot_fork": (
        "error",
        "no job is started for a while, those in hand are back in their queue; this machine or container has no "
        "process or memory left: look at ulimit -u, pids.max and free memory",
    ),
    "worker.forks_with_threads": (
        "warning",
        "an imported module has started threads: a child of a process with threads may hang in a lock that one of them "
        "held; start them in the job instead, or work without --fork",
    ),
    "worker.strays_killed": (
        "warning",
        "a job left processes behind that had cut themselves off from it; with --fork nothing outlives its job",
    ),
    "worker.pruned": ("info", "it had shown no sign of life for long and left the list of workers; nothing to do"),
    "worker.rereading": ("warning", "its list in Redis and its memory differed; it goes on by the list; nothing to do"),
    "store.lost": (
        "error",
        "running jobs go on and are settled later; trying again in {wait} s, for ever; check that Redis is up and can "
        "be reached from this host",
    ),
    "store.back": ("info", "connected again; work goes on"),
    "supervisor.started": ("info", "it starts the worker processes"),
    "supervisor.stopping": ("info", "workers finish what they have; the same signal again ends them at once"),
    "supervisor.stopped": ("info", "all its processes have ended"),
    "lease.renewal_failed": (
        "error",
        "tried again at once; if it lasts longer than the lease, other hosts take these jobs over and they run twice; "
        "check that Redis can be reached from this host",
    ),
    "hook.failed": ("error", "the job goes on as if it had no such hook; mend the hook"),
    "job.retried": ("warning", "it runs again in {delay} s by itself; after its last attempt it goes to failed"),
    "job.dropped": ("info", "it is gone, and counted; nothing to do"),
    "job.deduplicated": ("debug", "the first one stands for both; nothing to do"),
    "job.promoted": ("debug", "they wait in their queue now"),
    "cron.fired": ("info", "it waits in its queue now"),
    "loop.blocked": (
        "warning",
        "an async job works or waits without await, and all other async jobs of this process wait for it: await that, "
        "hand it to asyncio.to_thread, or make the job a plain def",
    ),
    "loop.failed": ("error", "this duty is tried again by itself, later and later; if it goes on, the error says why"),
    "audit.repaired": ("warning", "something was missing in Redis and is back; look who deletes keys (resque:*)"),
    "queue.trouble": (
        "error",
        "this queue is left alone for a while, the others are served; the error says what is wrong with its key",
    ),
}
"""Every event that is logged. {names} in the words are the event's data."""

_NEVER: Final = frozenset(("args", "kwargs", "payload", "raw"))
_LONGEST: Final = 2000
_PLACE: Final = re.compile(r"\{(\w+)\}")
_PASTABLE: Final = re.compile(r"[0-9A-Za-z_.~:][0-9A-Za-z_.~:-]*")
_SHORT: Final = {"debug": "DEBUG", "info": "INFO ", "warning": "WARN ", "error": "ERROR"}
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}

Line = Callable[[str, str, dict[str, Any], str], str]


def setup(settings: Settings, stream: TextIO | None = None, source: Events = events.default) -> Callable[[], None]:
    """Write the events of `source` at `settings.log_level` and above to `stream` (None: stderr). Returns what ends it.

    Only names whose level is enabled are subscribed, so that at level info a job that finishes costs nothing.
    """
    line = json_line if settings.log_format == "json" else text_line
    least = LEVELS.index(settings.log_level)

    def write(name: str, data: dict[str, Any]) -> None:
        level, words = EVENTS[name]
        text = line(level, name, data, words)
        target = stream or sys.stderr
        try:
            target.write(text + "\n")
            target.flush()
        except (OSError, ValueError):  # a full disk or a closed pipe: no line is worth a worker
            return

    wanted = [name for name, (level, _) in EVENTS.items() if LEVELS.index(level) >= least]
    ends = [source.subscribe(name, write) for name in wanted]

    def end() -> None:
        for each in ends:
            each()

    return end


def text_line(level: str, name: str, data: dict[str, Any], words: str) -> str:
    """One event as `time LEVEL name key=value … - words`, without the end of line."""
    values = {key: _raw(value) for key, value in data.items() if key not in _NEVER}
    parts = [_now(), _SHORT[level], name, *(f"{printable(key)}={_quoted(value)}" for key, value in values.items())]
    filled = _filled(words, values)
    return " ".join([*parts, "-", filled] if filled else parts)


def json_line(level: str, name: str, data: dict[str, Any], words: str) -> str:
    """One event as a JSON object: time, level, event, the data, message."""
    values = {key: _value(value) for key, value in data.items() if key not in _NEVER}
    filled = _filled(words, {key: _raw(value) for key, value in values.items()})
    ours = {"time": _now(), "level": level, "event": name}
    return _json({**ours, **values, **ours, "message": filled})


def printable(text: str) -> str:
    """`text` with everything escaped that is no visible character: control, ANSI, bidi, lone surrogates, line ends.

    >>> printable("red \\x1b[31m")
    'red \\\\e[31m'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    number = ord(character)
    short = _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")
    return short if number < 0x10000 else f"\\U{number:08x}"


def _now() -> str:
    return datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _value(value: Any) -> Any:
    """A value of JSON, or text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 6)
    return printable(_raw(value))


def _raw(value: Any) -> str:
    """A value as text, cut. Never raises: an exception of a job may have a __str__ that does."""
    try:
        if isinstance(value, BaseException):
            kind = value.kind if isinstance(value, ToldError) else type(value).__name__
            text = f"{kind}: {value}" if str(value) else kind
        elif isinstance(value, float):
            text = f"{value:.3f}"
        elif isinstance(value, list | tuple | set | frozenset):
            text = ",".join(str(each) for each in value)
        else:
            text = str(value)
    except Exception as error:
        text = f"{type(value).__name__} (its text raised {type(error).__name__})"
    return text[:_LONGEST] + "…" if len(text) > _LONGEST else text


def _quoted(value: str) -> str:
    """Bare if that cannot be misread, else in quotes, where a backslash always begins an escape."""
    if value and value.isprintable() and not any(sign in value for sign in ' "=\\'):
        return value
    return '"' + printable(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _filled(words: str, values: dict[str, str]) -> str:
    """The words with the data in them. People paste these commands into a shell: a strange id stays out of them."""

    def fill(found: re.Match[str]) -> str:
        value = values.get(found[1], "")
        return value if _PASTABLE.fullmatch(value) else found[1].upper()

    return _PLACE.sub(fill, words)


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
