"""Ticks: those of lines and intervals, those around changes of the clock, those that were missed, and hostile lines."""

import contextlib
import copy
import dataclasses
import doctest
import itertools
import math
import sys
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from resque.errors import ConfigError
from resque.jobs import cron
from resque.jobs.cron import GRACE, MissedTicks, Schedule, due

HOUR, DAY = 3600, 86400
BERLIN = "Europe/Berlin"
BUDGET = 0.05
"""Seconds of processor time that a line may cost."""


def at(text: str, tz: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()


def shown(ticks: list[float], tz: str) -> list[str]:
    """What a clock on the wall shows, with its distance from UTC."""
    return [datetime.fromtimestamp(tick, ZoneInfo(tz)).strftime("%d %H:%M:%S %z") for tick in ticks]


class TestLines:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("0 6 * * mon-fri", ["2026-11-27 06:00", "2026-11-30 06:00", "2026-12-01 06:00"]),
            ("  0\t6  * * 1-5 ", ["2026-11-27 06:00", "2026-11-30 06:00", "2026-12-01 06:00"]),
            ("*/20 8-9 1,15 jan,jul *", ["2027-01-01 08:00", "2027-01-01 08:20", "2027-01-01 08:40"]),
            ("0 0 L * *", ["2026-11-30 00:00", "2026-12-31 00:00", "2027-01-31 00:00"]),
            ("0 0 * * mon#1", ["2026-12-07 00:00", "2027-01-04 00:00", "2027-02-01 00:00"]),
            ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
            ("0 0 1 * 5", ["2026-11-27 00:00", "2026-12-01 00:00", "2026-12-04 00:00"]),
            ("30 0 6 * * *", ["2026-11-27 06:00:30", "2026-11-28 06:00:30", "2026-11-29 06:00:30"]),
            ("@hourly", ["2026-11-27 00:00", "2026-11-27 01:00", "2026-11-27 02:00"]),
            ("@midnight", ["2026-11-27 00:00", "2026-11-28 00:00", "2026-11-29 00:00"]),
            ("@weekly", ["2026-11-29 00:00", "2026-12-06 00:00", "2026-12-13 00:00"]),
            ("@Annually", ["2027-01-01 00:00", "2028-01-01 00:00", "2029-01-01 00:00"]),
        ],
    )
    def test_ticks(self, line: str, expected: list[str]) -> None:
        """From a Thursday night, 2026-11-26."""
        assert Schedule(line).ticks(at("2026-11-26 23:59:59.5"), math.inf, 3) == [at(each) for each in expected]

    def test_in_a_zone(self) -> None:
        before = at("2026-11-26 23:59:59")
        assert Schedule("0 6 * * *", tz=BERLIN).next_after(before) == at("2026-11-27 05:00")
        assert Schedule("0 6 * * *", tz="Asia/Kathmandu").next_after(before) == at("2026-11-27 00:15")
        assert Schedule("0 6 * * *", tz="UTC") == Schedule("0 6 * * *")

    @pytest.mark.parametrize("schedule", [Schedule("* * * * *"), Schedule("* * * * *", tz=BERLIN), Schedule(every=60)])
    def test_there_are_none_before_1970_nor_without_end(self, schedule: Schedule) -> None:
        assert schedule.next_after(-1) == schedule.next_after(-1e300) == 0.0
        assert schedule.next_after(1e300) is None
        assert schedule.next_after(at("9899-12-31 12:00")) == at("9899-12-31 12:01")

    @pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf])
    def test_what_is_no_moment(self, moment: float) -> None:
        with pytest.raises(ValueError, match="is no moment; give seconds since 1970"):
            Schedule("@hourly").next_after(moment)

    def test_ticks_are_bounded_on_both_sides_and_in_number(self) -> None:
        minutely = Schedule("* * * * *")
        assert [minutely.next_after(each) for each in (59.999, 60, 60.001)] == [60.0, 120.0, 120.0]
        assert minutely.ticks(60, 240, 10) == [120.0, 180.0, 240.0]
        assert minutely.ticks(60, 240, 2) == [120.0, 180.0]
        assert minutely.ticks(60, 240, 0) == minutely.ticks(240, 60, 9) == minutely.ticks(60, 119.9, 9) == []


class TestIntervals:
    @pytest.mark.parametrize(
        ("every", "after", "expected"),
        [
            ("5m", 300.5, 600.0),
            (1, 1_795_500_000.25, 1_795_500_001.0),
            ("1d", at("2026-11-27 10:00"), at("2026-11-28 00:00")),
            ("7d", at("2026-11-27 10:00"), at("2026-12-03 00:00")),  # a Thursday, as 1970-01-01 was
        ],
    )
    def test_ticks_are_multiples_since_1970(self, every: Any, after: float, expected: float) -> None:
        assert Schedule(every=every).next_after(after) == expected

    def test_clock_changes_are_nothing_to_them(self) -> None:
        ticks = Schedule(every="6h").ticks(at("2026-03-28 12:00"), at("2026-03-30 12:00"), 99)
        assert {later - tick for tick, later in itertools.pairwise(ticks)} == {6.0 * HOUR}


EVEN = [(hour, 1) for hour in range(2, 24, 2)]
CHANGES = [
    # A line, a day, and what fires in Berlin. 2026-03-29 has no 2:00-3:00, 2026-10-25 has it twice.
    ("30 2 * * *", "2026-03-29", ["29 03:00:00 +0200"]),
    ("30 2 * * *", "2026-10-25", ["25 02:30:00 +0200"]),
    ("15 30 2 * * *", "2026-10-25", ["25 02:30:15 +0200"]),
    ("0,30 2 * * *", "2026-03-29", ["29 03:00:00 +0200"]),
    ("0 2,3 * * *", "2026-10-25", ["25 02:00:00 +0200", "25 03:00:00 +0100"]),
    ("*/30 2 * * *", "2026-03-29", ["29 03:00:00 +0200"]),
    ("*/30 2 * * *", "2026-10-25", [f"25 02:{each} +0{zone}00" for zone in (2, 1) for each in ("00:00", "30:00")]),
    ("30 */2 29,25 3,10 *", "2026-03-29", [f"29 {h:02}:30:00 +0{1 + (h > 2)}00" for h in (0, *range(4, 24, 2))]),
    ("* 30 2 29,25 3,10 *", "2026-03-29", ["29 03:00:00 +0200"]),
    ("59 59 */2 25 10 *", "2026-10-25", [f"25 {h:02}:59:59 +0{z}00" for h, z in [(0, 2), (2, 2), *EVEN]]),
]  # fmt: skip


class TestClockChanges:
    @pytest.mark.parametrize(("line", "day", "expected"), CHANGES)
    def test_in_berlin(self, line: str, day: str, expected: list[str]) -> None:
        midnight = at(f"{day} 00:00", BERLIN)
        ticks = Schedule(line, tz=BERLIN).ticks(midnight - 1, at(f"{day} 23:59:59", BERLIN), 999)
        assert shown(ticks, BERLIN) == expected

    @pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
    @pytest.mark.parametrize(("line", "seconds"), [("*/30 * * * *", 1800), ("@hourly", 3600), ("0 0-23 * * *", 3600)])
    def test_what_runs_every_so_often_goes_on_doing_so(self, day: str, hours: int, line: str, seconds: int) -> None:
        midnight = at(f"{day} 00:00", BERLIN)
        ticks = Schedule(line, tz=BERLIN).ticks(midnight - 1, midnight + hours * HOUR - 1, 99)
        assert ticks == [midnight + each for each in range(0, hours * HOUR, seconds)]

    @pytest.mark.parametrize(
        "tz",
        [BERLIN, "Europe/London", "America/New_York", "America/Havana", "America/Santiago", "Australia/Lord_Howe",
         "Antarctica/Troll", "Africa/Casablanca", "Asia/Beirut", "Asia/Kathmandu", "UTC"],
    )  # fmt: skip
    @pytest.mark.parametrize("line", ["30 2 * * *", "0 0 * * *", "45 1 * * *", "30 0 * * *", "15 23 * * *"])
    def test_once_a_day_is_once_on_each_day_of_the_year(self, tz: str, line: str) -> None:
        """Also where midnight is missing (Havana, Santiago, Beirut), or half an hour (Lord Howe), or two (Troll)."""
        ticks = Schedule(line, tz=tz).ticks(at("2026-01-01 00:00", tz) - 1, at("2026-12-31 23:59:59", tz), 999)
        days = [datetime.fromtimestamp(tick, ZoneInfo(tz)).date() for tick in ticks]
        assert len(days) == len(set(days)) == 365

    @pytest.mark.parametrize(
        "line",
        ["30 2 * * *", "*/20 * * * *", "*/30 2 * * *", "0,15,45 1-3 * * *", "0 */5 * * *", "*/30 */5 * * *",
         "*/15 0,1,2 4,25,29 * *", "5 1 * * 0"],
    )  # fmt: skip
    @pytest.mark.parametrize(
        ("tz", "day"),
        [(BERLIN, "2026-03-29"), (BERLIN, "2026-10-25"), ("Australia/Lord_Howe", "2026-04-05"),
         ("Australia/Lord_Howe", "2026-10-04"), ("America/Havana", "2026-11-01"), ("Antarctica/Troll", "2026-10-25"),
         ("America/Santiago", "2026-04-05"), ("Africa/Casablanca", "2026-03-22")],
    )  # fmt: skip
    def test_the_table_holds_minute_by_minute(self, line: str, tz: str, day: str) -> None:
        """Against a clock that is looked at every minute, from any start."""
        start, end = int(at(f"{day} 00:00") - DAY), int(at(f"{day} 00:00") + 2 * DAY)
        expected = list(watched(line, tz, start, end))
        schedule = Schedule(line, tz=tz)
        assert [int(tick) for tick in schedule.ticks(start, end, 9999)] == expected
        for moment in range(start, end, 1777):
            assert schedule.ticks(moment, end, 1) == [each for each in expected if each > moment][:1]


def watched(line: str, tz: str, start: int, end: int) -> Iterator[int]:
    """The ticks by the table of the room, found by looking at the clock on the wall once a minute."""
    fields, zone, minute = CronSim(line, datetime.min.replace(tzinfo=UTC)), ZoneInfo(tz), timedelta(minutes=1)
    minutes, hours = line.split()[:2]
    listed = not hours.startswith("*")
    twice = not listed or minutes.startswith("*")

    def fits(wall: datetime) -> bool:
        in_time = wall.minute in fields.minutes and wall.hour in fields.hours
        return in_time and wall.month in fields.months and fields.match_day(wall.date())

    latest = datetime.fromtimestamp(start, zone).replace(tzinfo=None, fold=0)
    for moment in range(start + 60, end + 1, 60):
        wall = datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
        missing = [latest + minute * each for each in range(1, (wall - latest) // minute)]
        if (listed and any(map(fits, missing))) or (fits(wall) and (twice or wall > latest)):
            yield moment
        latest = max(latest, wall)


parts = st.sampled_from(["*", "*/7", "0", "1,2,3", "2-9/3", "5"])
days = st.sampled_from(["* * *", "1 * *", "L */2 *", "*/2 3,10 1-5", "* * 7", "29 2 *", "1 1 *"])
lines = st.builds("{} {} {}".format, parts, parts, days) | st.builds("{} {} {} {}".format, parts, parts, parts, days)
schedules = st.builds(Schedule, lines, tz=st.sampled_from(["UTC", BERLIN, "America/Havana", "Australia/Lord_Howe"]))
moments = st.floats(0, at("2060-01-01 00:00"))


class TestProperties:
    @given(schedules | st.builds(lambda every: Schedule(every=every), st.integers(1, 10 * DAY)), moments)
    def test_the_next_tick_is_later_and_none_lies_between(self, schedule: Schedule, moment: float) -> None:
        tick = schedule.next_after(moment)
        assert tick is not None
        assert moment < tick == int(tick)
        assert schedule.next_after((moment + tick) / 2) == tick or (moment + tick) / 2 == tick
        assert schedule.next_after(math.nextafter(tick, 0)) == tick < (schedule.next_after(tick) or 0)


class TestDue:
    hourly = Schedule("@hourly")

    @pytest.mark.parametrize("policy", ["skip", "once", "all"])
    def test_one_pass_after_another_fires_each_tick_once(self, policy: MissedTicks) -> None:
        """Passes a little apart, as a scheduler makes them: nothing is missed, so the policy makes no difference."""
        schedule, last, now, fired = Schedule("* * * * *"), 1000.0, 1000.0, []
        while now < 5000:
            now += 7.3
            ticks = due(schedule, last, now, policy, limit=10)
            fired += ticks
            last = ticks[-1] if ticks else now
        assert fired == schedule.ticks(1000, now, 999)

    @pytest.mark.parametrize(
        ("policy", "now", "expected"),
        [("skip", 5 * HOUR - 1, []), ("skip", 5 * HOUR, [5]), ("skip", 5 * HOUR + GRACE, [5]),
         ("skip", 5 * HOUR + GRACE + 0.5, []), ("once", 5 * HOUR - 1, [4]), ("once", 5 * HOUR + GRACE + 0.5, [5]),
         ("once", 1.5 * HOUR, []), ("all", 5 * HOUR + 1, [2, 3, 4, 5]), ("all", 99 * HOUR, [*range(2, 12)])],
    )  # fmt: skip
    def test_after_a_pause(self, policy: MissedTicks, now: float, expected: list[int]) -> None:
        """The last tick that was looked after was that of 1:00."""
        assert due(self.hourly, 1.0 * HOUR, now, policy, limit=10) == [hour * HOUR for hour in expected]

    @pytest.mark.parametrize("policy", ["skip", "once", "all"])
    def test_nothing_is_due(self, policy: MissedTicks) -> None:
        """At the first sight of a schedule, at the same moment again, when the clock went back, or when none may be."""
        for last in (None, 5.0 * HOUR, 6.0 * HOUR, math.nan):
            assert due(self.hourly, last, 5.0 * HOUR, policy, limit=10) == []
        assert due(self.hourly, 0.0, 5.0 * HOUR, policy, limit=0) == []

    def test_the_rest_comes_with_the_next_call(self) -> None:
        secondly = Schedule(every=1)
        assert due(secondly, 100.0, 105.0, "skip", limit=3) == [101.0, 102.0, 103.0]
        assert due(secondly, 103.0, 105.5, "skip", limit=3) == [104.0, 105.0]
        assert due(secondly, 103.0, 105.0, "skip", limit=3, grace=0) == [105.0]

    @given(schedules, moments, st.floats(0, 40 * DAY))
    @settings(max_examples=50)
    def test_once_is_the_latest(self, schedule: Schedule, last: float, pause: float) -> None:
        found = due(schedule, last, last + pause, "once", limit=1, grace=-1)
        assert schedule.ticks(found[-1] if found else last, last + pause, 1) == []
        assert bool(found) == bool(schedule.ticks(last, last + pause, 1))
        assert all(last < tick <= last + pause for tick in found)

    @pytest.mark.parametrize("policy", ["skip", "once", "all"])
    def test_a_pause_of_years_costs_nothing(self, policy: MissedTicks) -> None:
        began = time.process_time()
        assert len(due(Schedule("* * * * * *", tz=BERLIN), 0.0, 1_795_500_000.5, policy, limit=50)) == 50
        assert due(Schedule("* * 1 1 * "), 0.0, 1_795_500_000.0, "once", limit=9) == [at("2026-01-01 23:59")]
        assert time.process_time() - began < 10 * BUDGET


class TestWritten:
    @pytest.mark.parametrize(
        ("schedule", "text"),
        [
            (Schedule("0 6 * * mon-fri", tz=BERLIN), "At 06:00 on Monday through Friday (Europe/Berlin)"),
            (Schedule("@daily"), "At 00:00 every day (UTC)"),
            (Schedule(every="1h"), "Every hour"), (Schedule(every=90), "Every 90 seconds"),
        ],
    )  # fmt: skip
    def test_in_words(self, schedule: Schedule, text: str) -> None:
        assert schedule.explain() == text

    @pytest.mark.parametrize(
        "schedule", [Schedule("0 6 * * 1"), Schedule("@daily", tz=BERLIN), Schedule(every="5m")], ids=repr
    )
    def test_the_repr_can_be_written_and_nothing_changed(self, schedule: Schedule) -> None:
        for other in (eval(repr(schedule)), copy.copy(schedule), copy.deepcopy(schedule)):
            assert other == schedule
            assert hash(other) == hash(schedule)
            assert other.next_after(5) == schedule.next_after(5)
        with pytest.raises(dataclasses.FrozenInstanceError):
            schedule.tz = BERLIN  # type: ignore[misc]


REFUSED = [
    ("", "cron line '' has 0 fields; write five, minute hour day month weekday ('0 6 * * mon-fri'), or six with"),
    ("* * * *", "cron line '* * * *' has 4 fields"),
    ("60 * * * *", "cron line '60 * * * *': minute must be 0-59, for example 0, */5, 10-20 or 0,30"),
    ("60 * * * * *", "second must be 0-59"),
    ("0 0 0 * *", "day-of-month must be 1-31, L or LW"),
    ("0 0 1 13 *", "month must be 1-12 or jan-dec"),
    ("0 0 * * fri-mon", "day-of-week must be 0-7 or sun-sat (0 and 7 are Sunday), for example mon-fri, fri,sat,sun"),
    ("*/1/1/1 * * * *", "minute must be"),
    ("0 0 30 2 *", "day-of-month must be 1-31, L or LW, a day that its months have"),
    ("0 0 */31 * 1#5", "cron line '0 0 */31 * 1#5' names a date that never comes; look at its day, month and weekday"),
    ("0 6 * * ?", "'?' means nothing in it; write for example '0 6 * * mon-fri'"),
    ("0 6 * * \u0661", "means nothing in it"),
    ("0 6 * * fr\u0131", "means nothing in it"),
    ("0 6 * * *\n0 7 * * *", "means nothing in it"),
    ("\ud800 * * * *", "means nothing in it"),
    ("@dayly", "cron line '@dayly' is not known; did you mean '@daily'?"),
    ("*" * 201, "a cron line may have 200 characters, '********************'... has 201"),
    (b"* * * * *", "a cron line must be text, not bytes; write '0 6 * * mon-fri'"),
]


@pytest.fixture
def without_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    cron._zones.cache_clear()
    yield
    zoneinfo.reset_tzpath()
    cron._zones.cache_clear()


class TestRefused:
    @pytest.mark.parametrize(("line", "message"), REFUSED, ids=range(len(REFUSED)))
    def test_a_line_with_what_to_write_instead(self, line: Any, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Schedule(line)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("tz", "message"),
        [
            ("Europe/Berlim", "tz: 'Europe/Berlim' is no time zone; did you mean 'Europe/Berlin'?"),
            ("berlin", "did you mean 'Europe/Berlin'?"),
            ("GMT+2", "did you mean 'Etc/GMT+2'?"),
            ("CEST", "tz: 'CEST' is no time zone; write for example 'UTC' or 'Europe/Berlin'"),
            ("localtime", "tz: 'localtime' is no time zone; write for example"),
            ("posix/Europe/Berlin", "did you mean 'Europe/Berlin'?"),
            ("../../etc/passwd", "is no time zone"),
            ("Europe/../Europe/Berlin", "is no time zone"),
            ("\ud800", "is no time zone"),
            pytest.param("x" * 10**6, "is no time zone", id="long"),
            (ZoneInfo(BERLIN), "tz must be the name of a time zone, not zoneinfo.ZoneInfo(key='Europe/Berlin'); write"),
        ],
    )
    def test_a_zone_with_what_was_meant(self, tz: Any, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Schedule("@daily", tz=tz)
        assert message in str(caught.value)
        assert len(str(caught.value)) < 200

    def test_a_machine_without_zones(self, without_zones: None) -> None:
        """UTC works there, too."""
        with pytest.raises(ConfigError, match="no time zone data at all: install the system's tzdata, or pip install"):
            Schedule("@daily", tz=BERLIN)
        assert Schedule("@daily", tz="UTC").next_after(0) == DAY

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "a schedule needs a cron line, for example '0 6 * * mon-fri', or every='5m'"),
            ({"expression": "@daily", "every": "5m"}, "a schedule is a cron line (with tz), or every='5m' (without)"),
            ({"tz": BERLIN, "every": "5m"}, "a schedule is a cron line (with tz), or every='5m' (without)"),
            ({"every": "500ms"}, "every: '500ms' is too short; write 1 s or more"),
            ({"every": "90.5s"}, "every: '90.5s' is no whole number of seconds; write for example '90s'"),
        ],
    )
    def test_options_that_make_no_sense(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Schedule(**options)
        assert message in str(caught.value)


def cost(line: str) -> float:
    """Processor seconds of reading a line and asking it for three ticks; refusing it is fine."""
    began = time.process_time()
    with contextlib.suppress(ConfigError):
        schedule = Schedule(line, tz=BERLIN)
        assert len(schedule.ticks(1_795_500_000, math.inf, 3)) == 3
        assert schedule.explain()
    return time.process_time() - began


hostile = st.text(max_size=300) | st.text("0123456789*/,-# LWlw\tMONFEBmonfeb@", max_size=210)
field = st.text("0123456789*/,-#LW", min_size=1, max_size=12) | parts
hostile_lines = hostile | st.lists(field, min_size=5, max_size=6).map(" ".join)


class TestHostileLines:
    @given(st.lists(hostile_lines, min_size=20, max_size=20))
    @settings(max_examples=100, deadline=None)
    def test_whatever_is_written_costs_next_to_nothing(self, written: list[str]) -> None:
        for line in written:
            assert cost(line) < BUDGET or cost(line) < BUDGET

    @pytest.mark.parametrize(
        "line",
        ["0 0 29 2 */7", "0 0 * 2 mon#5", "59 59 23 31 12 *", "0 0 */31 * 1#5", "0 0 */29 2 0#5", "* * * * * *",
         ",".join(["*"] * 96) + " * * * *", ",".join(["0-59/1"] * 27) + " * * * *", "*/9" * 60, "0" * 190 + " * * * *"],
    )  # fmt: skip
    def test_the_dearest_lines(self, line: str) -> None:
        assert min(cost(line) for _ in range(5)) < BUDGET


def test_the_examples_are_true() -> None:
    assert doctest.testmod(cron) == doctest.TestResults(failed=0, attempted=6)
