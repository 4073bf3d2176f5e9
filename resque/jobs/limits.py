"""Limits: what a job's process may use of the machine.

May be in here: the names of limits, what they mean, whether a value makes sense. May not: applying them
(worker/privileges.py), wall-clock time.
"""

import math
from dataclasses import dataclass, fields

from resque import durations
from resque.durations import Duration
from resque.errors import ConfigError

_LEAST_MEMORY = 16 * 1024**2
_LEAST_FILES = 8
_MOST = 2**62
"""Above this the kernel reads a number as "no limit"."""
_UNITS = {"G": 1024**3, "M": 1024**2, "K": 1024}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Limits:
    """What the process of a job may use; what is not said is not limited. Raises ConfigError for a useless value.

    >>> Limits(memory="512M", cpu="60s")
    Limits(memory='512M', cpu='60s')
    >>> Limits(memory="512M").memory
    536870912
    """

    memory: int | None
    """Bytes of address space (not of resident memory): the interpreter, its modules and the stacks of threads count."""
    cpu: int | None
    """Whole seconds of processor time of all threads together, since the process began; waiting costs nothing."""
    files: int | None
    """Open files, sockets and pipes, with those that the process began with."""
    file_size: int | None
    """Bytes up to which it may write any one file, also a log file that was long before."""
    processes: int | None
    """Processes and threads of its *user* on this machine, whoever started them. The kernel exempts root."""

    def __init__(
        self,
        *,
        memory: int | str | None = None,
        cpu: Duration | None = None,
        files: int | None = None,
        file_size: int | str | None = None,
        processes: int | None = None,
    ) -> None:
        put = object.__setattr__  # frozen
        put(self, "memory", _size("memory", memory, _LEAST_MEMORY, "'512M'"))
        put(self, "cpu", _seconds(cpu))
        put(self, "files", _count("files", files, _LEAST_FILES, 256))
        put(self, "file_size", _size("file_size", file_size, 0, "'1G'"))
        put(self, "processes", _count("processes", processes, 1, 64))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return self == Limits()

    def __repr__(self) -> str:
        """As it would be written, without what is not limited."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        written = [f"{name}={_written(name, value)}" for name, value in values.items() if value is not None]
        return f"Limits({', '.join(written)})"


def _size(name: str, value: int | str | None, least: int, example: str) -> int | None:
    if value is None:
        return None
    try:
        size = durations.size(value)
    except ValueError as error:
        raise ConfigError(f"limit {name}: {error}") from None
    if size < least:
        raise ConfigError(
            f"limit {name}: {value!r} is {size} bytes, and no job can start with less than {_short(least)}; "
            f"write for example {example}"
        )
    return _bounded(name, size)


def _seconds(value: Duration | None) -> int | None:
    if value is None:
        return None
    try:
        seconds = durations.seconds(value)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"limit cpu: {error}") from None
    if seconds < 1:
        raise ConfigError(
            f"limit cpu: {value!r} is too short, the kernel counts whole seconds; write '1s' or more, for example '60s'"
        )
    return _bounded("cpu", math.ceil(seconds))


def _count(name: str, value: int | None, least: int, example: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(
            f"limit {name}: {value!r} must be a whole number of at least {least}; write for example {example}"
        )
    return _bounded(name, value)


def _bounded(name: str, value: int) -> int:
    if value > _MOST:
        raise ConfigError(f"limit {name}: {value} is more than any machine has; leave it out for no limit")
    return value


def _written(name: str, value: int) -> str:
    if name in ("memory", "file_size"):
        return repr(_short(value))
    return repr(f"{value}s") if name == "cpu" else str(value)


def _short(size: int) -> str:
    for unit, factor in _UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
