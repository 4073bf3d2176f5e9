"""`resque info`, once and watched."""

import json
import os
import signal
import sys
import threading
from typing import Any

import pytest

from resque import clock
from tests.admin.conftest import Shop, payload
from tests.cli.conftest import TOP, Run
from tests.leftovers import Spawner


@pytest.fixture
def busy(shop: Shop) -> Shop:
    """One job waits; the last minute had some."""
    shop.push("mail", payload(1))
    shop.redis.set(shop.keys.stat("processed"), 12345)
    minute = int(clock.now() // 60)
    for number in (minute - 1, minute):
        shop.redis.hset(shop.keys.metrics("mail", number), mapping={"SendMail|done": 7, "SendMail|r20": 7})
    return shop


def test_numbers_in_a_pipe(run: Run, busy: Shop) -> None:
    ended = run("info")
    assert ended.code == 0
    first, second = ended.out.strip().split("\n\n")
    assert "processed\t12345" in first.splitlines()
    assert "waiting\t1" in first.splitlines()
    assert second.splitlines()[0] == "job\tdone\tfailed\tp50\tp95"
    assert second.splitlines()[1].split("\t")[:3] == ["SendMail", "7", "0"]


def test_numbers_on_a_terminal(at_terminal: Run, busy: Shop) -> None:
    out = at_terminal("info").out
    assert "12,345" in out
    assert "1.0 s" in out


def test_numbers_as_json(run: Run, busy: Shop) -> None:
    document = run("info", "--json").json
    assert (document["processed"], document["waiting"], document["paused"]) == (12345, 1, [])
    assert document["minute"][0]["job"] == "SendMail"


def test_a_bad_interval_is_exit_2(run: Run) -> None:
    assert run("info", "--watch", "--interval", "soon").code == 2


def test_watching_without_a_server_is_exit_3(run: Run) -> None:
    assert run("info", "--watch", "--redis-url", "redis://localhost:1").code == 3


@pytest.mark.parametrize("options", [(), ("--json",)], ids=str)
def test_watching_repeats_until_ctrl_c_and_that_is_a_success(
    spawn: Spawner, url: str, busy: Shop, options: tuple[str, ...]
) -> None:
    process: Any = spawn(
        *(sys.executable, "-m", "resque", "info", "--watch", "--interval", "100ms", *options),
        env={"RESQUE_REDIS_URL": url, "PYTHONPATH": str(TOP)},
        stdout=-1,
        stderr=-1,
        text=True,
    )
    begins = '{"processed"' if options else "processed\t"
    seen: list[str] = []
    timer = threading.Timer(20, process.kill)
    timer.start()
    while sum(line.startswith(begins) for line in seen) < 3:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        seen.append(line)
        if len(seen) == 1:
            busy.redis.set(busy.keys.stat("processed"), 777)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=20)[1]
    timer.cancel()
    assert (process.returncode, err) == (0, "")
    assert "777" in "".join(seen)
    if options:
        assert all(json.loads(line) for line in seen)


def test_watching_outlives_a_redis_that_goes_away(spawn: Spawner, start_server: Any) -> None:
    server = start_server()
    process: Any = spawn(
        *(sys.executable, "-m", "resque", "info", "--watch", "--interval", "100ms", "--json"),
        env={"RESQUE_REDIS_URL": server.url, "PYTHONPATH": str(TOP)},
        stdout=-1,
        stderr=-1,
        text=True,
    )
    timer = threading.Timer(30, process.kill)
    timer.start()
    assert process.stdout.readline().startswith("{")
    server.kill()
    assert "trying again" in process.stderr.readline()
    server.start()
    os.set_blocking(process.stderr.fileno(), False)
    assert process.stdout.readline().startswith("{")
    assert process.stdout.readline().startswith("{")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    timer.cancel()
    assert process.returncode == 0


def test_what_time_has_to_do_with_is_among_the_numbers(run: Run, busy: Shop) -> None:
    for number, name in enumerate(("retried", "expired", "cancelled", "deduplicated"), 1):
        busy.redis.set(busy.keys.stat(name), number)
    busy.redis.zadd(busy.keys.delayed("mail"), {"a": 1, "b": 2})
    lines = run("info").out.splitlines()
    for line in ("retried\t1", "expired\t2", "cancelled\t3", "deduplicated\t4", "delayed\t2", "all paused\tfalse"):
        assert line in lines
    document = run("info", "--json").json
    assert (document["delayed"], document["deduplicated"], document["all_paused"]) == (2, 4, False)
