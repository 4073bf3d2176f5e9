"""Options that all commands take: before or after the name, over the environment, over the file."""

from pathlib import Path

import pytest

from tests.admin.conftest import Shop, payload
from tests.cli.conftest import Run


@pytest.fixture
def two_prefixes(shop: Shop) -> Shop:
    """A queue in the namespace `shop`, none in the usual one."""
    shop.redis.sadd("shop:queues", "mail")
    shop.redis.set("shop:wire", "native")
    return shop


@pytest.mark.parametrize(
    "words",
    [
        ("--prefix", "shop", "queue", "ls"),
        ("queue", "--prefix", "shop", "ls"),
        ("queue", "ls", "--prefix", "shop"),
        ("--prefix", "other", "queue", "ls", "--prefix", "shop"),
    ],
)
def test_a_setting_may_stand_anywhere_and_the_last_wins(run: Run, two_prefixes: Shop, words: tuple[str, ...]) -> None:
    assert [row[0] for row in run(*words).rows] == ["mail"]


def test_the_environment_gives_way_to_the_option(run: Run, two_prefixes: Shop) -> None:
    assert run("queue", "ls", env={"RESQUE_PREFIX": "shop"}).rows[0][0] == "mail"
    assert run("queue", "ls", "--prefix", "resque", env={"RESQUE_PREFIX": "shop"}).rows == []


def test_the_settings_file_is_read(
    run: Run, two_prefixes: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resque.toml").write_text('prefix = "shop"\n')
    assert run("queue", "ls").rows[0][0] == "mail"


def test_a_password_in_the_command_line_is_warned_of(run: Run, url: str) -> None:
    port = url.rsplit(":", 1)[1]
    ended = run("queue", "ls", "--redis-url", f"redis://user:secret@localhost:{port}")
    assert "set RESQUE_REDIS_URL instead" in ended.err
    assert "secret" not in ended.err


def test_a_password_in_the_environment_is_not(run: Run) -> None:
    ended = run("queue", "ls", env={"RESQUE_REDIS_URL": "redis://user:secret@localhost:1"})
    assert "warning" not in ended.err
    assert "secret" not in ended.err


def test_no_server_is_exit_3(run: Run) -> None:
    ended = run("queue", "ls", "--redis-url", "redis://localhost:1")
    assert ended.code == 3
    assert ended.err.splitlines()[0].startswith("resque: no connection to Redis")
    assert "RESQUE_REDIS_URL" in ended.err


@pytest.mark.parametrize("words", [("--redis-url", "http://x"), ("--prefix", "a b"), ("--wire", "up")])
def test_a_setting_that_cannot_be_is_exit_2(run: Run, words: tuple[str, str]) -> None:
    assert run("queue", "ls", *words).code == 2


def test_a_guess_of_the_direction_is_told(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.redis.delete(shop.keys.marker())
    assert "say --wire ruby" in run("queue", "ls").err
    assert run("queue", "ls", "--wire", "ruby").err == ""


def test_what_redis_refuses_is_exit_6(run: Run, shop: Shop) -> None:
    shop.redis.set(shop.keys.queues(), "x")
    ended = run("queue", "ls")
    assert ended.code == 6
    assert "WRONGTYPE" in ended.err
