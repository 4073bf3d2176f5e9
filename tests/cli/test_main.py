"""The command itself: quick to answer, helpful when it is called wrongly."""

import os
import subprocess
import sys
from importlib import import_module

import click
import pytest

from resque import __version__
from resque.cli import main
from tests.cli.conftest import TOP, Run


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(TOP), **env}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=variables)


HEAVY = "[m for m in ('redis', 'hiredis', 'rich', 'msgspec', 'resque.store', 'resque.admin') if m in sys.modules]"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], [], ["quue"]], ids=str)
def test_help_imports_nothing_that_is_slow(words: list[str]) -> None:
    done = python(
        f"import sys\nsys.argv = ['resque', *{words!r}]\nfrom resque.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\nprint('HEAVY', {HEAVY})"
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stdout + done.stderr


@pytest.mark.parametrize(("typed", "offered"), [("", "queue"), ("wor", "workers"), ("--red", "--redis-url")])
def test_completion_imports_nothing_that_is_slow(typed: str, offered: str) -> None:
    done = python(
        "import sys\nsys.argv = ['resque']\nfrom resque.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\nprint('HEAVY', {HEAVY})",
        _RESQUE_COMPLETE="bash_complete",
        COMP_WORDS=f"resque {typed}",
        COMP_CWORD="1",
    )
    *offers, heavy = done.stdout.splitlines()
    assert f"plain,{offered}" in offers, done.stdout + done.stderr
    assert heavy == "HEAVY []"


def test_completion_knows_the_commands_of_a_noun() -> None:
    done = python(
        "import sys\nsys.argv = ['resque']\nfrom resque.cli.main import main\nmain()",
        _RESQUE_COMPLETE="bash_complete",
        COMP_WORDS="resque queue p",
        COMP_CWORD="2",
    )
    assert done.stdout.splitlines() == ["plain,pause", "plain,purge"]


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_list_in_the_help_is_true(name: str) -> None:
    found = import_module(f"resque.cli.{name}").command
    assert isinstance(found, click.Command)
    assert (found.name, found.get_short_help_str(200)) == (name, main.COMMANDS[name])


def test_python_m_resque_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resque", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )
    assert (done.returncode, done.stdout) == (0, f"resque {__version__}\n")


def test_the_help_names_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert [name for name in main.COMMANDS if f"  {name} " not in ended.out] == []


@pytest.mark.parametrize("words", [(), ("queue",), ("job",), ("delayed",), ("cron",), ("failed",), ("workers",)])
def test_without_a_command_the_help_is_shown_and_that_is_no_success(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert ended.code == 2
    assert "Usage: resque" in ended.out
    assert "Commands:" in ended.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("quue", "ls"), "did you mean 'queue'"),
        (("xyz",), "there are: worker, enqueue"),
        (("queue", "purg"), "did you mean 'purge'?"),
        (("failed", "zzz"), "there are: discard, ls, retry, show"),
    ],
)
def test_a_wrong_command_is_answered_with_the_right_one(run: Run, words: tuple[str, ...], hint: str) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    message, second = ended.err.splitlines()
    assert message.startswith("resque: ")
    assert "has no command" in message
    assert second.startswith("  ")
    assert hint in second


@pytest.mark.parametrize(
    "words",
    [
        ("--nope",),
        ("queue", "ls", "--nope"),
        ("queue", "show"),
        ("queue", "show", "a", "--count", "x"),
    ],
)
def test_wrong_usage_is_two_lines_and_exit_2(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 2
    assert "--help'" in ended.err


def test_an_error_of_our_own_making_asks_for_a_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(console: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("resque.admin.queues.every", broken)
    ended = run("queue", "ls")
    assert ended.code == 1
    assert "unexpected ZeroDivisionError: a fault" in ended.err
    assert "Traceback" not in ended.err
    for words in (("-v", "queue", "ls"), ("queue", "-v", "ls"), ("queue", "ls", "-v")):
        verbose = run(*words)
        assert "Traceback" in verbose.err
        assert "test_main.py" in verbose.err
        assert verbose.err.splitlines()[-2].startswith("resque: unexpected")


def test_a_reader_that_leaves_is_no_error() -> None:
    shell = f"{sys.executable} -m resque --help | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(TOP)}
    )
    assert "Traceback" not in done.stderr
