"""`resque worker`: what is said before anything starts, and what the process does at its end."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import TOP, Run
from tests.leftovers import Spawner

Start = Callable[..., Any]


@pytest.fixture
def start(spawn: Spawner, url: str, tmp_path: Path) -> Start:
    """start("-A", "app", app="text of the module") -> a worker as a user starts it."""

    def start(*words: str, app: str = "", env: dict[str, str] | None = None) -> Any:
        (tmp_path / "app.py").write_text(app)
        return spawn(
            *(sys.executable, "-m", "resque", "worker", *words),
            env={"RESQUE_REDIS_URL": url, "PYTHONPATH": str(TOP), **(env or {})},
            cwd=tmp_path,
            stdout=-1,
            stderr=-1,
            text=True,
        )

    return start


def test_without_an_app_it_is_exit_2(run: Run) -> None:
    ended = run("worker")
    assert (ended.code, ended.out) == (2, "")
    assert "-A" in ended.err
    assert "RESQUE_APP" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("-q", "a b"),
        ("-q", ","),
        ("--processes", "0"),
        ("--concurrency", "many"),
        ("--drain", "soon"),
        ("--lease", "-1"),
        ("--log-level", "loud"),
        ("--log-format", "xml"),
    ],
)
def test_a_setting_that_cannot_be_is_exit_2(run: Run, words: tuple[str, ...]) -> None:
    ended = run("worker", "-A", "app", *words)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 2


def test_an_app_that_cannot_be_imported_is_exit_4(start: Start) -> None:
    out, err = (process := start("-A", "no_such_module")).communicate(timeout=30)
    assert (process.returncode, out) == (4, "")
    assert "resque: the module 'no_such_module' cannot be imported" in err


def test_term_ends_it_well_and_the_log_is_json_on_stderr(start: Start) -> None:
    process = start("-A", "app", "--log-format", "json", "--processes", "2", "-q", "a,b")
    timer = threading.Timer(30, process.kill)
    timer.start()
    lines: list[dict[str, Any]] = []
    while sum(line["event"] == "worker.started" for line in lines) < 2:
        lines.append(json.loads(process.stderr.readline()))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    timer.cancel()
    assert (process.returncode, out) == (0, "")
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[0] == "supervisor.stopping"
    assert events.count("worker.stopped") == 2
    assert events[-1] == "supervisor.stopped"


def test_a_short_lease_is_warned_of(start: Start) -> None:
    process = start("-A", "app", "--lease", "2s")
    line = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert "settings.risky" in line
    assert "lease is 2 s" in line


def test_a_wrong_cron_entry_of_the_settings_file_is_exit_2_and_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "resque.toml").write_text('[cron.nightly]\nclass = "Report"\nqueue = "q"\ncron = "0 25 * * *"\n')
    worker = start("-A", "app")
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out) == (2, "")
    assert "resque.toml: cron entry 'nightly': " in err
    assert "hour must be 0-23" in err
