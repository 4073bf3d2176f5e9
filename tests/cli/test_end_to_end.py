"""A worker, jobs and an operator, each started as a user starts it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import TOP
from tests.leftovers import Spawner

APP = """
from pathlib import Path

from resque import Job, Retry


class Write(Job):
    queue = "writing"

    def perform(self, name: str, *, text: str = "") -> None:
        Path(name).write_text(text)


class Read(Job):
    queue = "reading"
    retry = Retry.never

    def perform(self, name: str) -> None:
        Path(name + ".read").write_text(Path(name).read_text())
"""


def wait_for(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"not within 30 s: {what}"
        time.sleep(0.02)


def test_enqueue_work_fail_mend_retry_stop(spawn: Spawner, url: str, tmp_path: Path, redis: Any) -> None:
    (tmp_path / "app.py").write_text(APP)
    env = {"RESQUE_REDIS_URL": url, "RESQUE_APP": "app", "PYTHONPATH": str(TOP)}

    def resque(*words: str, code: int = 0) -> str:
        process = spawn(
            *(sys.executable, "-m", "resque", *words),
            env=env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=-1,
            stderr=-1,
            text=True,
        )
        out, err = process.communicate(timeout=30)
        assert process.returncode == code, err
        return str(out)

    log = tmp_path / "log"
    with log.open("w") as stderr:
        worker = spawn(
            *(sys.executable, "-m", "resque", "worker", "-q", "writing,reading"), env=env, cwd=tmp_path, stderr=stderr
        )

    resque("enqueue", "Write", "one.txt", "--kwarg", "text=hello")
    wait_for((tmp_path / "one.txt").exists, "the job has run")
    assert (tmp_path / "one.txt").read_text() == "hello"

    id = resque("enqueue", "Read", "two.txt").strip()
    wait_for(lambda: redis.llen("resque:failed"), "the job has failed")
    header, line = resque("failed", "ls").splitlines()
    record = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert (record["id"], record["queue"], record["job"]) == (id, "reading", "Read")
    assert record["exception"] == "FileNotFoundError"
    shown = resque("failed", "show", id)
    assert 'args\t["two.txt"]' in shown
    assert "in perform" in shown

    (tmp_path / "two.txt").write_text("mended")
    assert resque("failed", "retry", id) == f"retried {id} (queue reading)\n"
    wait_for((tmp_path / "two.txt.read").exists, "the job has run again")
    resque("failed", "show", id, code=5)
    assert "idle" in resque("workers", "ls") or "working" in resque("workers", "ls")
    wait_for(lambda: "processed\t3" in resque("info"), "three jobs are counted")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    lines = log.read_text()
    assert f"job.failed id={id}" in lines
    assert "two.txt" not in lines.replace("No such file or directory: 'two.txt'", "")
    assert "job.finished" not in lines
    assert resque("workers", "ls").count("\n") == 1
