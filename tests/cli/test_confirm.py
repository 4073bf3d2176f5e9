"""Nothing is destroyed without a yes."""

from collections.abc import Callable

import pytest

from tests.admin.conftest import Shop, payload
from tests.cli.conftest import Run

DESTRUCTIVE = [
    ("queue", "purge", "mail"),
    ("failed", "discard", "job-0"),
    ("failed", "discard", "--all"),
    ("failed", "retry", "--all"),
]


@pytest.fixture
def full(shop: Shop) -> Shop:
    """Three jobs wait, three have failed."""
    for number in range(3):
        shop.push("mail", payload(number))
        shop.fail(payload(number), queue="retried")
    return shop


@pytest.fixture
def state(full: Shop) -> Callable[[], tuple[int, int]]:
    """How many wait, how many are in failed."""
    return lambda: (len(full.waiting("mail")), full.failed())


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_without_a_terminal_yes_is_needed(run: Run, state: Callable[[], object], words: tuple[str, ...]) -> None:
    ended = run(*words, input="y\n")
    assert (ended.code, ended.out) == (6, "")
    assert ended.err.startswith("resque: refused to ")
    assert "--yes" in ended.err
    assert state() == (3, 3)


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_a_dry_run_says_what_and_how_many(run: Run, state: Callable[[], object], words: tuple[str, ...]) -> None:
    ended = run(*words, "--dry-run")
    assert ended.code == 0
    assert ended.err.startswith("would ")
    assert ("1 failed job" if words[-1] == "job-0" else " 3 ") in ended.err
    assert state() == (3, 3)


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_with_yes_it_is_done(run: Run, state: Callable[[], object], words: tuple[str, ...]) -> None:
    assert run(*words, "--yes").code == 0
    assert state() != (3, 3)


@pytest.mark.parametrize("words", DESTRUCTIVE, ids=" ".join)
def test_a_terminal_is_asked(at_terminal: Run, state: Callable[[], object], words: tuple[str, ...]) -> None:
    no = at_terminal(*words, type="n\n")
    assert no.code == 6
    assert "[y/N]" in no.out
    assert "nothing was changed" in no.out
    assert state() == (3, 3)
    yes = at_terminal(*words, type="y\n")
    assert (yes.code, "[y/N]" in yes.out) == (0, True)
    assert state() != (3, 3)


def test_what_is_asked_names_a_hostile_queue_harmlessly(run: Run, shop: Shop) -> None:
    shop.push("\x1b[31mred\u202e", b"x")
    ended = run("queue", "purge", "\x1b[31mred\u202e")
    assert ended.code == 6
    assert ended.err.replace("\n", "").isprintable()


def test_long_work_shows_a_bar_on_a_terminal(at_terminal: Run, full: Shop) -> None:
    ended = at_terminal("failed", "discard", "--all", "--yes")
    assert "discarded …" in ended.out
    assert "3/3" in ended.out
    assert "discarded 3 failed jobs" in ended.out
