"""Settings: three sources, their order, and errors that say where a bad value came from."""

import os
from pathlib import Path
from typing import Any

import pytest

from resque.config import Settings, environment, environment_scrub, scrubbed
from resque.errors import ConfigError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own RESQUE_ variables are not part of the test."""
    for name in list(os.environ):
        if name.startswith("RESQUE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing to be found in it or above."""
    (tmp_path / "pyproject.toml").write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    return below


def test_defaults(folder: Path) -> None:
    settings = Settings.load(folder)
    assert settings == Settings()
    assert (settings.redis_url, settings.prefix, settings.wire) == ("redis://localhost:6379/0", "resque", None)
    assert settings.check() == []


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().prefix = "other"  # type: ignore[misc]


def test_a_file_wins_over_the_defaults(folder: Path) -> None:
    (folder / "resque.toml").write_text('queues = "mail"\nlease = "1m"\nconcurrency = 4\ntls_verify = false\n')
    settings = Settings.load(folder)
    assert (settings.queues, settings.lease, settings.concurrency, settings.tls_verify) == ("mail", 60.0, 4, False)


def test_a_table_in_pyproject(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.resque]\napp = ["shop.jobs", "shop.mail"]\n')
    assert Settings.load(folder).app == ("shop.jobs", "shop.mail")


def test_the_file_is_found_above(folder: Path) -> None:
    (folder.parent / "resque.toml").write_text('prefix = "above"')
    assert Settings.load(folder).prefix == "above"


def test_the_nearest_file_is_the_only_one(folder: Path) -> None:
    (folder.parent / "resque.toml").write_text('prefix = "above"\nqueues = "above"')
    (folder / "resque.toml").write_text('prefix = "near"')
    settings = Settings.load(folder)
    assert (settings.prefix, settings.queues) == ("near", "default")


def test_resque_toml_wins_over_pyproject_beside_it(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.resque]\nprefix = "project"\n')
    (folder / "resque.toml").write_text('prefix = "own"')
    assert Settings.load(folder).prefix == "own"


def test_the_current_folder_is_where_the_search_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "resque.toml").write_text('prefix = "here"')
    monkeypatch.chdir(folder)
    assert Settings.load().prefix == "here"


def test_the_environment_wins_over_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "resque.toml").write_text('prefix = "file"\nqueues = "file"')
    monkeypatch.setenv("RESQUE_PREFIX", "environment")
    settings = Settings.load(folder)
    assert (settings.prefix, settings.queues) == ("environment", "file")


def test_arguments_win_over_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESQUE_PREFIX", "environment")
    assert Settings.load(folder, prefix="argument").prefix == "argument"


def test_none_as_an_argument_is_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that was not given on the command line hides nothing."""
    monkeypatch.setenv("RESQUE_PREFIX", "environment")
    assert Settings.load(folder, prefix=None).prefix == "environment"


def test_an_empty_variable_is_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESQUE_PREFIX", "")
    assert Settings.load(folder).prefix == "resque"


def test_variables_that_are_no_settings_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RESQUE_TORTURE and the like belong to somebody else."""
    monkeypatch.setenv("RESQUE_TORTURE", "1")
    assert Settings.load(folder) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("REDIS_URL", "rediss://h:1/2", "rediss://h:1/2"),
        ("PROTOCOL", "3", 3),
        ("CONNECT_TIMEOUT", "500ms", 0.5),
        ("DRAIN", "2m", 120.0),
        ("DRAIN", "0", 0.0),
        ("MAX_PAYLOAD", "1M", 1024**2),
        ("APP", "shop.jobs, shop.mail,", ("shop.jobs", "shop.mail")),
        ("WIRE", "ruby", "ruby"),
        ("LOG_FORMAT", "json", "json"),
        ("TLS_VERIFY", "off", False),
        ("TLS_VERIFY", "Yes", True),
        ("TLS_VERIFY", "0", False),
        ("TLS_CA_FILE", "/ca.pem", "/ca.pem"),
    ],
)
def test_text_of_the_environment_becomes_values(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"RESQUE_{name}", text)
    assert getattr(Settings.load(folder), name.lower()) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"redis_url": "http://x"}, "redis_url must start with redis://, rediss:// or unix://"),
        ({"protocol": 4}, "protocol must be 2 or 3, not 4"),
        ({"protocol": "two"}, "argument: protocol: 'two' must be a whole number"),
        ({"protocol": True}, "argument: protocol: True must be a whole number"),
        ({"wire": "python"}, "wire must be 'native' or 'ruby', not 'python'"),
        ({"log_format": "xml"}, "log_format must be 'text' or 'json', not 'xml'"),
        ({"log_level": "loud"}, "log_level must be debug, info, warning or error, not 'loud'"),
        ({"prefix": ""}, "prefix '' must be non-empty"),
        ({"prefix": "a{b}"}, "without braces"),
        ({"prefix": "a b"}, "without braces, blanks"),
        ({"processes": 0}, "processes must be at least 1, not 0"),
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"max_payload": 0}, "max_payload must be at least 1, not 0"),
        ({"lease": 0}, "lease must be above 0 seconds"),
        ({"poll": "soon"}, "argument: poll: 'soon' is no length of time"),
        ({"max_payload": "much"}, "argument: max_payload: 'much' is no size"),
        ({"tls_verify": "maybe"}, "argument: tls_verify: 'maybe' must be true or false"),
        ({"queues": 5}, "argument: queues: 5 must be text"),
        ({"color": "red"}, "argument: there is no setting 'color'; known are app, burst, concurrency, connect_timeout"),
    ],
)
def test_a_bad_value_is_refused_with_a_message_that_helps(
    folder: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load(folder, **arguments)
    assert message in str(caught.value)


def test_the_message_names_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESQUE_LEASE", "long")
    with pytest.raises(ConfigError, match="environment: lease: 'long' is no length of time"):
        Settings.load(folder)


def test_the_message_names_the_file(folder: Path) -> None:
    (folder / "resque.toml").write_text('prefx = "typo"')
    with pytest.raises(ConfigError) as caught:
        Settings.load(folder)
    assert str(caught.value).startswith(f"{folder}/resque.toml: there is no setting 'prefx'")


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "resque.toml").write_text("prefix = ")
    with pytest.raises(ConfigError, match=r"resque\.toml cannot be read"):
        Settings.load(folder)


def test_a_bad_value_that_is_overridden_is_still_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in the environment does not hide behind a flag until the day the flag is gone."""
    monkeypatch.setenv("RESQUE_LEASE", "long")
    with pytest.raises(ConfigError, match="environment"):
        Settings.load(folder, lease=30)


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        ({"redis_url": "rediss://h", "tls_verify": False}, "tls_verify is off"),
        ({"lease": 5}, "lease is 5 s"),
    ],
)
def test_check_warns_of_what_works_but_will_be_regretted(folder: Path, arguments: dict[str, Any], warning: str) -> None:
    (found,) = Settings.load(folder, **arguments).check()
    assert warning in found


def test_environment_reads_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("CI", raising=False)
    assert (environment("NO_COLOR"), environment("CI")) == ("1", None)


PLAIN = ("PATH", "HOME", "LANG", "LC_ALL", "LC_TIME", "TZ", "USER", "LOGNAME", "PYTHONPATH", "PYTHONUNBUFFERED")
HIDDEN = (
    "DB_PASSWORD",
    "PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "KEYRING",
    "api_key",
    "RESQUE_APP",
    "RESQUE_REDIS_URL",
    "DATABASE_URL",
    "PYTHON_TOKEN",
    "LC_SECRET",
    "SENTRY_DSN",
    "SHOP_MODE",
    "PATHS",
    "",
)


@pytest.mark.parametrize("name", PLAIN)
def test_a_job_sees_what_every_program_needs(name: str) -> None:
    assert scrubbed({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_job_sees_nothing_else_unless_it_is_kept_by_name(name: str) -> None:
    assert scrubbed({name: "x"}) == {}
    assert scrubbed({name: "x"}, keep=[name]) == {name: "x"}


def test_a_pattern_keeps_settings_but_no_secrets() -> None:
    before = {"SHOP_MODE": "eu", "SHOP_TOKEN": "t", "SHOP_DB_URL": "u", "OTHER": "o"}
    assert scrubbed(before, keep=["SHOP_*", "SHOP_DB_URL"]) == {"SHOP_MODE": "eu", "SHOP_DB_URL": "u"}
    assert scrubbed(before, keep=["*"]) == {"SHOP_MODE": "eu", "OTHER": "o"}


def test_scrubbing_changes_this_process_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"PATH": "/bin", "RESQUE_REDIS_URL": "u", "MODE": "m"}
    monkeypatch.setattr(os, "environ", before)
    environment_scrub(keep=["MODE"])
    assert before == {"PATH": "/bin", "MODE": "m"}


CRON = '[cron.nightly]\nclass = "Report"\nqueue = "reports"\ncron = "0 6 * * *"\n'


def test_cron_entries_come_from_the_file(folder: Path) -> None:
    """As they are: what a table means is not known here."""
    (folder / "resque.toml").write_text('prefix = "shop"\n' + CRON)
    settings = Settings.load(folder)
    table = {"class": "Report", "queue": "reports", "cron": "0 6 * * *"}
    assert (settings.cron.by_name, settings.cron.file) == ({"nightly": table}, str(folder / "resque.toml"))
    assert hash(settings) == hash(Settings.load(folder))


def test_cron_entries_in_pyproject(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(CRON.replace("[cron.", "[tool.resque.cron."))
    assert set(Settings.load(folder).cron.by_name) == {"nightly"}


def test_a_file_without_cron_entries_is_known_all_the_same(folder: Path) -> None:
    """The last one may have been taken out of it."""
    (folder / "resque.toml").write_text("")
    cron = Settings.load(folder).cron
    assert (cron.by_name, cron.file) == ({}, str(folder / "resque.toml"))


@pytest.mark.parametrize("text", ['cron = "0 6 * * *"', "cron = [1]", 'cron.nightly = "0 6 * * *"', "cron = {a = 1}"])
def test_cron_is_a_table_of_tables(folder: Path, text: str) -> None:
    (folder / "resque.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"resque\.toml: cron must hold a table for each entry"):
        Settings.load(folder)


def test_cron_is_in_the_file_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="argument: cron is written in the settings file only"):
        Settings.load(folder, cron={"nightly": {}})
    monkeypatch.setenv("RESQUE_CRON", "0 6 * * *")
    with pytest.raises(ConfigError, match="environment: cron is written in the settings file only"):
        Settings.load(folder)
