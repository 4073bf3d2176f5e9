"""`resque cron`."""

import json
import time

import pytest

from tests.admin.conftest import Shop
from tests.admin.times import entry, fired, raw_entry
from tests.cli.conftest import Run

MORNING = 1_795_500_000.0
"""2026-11-24 06:00 UTC, a Tuesday."""


@pytest.fixture
def morning(monkeypatch: pytest.MonkeyPatch) -> float:
    """What the clock shows to commands that `run` runs."""
    monkeypatch.setattr("resque.clock.now", lambda: MORNING)
    return MORNING


@pytest.fixture
def entries(shop: Shop) -> Shop:
    """Three entries, one of them disabled."""
    entry(shop, "nightly", cron="0 6 * * mon-fri", tz="Europe/Berlin", description="sums up")
    entry(shop, "often", every=300, queue="mail", job="Poll")
    entry(shop, "old", cron="@daily")
    shop.redis.sadd(shop.keys.cron_disabled(), "old")
    fired(shop, "nightly", 1_795_410_000, 1_795_496_400)
    return shop


def test_ls_is_one_line_an_entry(run: Run, entries: Shop, morning: float) -> None:
    ended = run("cron", "ls")
    assert ended.code == 0
    header = "name\tenabled\tschedule\tqueue\tjob\tnext\tlast\tlast_id\tdescription\ttrouble"
    assert ended.out.splitlines()[0] == header
    nightly = "nightly true 0_6_*_*_mon-fri_(Europe/Berlin) reports Report 1795582800.0 1795496400.0 run-1795496400"
    assert ended.rows[0] == [*(word.replace("_", " ") for word in nightly.split()), "sums up", ""]
    assert ended.rows[1] == ["often", "true", "every 5 minutes", "mail", "Poll", "1795500300.0", "", "", "", ""]
    assert ended.rows[2][:6] == ["old", "false", "@daily", "reports", "Report", ""]


def test_ls_as_json_and_on_a_terminal(run: Run, at_terminal: Run, entries: Shop) -> None:
    nightly, often, old = run("cron", "ls", "--json").json
    assert (nightly["last"], nightly["last_id"], old["enabled"], old["next"]) == (
        1_795_496_400.0,
        "run-1795496400",
        False,
        None,
    )
    assert time.time() <= often["next"] <= time.time() + 300
    out = at_terminal("cron", "ls").out
    assert "in " in out
    assert "\t" not in out


def test_an_entry_that_cannot_be_read_is_told(run: Run, entries: Shop) -> None:
    raw_entry(entries, "wrong", cron="61 * * * *")
    entries.redis.hset(entries.keys.cron(), "\x1b[2Jbad", b"\xff")
    by_name = {row[0]: row for row in run("cron", "ls").rows}
    assert len(by_name) == 5
    assert "minute must be 0-59" in by_name["wrong"][-1]
    assert run("cron", "ls").out.replace("\t", "").replace("\n", "").isprintable()
    ended = run("cron", "show", "wrong")
    assert ended.code == 0
    assert "minute must be 0-59" in ended.out


def test_next_merges_what_is_enabled(run: Run, entries: Shop, morning: float) -> None:
    entry(entries, "hourly", cron="@hourly")
    ended = run("cron", "next", "--count", "4")
    assert ended.out.splitlines()[0] == "at\tname\tjob\tqueue"
    assert ended.rows == [[f"{MORNING + 300 * n}", "often", "Poll", "mail"] for n in range(1, 5)]
    names = [row[1] for row in run("cron", "next", "--count", "13").rows]
    assert names[11:] == ["hourly", "often"]
    assert "old" not in names


def test_next_of_one(run: Run, entries: Shop, morning: float) -> None:
    found = run("cron", "next", "nightly", "--count", "3", "--json").json
    assert [each["at"] for each in found] == [1_795_582_800.0, 1_795_669_200.0, 1_795_755_600.0]
    assert run("cron", "next", "old").rows == []


def test_show_has_everything(run: Run, at_terminal: Run, entries: Shop, morning: float) -> None:
    lines = run("cron", "show", "nightly").out.splitlines()
    assert "schedule\t0 6 * * mon-fri (Europe/Berlin)" in lines
    assert "explained\tAt 06:00 on Monday through Friday (Europe/Berlin)" in lines
    assert "next\t1795582800.0" in lines
    assert len([line for line in lines if line.startswith("next\t")]) == 5
    assert lines[-2:] == ["runs\t1795496400 run-1795496400", "runs\t1795410000 run-1795410000"]
    document = run("cron", "show", "nightly", "--json").json
    assert (document["missed"], document["args"], len(document["next"])) == ("skip", [], 5)
    assert document["runs"][0] == {"tick": 1_795_496_400.0, "id": "run-1795496400"}
    assert "2026-11-24 05:00:00 UTC run-1795496400" in at_terminal("cron", "show", "nightly").out


def test_run_enqueues_once_and_prints_the_id(run: Run, entries: Shop) -> None:
    ended = run("cron", "run", "old")
    (raw,) = entries.waiting("reports")
    assert (ended.code, ended.err, ended.out.strip()) == (0, "", json.loads(raw)["meta"]["id"])
    document = run("cron", "run", "often", "--json").json
    assert (document["queue"], document["job"]) == ("mail", "Poll")
    assert json.loads(entries.waiting("mail")[0])["meta"]["id"] == document["id"]


def test_an_entry_that_holds_no_job_cannot_be_run(run: Run, entries: Shop) -> None:
    entries.redis.hset(entries.keys.cron(), "bad", b"[]")
    ended = run("cron", "run", "bad")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("resque: cron entry 'bad' cannot be read: ")
    assert ended.err.endswith("\n  nothing was enqueued\n")


def test_disable_and_enable(run: Run, entries: Shop) -> None:
    assert run("cron", "disable", "nightly").out == "nightly fires no more\n"
    assert run("cron", "disable", "nightly").out == "nightly was disabled already\n"
    assert entries.redis.smembers(entries.keys.cron_disabled()) == {b"old", b"nightly"}
    assert run("cron", "enable", "nightly").out == "nightly fires again\n"
    assert run("cron", "enable", "nightly").out == "nightly was enabled already\n"
    assert entries.redis.smembers(entries.keys.cron_disabled()) == {b"old"}


@pytest.mark.parametrize("verb", ["next", "show", "run", "enable", "disable"])
def test_an_unknown_entry_is_exit_5_with_a_guess(run: Run, entries: Shop, verb: str) -> None:
    ended = run("cron", verb, "nigtly")
    assert (ended.code, ended.out) == (5, "")
    assert ended.err == "resque: there is no cron entry 'nigtly'\n  did you mean 'nightly'?\n"
    assert "'resque cron ls' lists them" in run("cron", verb, "xyz").err
    assert entries.redis.smembers(entries.keys.cron_disabled()) == {b"old"}


def test_without_entries_there_is_an_empty_table(run: Run, shop: Shop) -> None:
    assert run("cron", "ls", "--json").json == []
    assert run("cron", "next").rows == []
    assert "there are no entries yet" in run("cron", "show", "x").err
