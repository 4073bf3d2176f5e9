"""`resque torture`: which server it takes, what it refuses, and its exit codes."""

from typing import Any

import pytest

from resque.dev.torture import run as torture
from resque.dev.torture.run import Plan
from tests.cli.conftest import Run


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What the command would run; nothing is run."""
    seen: list[Plan] = []

    def take(plan: Plan) -> int:
        seen.append(plan)
        return 0

    monkeypatch.setattr(torture, "main", take)
    return seen


def test_without_a_url_it_takes_a_server_of_its_own(run: Run, plans: list[Plan]) -> None:
    assert run("torture", env={"RESQUE_REDIS_URL": ""}).code == 0
    (plan,) = plans
    assert plan.is_embedded
    assert plan.given == {"redis_url": None, "prefix": None, "wire": None}
    assert (plan.seconds, plan.workers, plan.producers, plan.chaos_every) == (60, 4, 2, 3)


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--redis-url", "redis://127.0.0.1:7/0"], ""),
        (["--redis-url", "redis://localhost:6379/0"], ""),
        ([], "redis://127.0.0.1:7/0"),
        ([], "redis://localhost:6379/0"),
    ],
    ids=["option", "option with the default", "variable", "variable with the default"],
)
def test_with_one_it_takes_that(run: Run, plans: list[Plan], words: list[str], env: str) -> None:
    assert run("torture", *words, env={"RESQUE_REDIS_URL": env}).code == 0
    assert not plans[0].is_embedded


def test_the_prefix_of_the_environment_is_never_taken(run: Run, plans: list[Plan]) -> None:
    """It is that of the user's own jobs."""
    run("torture", env={"RESQUE_PREFIX": "shop"})
    run("torture", "--prefix", "torn")
    assert [plan.given["prefix"] for plan in plans] == [None, "torn"]


def test_options_reach_the_plan(run: Run, plans: list[Plan]) -> None:
    words = "--seconds 2m --workers 3 --producers 5 --rate 50 --chaos-every 0 --lease 20s --seed 7 --json --keep"
    assert run("torture", *words.split()).code == 0
    (plan,) = plans
    assert (plan.seconds, plan.workers, plan.producers, plan.rate) == (120, 3, 5, 50)
    assert (plan.chaos_every, plan.lease, plan.seed, plan.as_json, plan.keep) == (0, 20, 7, True, True)


@pytest.mark.parametrize(
    "words",
    [
        ["--seconds", "soon"],
        ["--seconds", "0"],
        ["--workers", "0"],
        ["--producers", "x"],
        ["--rate", "0"],
        ["--lease", "1ms"],
        ["--chaos-every", "-1"],
        ["--prefix", "a*b"],
    ],
    ids=" ".join,
)
def test_nonsense_is_exit_2(run: Run, plans: list[Plan], words: list[str]) -> None:
    ended = run("torture", *words)
    assert ended.code == 2, ended.err
    assert plans == []


def test_a_server_that_cannot_be_reached_is_exit_3(run: Run) -> None:
    ended = run("torture", "--redis-url", "redis://127.0.0.1:1/0")
    assert ended.code == 3
    assert "no connection to Redis" in ended.err
    assert "is the server up?" in ended.err


def test_a_prefix_in_use_is_exit_2_and_stays_as_it_is(run: Run, redis: Any) -> None:
    redis.set("shop:cart", 1)
    ended = run("torture", "--prefix", "shop")
    assert ended.code == 2
    assert "holds keys already (shop:cart)" in ended.err
    assert redis.keys("*") == [b"shop:cart"]


def test_at_a_terminal_it_reports_in_words_and_leaves_nothing(at_terminal: Run, redis: Any) -> None:
    ended = at_terminal("torture", "--seconds", "2", "--chaos-every", "500ms", "--lease", "1s", "--workers", "2")
    assert ended.code == 0, ended.out
    assert "Good: nothing was lost, nothing was counted twice." in ended.out
    assert "killed worker process" in ended.out
    assert redis.keys("*") == []
