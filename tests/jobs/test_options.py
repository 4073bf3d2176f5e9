"""Names of queues and the options of a call."""

import dataclasses

import pytest

from resque.errors import BadQueueName, ConfigError, JobError
from resque.jobs.limits import Limits
from resque.jobs.options import JobOptions, Options, check_queue_name


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
    with pytest.raises(ConfigError, match="no option 'order_id'; known are: queue"):
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
