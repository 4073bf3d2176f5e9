"""One parser for every length of time and every size that a person writes.

May be in here: text, number or timedelta -> seconds; text or number -> bytes. May not: defaults, clocks.
"""

import math
import re
from datetime import timedelta

Duration = int | float | str | timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZES = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_SIZE = re.compile(r"(\d+)([KMG]?)(?:i?B)?", re.IGNORECASE)


def seconds(value: Duration) -> float:
    """How many seconds `value` is: a number of seconds, "90s", "5m", "1h30m", "500ms", "2d", or a timedelta.

    Raises ValueError for anything else, for a negative length, and for NaN and infinity.

    >>> seconds("1h30m")
    5400.0
    """
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, bool):
        raise ValueError(_hint(value))
    elif isinstance(value, int | float):
        result = float(value)
    else:
        result = _parse(value)
    if not math.isfinite(result) or result < 0:
        raise ValueError(_hint(value))
    return result


def size(value: int | str) -> int:
    """How many bytes `value` is: a number, or "512K", "256M", "1G" (powers of 1024). Raises ValueError.

    >>> size("256K")
    262144
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no size; write a number of bytes, or for example '512K', '256M', '1G'")
    return int(found[1]) * _SIZES[found[2].upper()]


def _parse(text: str) -> float:
    stripped = text.strip() if isinstance(text, str) else ""
    parts = _PART.findall(stripped)
    if parts and "".join(number + unit for number, unit in parts) == stripped:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(stripped)
    except ValueError:
        raise ValueError(_hint(text)) from None


def _hint(value: object) -> str:
    return f"{value!r} is no length of time; write seconds (30), or for example '30s', '5m', '1h30m'"
