"""Names of queues and the options of a call."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from resque.errors import BadQueueName, ConfigError, JobError
from resque.jobs.limits import Limits
from resque.jobs.options import MAX_KEY, Declaration, JobOptions, Options, check_queue_name
from resque.jobs.retry import LONGEST, Retry
from resque.jobs.unique import Unique


@pytest.mark.parametrize(
    "name",
    ["default", "order_processing", "a", "mail:high", "mail:3", "a/b.c-d", "größe", "注文", "q#15", "-x", "x" * 200],
)
def test_good_queue_names_come_back_as_they_are(name: str) -> None:
    assert check_queue_name(name) == name


@pytest.mark.parametrize("character", list("{}*?[]!,"))
@pytest.mark.parametrize("form", ["{0}mail", "ma{0}il", "mail{0}"])
def test_reserved_characters_are_refused_by_name(character: str, form: str) -> None:
    with pytest.raises(BadQueueName) as caught:
        check_queue_name(form.format(character))
    assert f"must not contain {character}" in str(caught.value)


@pytest.mark.parametrize(
    "character",
    [
        " ",
        "\t",
        "\n",
        "\r",
        "\0",
        "\x1b",
        "\x7f",
        "\x85",
        "\u00a0",
        "\u2003",
        "\u2028",
        "\u3000",
        "\u202e",
        "\u200b",
        "\ud800",
    ],
)
def test_blanks_and_control_characters_are_refused(character: str) -> None:
    """Blanks of every script, controls, invisible marks that make two names look alike, lone surrogates."""
    for name in (character, f"a{character}", f"{character}a", f"a{character}b"):
        with pytest.raises(BadQueueName, match="blanks or control"):
            check_queue_name(name)


def test_empty_and_long_names_are_refused() -> None:
    with pytest.raises(BadQueueName, match="empty"):
        check_queue_name("")
    with pytest.raises(BadQueueName, match=r"200 characters.*has 201") as caught:
        check_queue_name("x" * 201)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("name", [None, 1, b"mail", ["mail"]])
def test_names_that_are_no_text_are_refused(name: object) -> None:
    with pytest.raises(BadQueueName, match=f"not {type(name).__name__}"):
        check_queue_name(name)


def test_a_bad_queue_name_is_an_error_of_the_call() -> None:
    """Catchable as JobError and as ValueError, as the tree in errors.py says."""
    with pytest.raises(JobError):
        check_queue_name("")
    with pytest.raises(ValueError, match="empty"):
        check_queue_name("")


def test_job_options_have_defaults_and_cannot_change() -> None:
    options = JobOptions()
    assert (options.queue, options.alone) == ("default", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.queue = "x"  # type: ignore[misc]


def test_job_options_are_checked_when_made() -> None:
    with pytest.raises(BadQueueName):
        JobOptions(queue="a b")
    with pytest.raises(ConfigError, match="alone must be True or False"):
        JobOptions(alone="no")  # type: ignore[arg-type]


def test_using_changes_a_copy_and_keeps_the_rest() -> None:
    options = JobOptions(queue="mail", alone=True)
    changed = options.using({"queue": "slow"})
    assert changed == JobOptions(queue="slow", alone=True)
    assert options == JobOptions(queue="mail", alone=True)
    assert options.using({}) == options


def test_using_checks_the_queue() -> None:
    with pytest.raises(BadQueueName):
        JobOptions().using({"queue": "a*"})


def test_using_refuses_unknown_options_with_a_hint() -> None:
    with pytest.raises(ConfigError, match="no option 'quue'; did you mean 'queue'"):
        JobOptions().using({"quue": "slow"})
    with pytest.raises(ConfigError, match="no option 'order_id'; known are: at, at_front"):
        JobOptions().using({"order_id": 1})


def test_alone_belongs_to_the_job_and_not_to_a_call() -> None:
    with pytest.raises(ConfigError, match="no option 'alone'"):
        JobOptions().using({"alone": True})


def test_every_option_of_a_call_is_an_option_of_a_job() -> None:
    """What the TypedDict promises to type checkers exists at run time."""
    assert set(Options.__annotations__) <= {field.name for field in dataclasses.fields(JobOptions)}


def test_what_a_job_declares() -> None:
    """Lengths of time may be text; what is not said has its default."""
    limits = Limits(memory="1G")
    declared = JobOptions.declared({"queue": "mail", "alone": True, "timeout": "5m", "limits": limits})
    assert declared == JobOptions("mail", alone=True, timeout=300.0, limits=limits)
    assert JobOptions.declared({}) == JobOptions()
    assert JobOptions.declared({"timeout": None, "limits": None}) == JobOptions()


@pytest.mark.parametrize("limits", ["512M", {"memory": "512M"}, 5, Limits])
def test_limits_are_limits(limits: object) -> None:
    with pytest.raises(ConfigError, match=r"limits must be Limits\(\.\.\.\)"):
        JobOptions.declared({"limits": limits})  # type: ignore[typeddict-item]


@pytest.mark.parametrize("timeout", [0, -1, "0s", "soon", float("nan"), ""])
def test_a_timeout_that_is_no_length_of_time(timeout: object) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        JobOptions.declared({"timeout": timeout})  # type: ignore[typeddict-item]


def test_limits_and_timeout_belong_to_the_job_and_not_to_a_call() -> None:
    for name in ("limits", "timeout"):
        with pytest.raises(ConfigError, match=f"no option '{name}'"):
            JobOptions().using({name: None})


# times, once, in front ------------------------------------------------------------------------------------------------

MOMENT = 1_900_000_000.0


@pytest.mark.parametrize("name", ["expires", "deadline", "delay"])
@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5m", 300.0), (90, 90.0), (0.5, 0.5), (timedelta(hours=1), 3600.0), ("10d", 864_000.0), (LONGEST, LONGEST)],
    ids=repr,
)
def test_lengths_of_time_become_seconds(name: str, written: object, seconds: float) -> None:
    assert getattr(JobOptions().using({name: written}), name) == seconds


@pytest.mark.parametrize("name", ["expires", "deadline", "delay"])
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("soon", "'30s', '5m'"),
        ("", "'30s', '5m'"),
        (-1, "'30s', '5m'"),
        (True, "'30s', '5m'"),
        (float("nan"), "'30s', '5m'"),
        (float("inf"), "'30s', '5m'"),
        (10**400, "too large"),
        (timedelta(seconds=-1), "'30s', '5m'"),
        (LONGEST + 1, "more than 10 years; write something shorter"),
        ("9999w", "more than 10 years"),
        (object(), "no length of time"),
        ([5], "no length of time"),
    ],
    ids=lambda each: type(each).__name__ + repr(each)[:12],
)
def test_a_bad_length_of_time_names_its_option_and_says_what_to_write(name: str, written: object, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: ") as caught:
        JobOptions().using({name: written})
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["expires", "deadline"])
def test_what_would_never_run_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: 0 is too short"):
        JobOptions().using({name: 0})


@pytest.mark.parametrize("name", ["expires", "deadline", "delay", "at", "key"])
def test_none_takes_an_option_back(name: str) -> None:
    options = JobOptions(expires=1.0, deadline=1.0)
    assert getattr(options.using({name: None}), name) is None


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-8))], ids=str)
def test_at_becomes_seconds_since_1970(zone: timezone) -> None:
    options = JobOptions().using({"at": datetime.fromtimestamp(MOMENT, zone)})
    assert options.at == MOMENT


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (datetime(2030, 1, 1), "has no time zone; write for example datetime(..., tzinfo="),  # noqa: DTZ001
        (MOMENT, "must be a datetime with a time zone"),
        ("2030-01-01T00:00Z", "must be a datetime with a time zone"),
        (timedelta(minutes=5), "for a length of time say delay="),
        (datetime(1960, 1, 1, tzinfo=UTC), "too far away"),
        (datetime(9999, 12, 31, tzinfo=UTC), "too far away"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "too far away"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_a_bad_moment_is_refused(written: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JobOptions().using({"at": written})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delay": 5, "at": datetime.fromtimestamp(MOMENT, UTC)}, "delay or at, not both"),
        ({"at_front": True, "delay": 5}, "at_front goes without delay and at"),
        ({"at_front": True, "at": datetime.fromtimestamp(MOMENT, UTC)}, "at_front goes without delay and at"),
        ({"at_front": 1}, "at_front must be True or False"),
        ({"at_front": None}, "at_front must be True or False"),
        ({"key": ""}, f"1 to {MAX_KEY} characters"),
        ({"key": "x" * (MAX_KEY + 1)}, f"1 to {MAX_KEY} characters"),
        ({"key": 5}, "key must be text"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_what_does_not_make_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JobOptions().using(options)
    assert words in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_what_does_not_go_together_is_found_over_two_steps() -> None:
    """A bound job may be changed again."""
    with pytest.raises(ConfigError, match="not both"):
        JobOptions().using({"delay": 5}).using({"at": datetime.fromtimestamp(MOMENT, UTC)})
    with pytest.raises(ConfigError, match="exclude each other"):
        JobOptions(unique=Unique()).using({"key": "k"})
    assert JobOptions().using({"delay": 5}).using({"delay": None, "at_front": True}).at_front


@pytest.mark.parametrize("name", ["retry", "unique", "timeout", "limits"])
def test_what_a_job_is_cannot_be_said_by_a_call(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no option '{name}'"):
        JobOptions().using({name: None})


@pytest.mark.parametrize("name", ["delay", "at", "at_front", "key"])
def test_what_a_call_says_cannot_be_declared(name: str) -> None:
    assert name not in Declaration.__annotations__
    declared: Any = {"queue": "mail", name: "5m"}
    assert JobOptions.declared(declared) == JobOptions(queue="mail")


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ({"retry": 5}, "retry must be Retry(...) or Retry.never"),
        ({"retry": None}, "retry must be Retry(...) or Retry.never"),
        ({"unique": True}, "unique must be Unique(...)"),
        ({"unique": ["order_id"]}, "unique must be Unique(...)"),
        ({"expires": "soon"}, "expires: "),
        ({"deadline": -1}, "deadline: "),
        ({"timeout": 0}, "timeout must be above 0"),
    ],
    ids=repr,
)
def test_a_bad_declaration_is_refused(declaration: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JobOptions.declared(declaration)
    assert words in str(caught.value)


def test_retries_are_on_by_default() -> None:
    assert JobOptions().retry == Retry(max=5)


def test_options_are_shown_by_what_differs() -> None:
    assert repr(JobOptions()) == "JobOptions()"
    assert repr(JobOptions(queue="mail").using({"delay": "5m"})) == "JobOptions(queue='mail', delay=300.0)"
