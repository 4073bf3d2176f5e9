"""Cron: a schedule that somebody wrote -> the moments at which it ticks, and which of them to fire now.

May be in here: reading cron lines, intervals and names of time zones; ticks; what is due. May not: Redis, clocks (the
moment comes in), jobs, who fires a tick. Fields are matched by `cronsim`, on the wall clock and without any zone; what
happens when clocks are changed is decided here, because cron lines with seconds and zones that move by half an hour
are otherwise wrong in part.

A tick is a whole number of seconds since 1970, the same on every host. So (schedule, tick) names it.

When clocks go forward an hour of the wall clock is missing, when they go back one comes twice. Cron's old rule holds:
what is to happen at a time happens once, what is to happen every so often goes on doing so.

    field hour         field minute       the missing hour                  the hour that comes twice
    2, 1-5, 6,18       30, 0,15           once, at the moment of change     the first time only
    2, 1-5, 6,18       *, */10            once, at the moment of change     both times
    *, */2             any                not at all                        both times

So "30 2 * * *" fires exactly once on each day of the year, and "*/30 * * * *" each real half hour.
"""

import difflib
import functools
import math
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

from cronsim import CronSim, CronSimError

from resque.durations import Duration
from resque.errors import ConfigError
from resque.jobs.retry import span

MissedTicks = Literal["skip", "once", "all"]

MAX_LENGTH = 200
"""Characters of a cron line."""
GRACE = 60.0
"""Seconds. A tick that is at most so late has not been missed."""

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = {
    "second": "0-59, for example 0 or */10",
    "minute": "0-59, for example 0, */5, 10-20 or 0,30",
    "hour": "0-23, for example 6, */2 or 9-17",
    "day-of-month": "1-31, L or LW, a day that its months have, for example 1, 1,15 or L",
    "month": "1-12 or jan-dec, for example 6, */3 or jan,jul",
    "day-of-week": "0-7 or sun-sat (0 and 7 are Sunday), for example mon-fri, fri,sat,sun, mon#1 or 5L",
}
_LEGAL = re.compile(r"[0-9A-Za-z*,/#\- \t]*")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+)*")
_OWN_ZONE = ("localtime", "posixrules", "Factory", "posix", "right")  # files that no two hosts need agree on
_SECOND = timedelta(seconds=1)
_NEVER = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock; what does not come in the 50 years from here never does
_LAST = datetime(9900, 1, 1, tzinfo=UTC).timestamp()
_UNITS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Schedule:
    """When something happens again and again. Raises ConfigError, which says what to write instead.

    expression: five fields, minute hour day month weekday; or six, with seconds first; or @hourly, @daily (@midnight),
        @weekly, @monthly, @yearly (@annually). In a field: *, 5, 1-5, */10, 10-50/5, 1,15, jan-dec, sun-sat (0 and 7
        are Sunday), L (the last day), LW (the last weekday), mon#1 (the first Monday), 5L (the last Friday). If day
        and weekday are both given (neither begins with *), a day that fits one of them will do, as in every cron.
        Refused: over 200 characters, and dates that never come, such as 30 February.
    tz: the zone of the wall clock that the fields mean, "Europe/Berlin"; UTC unless said otherwise.
    every: instead of the two, an interval of whole seconds: "5m". Its ticks are the multiples since 1970-01-01 00:00
        UTC ("1d": midnight UTC, "7d": midnight before Thursday), so every host has the same ones, restarts or not.

    >>> Schedule("0 6 * * mon-fri", tz="Europe/Berlin").next_after(1_795_500_000)
    1795582800.0
    >>> Schedule(every="5m").next_after(1000)
    1200.0
    """

    expression: str | None
    tz: str
    every: int | None
    """Seconds."""
    _cron: str = field(compare=False)
    _zone: tzinfo = field(compare=False)
    _listed: bool = field(compare=False)
    """Hours are listed: what falls into the missing hour happens at the moment of change."""
    _twice: bool = field(compare=False)
    """What falls into the hour that comes twice happens twice."""

    def __init__(self, expression: str | None = None, *, tz: str | None = None, every: Duration | None = None) -> None:
        put = object.__setattr__  # frozen
        if every is not None:
            if expression is not None or tz not in (None, "UTC"):
                raise ConfigError("a schedule is a cron line (with tz), or every='5m' (without); leave out one of them")
            values: Sequence[object] = (None, "UTC", _interval(every), "", UTC, False, False)
        elif expression is None:
            raise ConfigError("a schedule needs a cron line, for example '0 6 * * mon-fri', or every='5m'")
        else:
            cron = _checked_line(expression)
            minutes, hours = cron.split()[-5:-3]
            listed = not hours.startswith("*") and len(CronSim(cron, _NEVER).hours) < 24
            name = "UTC" if tz is None else tz
            values = (expression.strip(), name, None, cron, _zone(name), listed, not listed or minutes.startswith("*"))
        for name, value in zip(self.__slots__, values, strict=True):
            put(self, name, value)

    def next_after(self, moment: float) -> float | None:
        """The first tick after `moment`, both in seconds since 1970. There are none before 1970, none (None) after the
        year 9900. Raises ValueError for NaN and infinity."""
        if not math.isfinite(moment):
            raise ValueError(f"{moment!r} is no moment; give seconds since 1970")
        start = max(math.floor(moment), -1)
        if start > _LAST:
            return None
        if self.every is not None:
            return float((start // self.every + 1) * self.every)
        wall, fold = self._wall(start)
        ticks = [self._search(wall, start)]
        change = self._back_after(wall, start) if self._twice and not fold else None
        if change is not None:
            # What the clock shows again after the change lies behind `wall` already, yet is still to come.
            ticks.append(self._search(self._wall(change)[0] - _SECOND, change - 1))
        return min((float(tick) for tick in ticks if tick is not None), default=None)

    def ticks(self, after: float, until: float, limit: int) -> list[float]:
        """The ticks after `after`, up to and with `until`, in order, the first `limit` of them.

        >>> Schedule("@hourly").ticks(0, 10_000, limit=10)
        [3600.0, 7200.0]
        """
        found: list[float] = []
        tick = self.next_after(after)
        while tick is not None and tick <= until and len(found) < limit:
            found.append(tick)
            tick = self.next_after(tick)
        return found

    def explain(self) -> str:
        """What it says, in words.

        >>> Schedule("0 6 * * mon-fri", tz="Europe/Berlin").explain()
        'At 06:00 on Monday through Friday (Europe/Berlin)'
        """
        if self.every is not None:
            unit, size = next((unit, size) for unit, size in _UNITS.items() if self.every % size == 0)
            count = self.every // size
            return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"
        return f"{CronSim(self._cron, _NEVER).explain()} ({self.tz})"

    def __repr__(self) -> str:
        """As it would be written."""
        if self.every is not None:
            return f"Schedule(every='{self.every}s')"
        return (
            f"Schedule({self.expression!r})" if self.tz == "UTC" else f"Schedule({self.expression!r}, tz={self.tz!r})"
        )

    def _search(self, wall: datetime, start: int) -> int | None:
        """The first tick after `start` of those whose wall clock shows more than `wall`."""
        while True:
            shown = next(CronSim(self._cron, wall), None)
            if shown is None:
                return None
            first, second = self._instant(shown, 0), self._instant(shown, 1)
            if first == second:
                return first
            if first > second:  # the clock never shows this
                change = self._change(second, first)
                if self._listed:
                    return change
                wall = self._wall(change)[0] - _SECOND
            elif start < first:
                return first
            elif self._twice:
                return second
            else:  # on to what the clock shows once it has shown everything twice
                wall = self._wall(self._change(first, second))[0] + timedelta(seconds=second - first) - _SECOND

    def _back_after(self, wall: datetime, start: int) -> int | None:
        """The moment when the clock will go back over `wall`, which it shows at `start`; None if it will not."""
        second = self._instant(wall, 1)
        return self._change(start, second) if start < second else None

    def _wall(self, moment: int) -> tuple[datetime, int]:
        local = datetime.fromtimestamp(moment, self._zone)
        return local.replace(tzinfo=None, fold=0), local.fold

    def _instant(self, wall: datetime, fold: int) -> int:
        return int(wall.replace(tzinfo=self._zone, fold=fold).timestamp())

    def _change(self, before: int, after: int) -> int:
        """The first moment with the offset of `after`, knowing that `before` has another."""
        old = datetime.fromtimestamp(before, self._zone).utcoffset()
        while after - before > 1:
            middle = (before + after) // 2
            if datetime.fromtimestamp(middle, self._zone).utcoffset() == old:
                before = middle
            else:
                after = middle
        return after


def due(
    schedule: Schedule, last: float | None, now: float, policy: MissedTicks, limit: int, grace: float = GRACE
) -> list[float]:
    """The ticks to fire now, in order, at most `limit`.

    last: up to where ticks have been looked after: the last tick of the list that was given before, or, if it was
        empty, the `now` of then. None: never yet; nothing is due, the schedule begins now.
    now: a clock that went back behind `last` makes nothing due.
    policy: what becomes of missed ticks, those that are more than `grace` seconds late. "skip": nothing. "once": if
        nothing else is to fire, the latest of them is. "all": each is fired, the oldest first.
    limit: the rest comes with the next call (of missed ticks only under "all").

    >>> hourly = Schedule("@hourly")
    >>> [due(hourly, 0.0, 10_900.0, policy, limit=10) for policy in ("skip", "once", "all")]
    [[], [10800.0], [3600.0, 7200.0, 10800.0]]
    """
    if last is None or not last < now:
        return []
    if policy == "all":
        return schedule.ticks(last, now, limit)
    fresh = schedule.ticks(max(last, math.ceil(now - grace) - 1), now, limit)
    if fresh or policy == "skip" or limit < 1:
        return fresh
    latest = _latest(schedule, math.floor(last), math.floor(now))
    return [] if latest is None else [latest]


def _latest(schedule: Schedule, after: int, until: int) -> float | None:
    """The last tick after `after`, up to and with `until`: found by halving, because there may be millions of them."""

    def has_tick_after(moment: int) -> bool:
        tick = schedule.next_after(moment)
        return tick is not None and tick <= until

    if not has_tick_after(after):
        return None
    low, high = after, until
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if has_tick_after(middle) else (low, middle)
    return schedule.next_after(low)


def _interval(every: Duration) -> int:
    value = span("every", every, least=1)
    if value != int(value):
        raise ConfigError(
            f"every: {every!r} is no whole number of seconds; write for example '{max(round(value), 1)}s'"
        )
    return int(value)


def _checked_line(expression: object) -> str:
    """The five or six fields of a line that comes at some time. Raises ConfigError."""
    if not isinstance(expression, str):
        raise ConfigError(f"a cron line must be text, not {type(expression).__name__}; write '0 6 * * mon-fri'")
    if len(expression) > MAX_LENGTH:
        raise ConfigError(f"a cron line may have {MAX_LENGTH} characters, {expression[:20]!r}... has {len(expression)}")
    line = expression.strip()
    if line.startswith("@"):
        return _alias(line)
    if not _LEGAL.fullmatch(line):
        wrong = next(each for each in line if not _LEGAL.fullmatch(each))
        raise ConfigError(f"cron line {line!r}: {wrong!r} means nothing in it; write for example '0 6 * * mon-fri'")
    fields = line.split()
    if len(fields) not in (5, 6):
        raise ConfigError(
            f"cron line {line!r} has {len(fields)} fields; write five, minute hour day month weekday "
            "('0 6 * * mon-fri'), or six with seconds first"
        )
    try:
        first = next(CronSim(line, _NEVER), None)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        raise ConfigError(f"cron line {line!r}: {name} must be {_FIELDS.get(name, 'as in 0 6 * * mon-fri')}") from None
    if first is None:
        raise ConfigError(f"cron line {line!r} names a date that never comes; look at its day, month and weekday")
    return " ".join(fields)


def _alias(line: str) -> str:
    found = _ALIASES.get(line.lower())
    if found is not None:
        return found
    close = difflib.get_close_matches(line.lower(), _ALIASES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(_ALIASES)}"
    raise ConfigError(f"cron line {line!r} is not known; {hint}")


def _zone(name: object) -> tzinfo:
    if not isinstance(name, str):
        raise ConfigError(f"tz must be the name of a time zone, not {name!r}; write for example tz='Europe/Berlin'")
    if name == "UTC":  # needs no zone data
        return UTC
    if len(name) <= 64 and _ZONE.fullmatch(name) and name.split("/")[0] not in _OWN_ZONE:
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ConfigError(f"tz: {name[:64]!r} is no time zone; {_zone_hint(name[:64])}")


def _zone_hint(name: str) -> str:
    names = _zones()
    if not names:
        return "this machine has no time zone data at all: install the system's tzdata, or pip install tzdata"
    wanted = name.strip().lower().replace(" ", "_")
    # Short names are abbreviations, and the next one (CEST, EST) is on another continent.
    close = [wanted] if wanted in names else difflib.get_close_matches(wanted, names, 1, 0.8) if len(wanted) > 4 else []
    return f"did you mean {names[close[0]]!r}?" if close else "write for example 'UTC' or 'Europe/Berlin'"


@functools.cache
def _zones() -> dict[str, str]:
    """Every zone under its name and under that of its city, in lower case."""
    names = sorted(zoneinfo.available_timezones().difference(_OWN_ZONE))
    return {each.rsplit("/", 1)[-1].lower(): each for each in names} | {each.lower(): each for each in names}
