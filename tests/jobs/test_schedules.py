"""Cron entries: what can be one, how it is written and read, and how a job asks for one."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from resque import Job, Unique, cron, job
from resque.config import CronTables
from resque.errors import BadArguments, ConfigError, DuplicateJob
from resque.jobs import registry
from resque.jobs.definition import Definition
from resque.jobs.registry import Registry
from resque.jobs.schedules import MAX_BYTES, Entry, from_table, from_tables, read, write

NIGHTLY = Entry(
    "nightly", "Report", "reports", args=[1, "a"], kwargs={"eu": True}, cron="0 6 * * mon-fri", tz="Europe/Berlin"
)


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of this test alone, where jobs and entries of the test go."""
    mine = Registry()
    monkeypatch.setattr(registry, "default", mine)
    return mine


# an entry ---------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read() -> None:
    entry = NIGHTLY.changed(missed="all", description="for the boss", source="code:shop", since=12.5, expires=60.0)
    assert read("nightly", write(entry)) == entry
    assert json.loads(write(entry))["class"] == "Report"
    assert entry.schedule().tz == "Europe/Berlin"


def test_defaults_are_not_written() -> None:
    assert write(Entry("n", "A", "q", every=5)) == b'{"name":"n","class":"A","queue":"q","every":5}'


def test_arguments_are_kept_in_their_json_form() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    args: Any = (1, (2, 3), when)
    entry = Entry("n", "A", "q", args=args, every=5)
    assert entry.args == [1, [2, 3], "2026-01-02T00:00:00+00:00"]
    assert read("n", write(entry)) == entry


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": ""}, "cannot name a cron entry"),
        ({"name": "a b"}, "cannot name a cron entry"),
        ({"name": "x" * 221}, "cannot name a cron entry"),
        ({"name": 5}, "cannot name a cron entry"),
        ({"job": "not a name"}, "cannot name a job"),
        ({"job": 5}, "must be the name of a job"),
        ({"queue": "a b"}, "queue"),
        ({"cron": "0 25 * * *"}, "hour must be 0-23"),
        ({"cron": "30 2 30 2 *"}, "day-of-month"),
        ({"cron": "* " * 500}, "200 characters"),
        ({"tz": "Europe/Berlon"}, "did you mean 'Europe/Berlin'"),
        ({"every": 60}, "leave out one"),
        ({"cron": None}, "needs a cron line"),
        ({"cron": None, "every": 0}, "too short"),
        ({"missed": "never"}, "'skip', 'once' or 'all'"),
        ({"description": "x" * 1001}, "1000 characters"),
        ({"description": 5}, "must be text"),
        ({"since": -1.0}, "since"),
        ({"since": float("nan")}, "since"),
        ({"expires": 0}, "above 0"),
        ({"deadline": "1m"}, "above 0"),
        ({"args": "text"}, "must be a list"),
        ({"kwargs": [1]}, "must be a list"),
        ({"args": [object()]}, "args[0]"),
        ({"args": ["x" * MAX_BYTES]}, "the limit is"),
    ],
)
def test_what_cannot_be_an_entry(values: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"name": "good", "job": "Report", "queue": "reports", "cron": "@daily"}
    with pytest.raises(ConfigError) as caught:
        Entry(**good | values)
    assert says in str(caught.value)
    assert repr((good | values)["name"])[:40] in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"{" * 100_000,
        b"[" * 5000,
        b'{"name":"n","class":"A","queue":"q"}',
        b'{"name":"other","class":"A","queue":"q","every":5}',
        b'{"name":"n","class":"A","queue":"q","every":5,"colour":"red"}',
        b'{"name":"n","class":"A","queue":"q","every":"5m"}',
        b'{"name":"n","class":"A","queue":"q","every":1.5}',
        b'{"name":"n","class":"A","queue":"q","every":true}',
        b'{"name":"n","class":"A","queue":"q","every":1e400}',
        b'{"name":"n","class":"A","queue":"q","every":99999999999999999999999}',
        b'{"name":"n","class":"A","queue":"q","cron":"* * * * * * *"}',
        b'{"name":"n","class":"A","queue":"q","every":5,"args":{}}',
        b'{"name":"n","class":"A","queue":"q","every":5,"missed":"skip "}',
        b'{"name":"n","class":"A","queue":"q","every":5,"args":["' + b"x" * 200_000 + b'"]}',
        b'{"name":"n","class":"A","queue":"q","every":5,"args":[' + b"[" * 2000 + b"]" * 2000 + b"]}",
    ],
    ids=lambda raw: repr(raw[:70]),
)
def test_whatever_the_bytes_reading_raises_config_error_alone(raw: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read("n", raw)
    assert "'n'" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_whoever_declares_it_and_when_is_no_difference() -> None:
    assert NIGHTLY.says_the_same(NIGHTLY.changed(source="file:", since=9.0))
    assert not NIGHTLY.says_the_same(NIGHTLY.changed(missed="once"))
    assert not NIGHTLY.says_the_same(NIGHTLY.changed(args=[1.0, "a"]))


# the settings file ------------------------------------------------------------------------------------------------


def test_a_table_is_an_entry() -> None:
    table = {
        "class": "Report",
        "queue": "reports",
        "args": [1, "a"],
        "kwargs": {"eu": True},
        "cron": "0 6 * * mon-fri",
        "tz": "Europe/Berlin",
    }
    assert from_table("nightly", table) == NIGHTLY
    poll = from_table("poll", {"class": "Poll", "queue": "q", "every": "5m", "missed": "once", "description": "d"})
    assert (poll.every, poll.missed, poll.description) == (300, "once", "d")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("0 6 * * *", "must be a table"),
        ({"queue": "q", "every": "5m"}, "needs class"),
        ({"class": "A", "every": "5m"}, "needs queue"),
        ({"class": "A", "queue": "q"}, "needs a cron line"),
        ({"class": "A", "queue": "q", "every": "5m", "cron": "@daily"}, "leave out one"),
        ({"class": "A", "queue": "q", "every": "5m", "tz": "Europe/Berlin"}, "leave out one"),
        ({"class": "A", "queue": "q", "every": "soon"}, "every"),
        ({"class": "A", "queue": "q", "evry": "5m"}, "did you mean 'every'"),
        ({"class": "A", "queue": "q", "every": "5m", "colour": 1}, "known are"),
        ({"class": "A", "queue": "q", "every": "5m", "since": 1}, "there is no 'since'"),
        ({"class": "A", "queue": "q", "every": "5m", "args": 5}, "must be a list"),
        ({"class": 5, "queue": "q", "every": "5m"}, "name of a job"),
        ({"class": "A", "queue": 5, "every": "5m"}, "queue"),
    ],
)
def test_what_is_wrong_with_a_table(table: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_table("nightly", table)
    assert says in str(caught.value)
    assert "'nightly'" in str(caught.value)


def test_an_error_in_a_file_names_the_file_and_the_entry() -> None:
    good = {"class": "A", "queue": "q", "every": "5m"}
    assert [each.name for each in from_tables(CronTables({"a": good, "b": good}, "/x/resque.toml"))] == ["a", "b"]
    with pytest.raises(ConfigError, match=r"^/x/resque\.toml: cron entry 'b': "):
        from_tables(CronTables({"a": good, "b": good | {"cron": "@dayly"}, "c": 5}, "/x/resque.toml"))


# the decorator ----------------------------------------------------------------------------------------------------


def test_a_class_asks_for_an_entry_and_stays_as_it_was(jobs: Registry) -> None:
    class Report(Job):
        queue = "reports"
        expires = "10m"
        deadline = "1h"

        def perform(self, number: int, text: str, *, eu: bool = False) -> None: ...

    same = cron("0 6 * * mon-fri", tz="Europe/Berlin", args=(1, "a"), kwargs={"eu": True}, name="nightly")(Report)
    assert same is Report
    assert jobs.schedules == [NIGHTLY.changed(expires=600.0, deadline=3600.0)]


def test_a_function_asks_for_two(jobs: Registry) -> None:
    @cron("@daily", args=["us"], missed="once", description="over there")
    @cron(every="5m", args=("eu",))
    @job(queue="poll")
    def poll(region: str) -> str:
        return region

    first, second = jobs.schedules
    assert (first.name, first.job, first.queue, first.every, first.args) == ("poll", "poll", "poll", 300, ["eu"])
    assert (second.name, second.cron, second.missed) == ("poll#2", "@daily", "once")
    assert second.description == "over there"
    assert poll("x") == "x"


def test_a_job_that_is_removed_or_defined_again_takes_its_entries_along(jobs: Registry) -> None:
    def define() -> Definition:
        @cron(every="1m")
        @job
        def again() -> None: ...

        return again.definition

    define()
    newer = define()
    assert [entry.name for entry in jobs.schedules] == ["again"]
    assert [entry.name for entry in jobs.schedules_of(newer)] == ["again"]
    jobs.remove(newer)
    assert jobs.schedules == []


def test_two_entries_of_one_name_are_refused(jobs: Registry) -> None:
    @cron(every="1m", name="minutely")
    @job
    def one() -> None: ...

    with pytest.raises(DuplicateJob, match=r"minutely.*\.one"):

        @cron(every="1m", name="minutely")
        @job
        def two() -> None: ...

    assert len(jobs.schedules) == 1


def test_arguments_that_do_not_fit_are_refused_where_they_are_written() -> None:
    @job
    def poll(region: str) -> None: ...

    for options in ({}, {"args": (1, 2)}, {"args": ("x",), "kwargs": {"colour": 1}}):
        with pytest.raises(BadArguments, match="cron entry 'poll'"):
            cron(every="5m", **options)(poll)


def test_what_is_wrong_with_a_decorator(jobs: Registry) -> None:
    @job
    def good() -> None: ...

    @job(unique=Unique())
    def only_one() -> None: ...

    class Base(Job):
        """No perform."""

    def plain() -> None: ...

    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (good, {"every": "soon"}, "cron entry 'good': every"),
        (good, {}, "needs a cron line"),
        (good, {"every": "5m", "name": "a b"}, "cannot name"),
        (good, {"every": "5m", "args": "text"}, "must be a tuple"),
        (good, {"every": "5m", "args": 5}, "must be a tuple"),
        (good, {"every": "5m", "missed": "perhaps"}, "'skip', 'once' or 'all'"),
        (only_one, {"every": "5m"}, "a small job of its own"),
        (Base, {"every": "5m"}, "no perform"),
        (plain, {"every": "5m"}, "above @job"),
        (int, {"every": "5m"}, "for jobs"),
    ]
    for target, options, says in wrong:
        with pytest.raises(ConfigError, match=says):
            cron(**options)(target)
    with pytest.raises(TypeError, match="no option 'evry'"):
        cron(evry="5m")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="hour must be"):
        cron("0 25 * * *")(good)
    assert jobs.schedules == []


def test_an_entry_is_a_struct_that_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        NIGHTLY.name = "other"  # type: ignore[misc]
    assert isinstance(NIGHTLY, msgspec.Struct)
