"""`resque queue`."""

import json
import socket
import time

import pytest

from tests.admin.conftest import Shop, payload
from tests.cli.conftest import Run


def test_ls_is_one_line_a_queue(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.push("mail", payload(2))
    shop.push("default", b'{"class":"A"}')
    ended = run("queue", "ls")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "name\twaiting\tin_flight\toldest\tpaused\toversize\ttrouble"
    assert ended.rows[0] == ["default", "1", "0", "", "false", "0", ""]
    assert ended.rows[1][:3] == ["mail", "2", "0"]
    assert float(ended.rows[1][3]) > 0


def test_ls_as_json(run: Run, shop: Shop) -> None:
    assert run("queue", "ls", "--json").json == []
    shop.push("mail", payload(1))
    (mail,) = run("queue", "ls", "--json").json
    assert (mail["name"], mail["waiting"], mail["paused"]) == ("mail", 1, False)


def test_ls_on_a_terminal_is_a_table(at_terminal: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    out = at_terminal("queue", "ls").out
    assert "in flight" in out
    assert "\t" not in out
    assert "\x1b[" in out
    assert "\x1b[" not in at_terminal("queue", "ls", env={"TERM": "dumb"}).out


def test_no_color_is_honoured(at_terminal: Run, shop: Shop) -> None:
    """Bold may stay; colours (30 to 38 and 90 to 97) may not."""
    shop.push("mail", payload(1))
    out = at_terminal("queue", "ls", env={"NO_COLOR": "1"}).out
    assert not any(f"\x1b[{code}m" in out or f";{code}m" in out for code in (*range(30, 39), *range(90, 98)))


def test_show_lists_the_next_jobs_first(run: Run, shop: Shop) -> None:
    for number in range(5):
        shop.push("mail", payload(number, "a@b", number))
    shop.push("mail", b"\xff")
    ended = run("queue", "show", "mail", "--start", "1", "--count", "2")
    assert [row[:3] for row in ended.rows] == [["1", "job-1", "SendMail"], ["2", "job-2", "SendMail"]]
    assert [row[3] for row in ended.rows] == ['["a@b",1]', '["a@b",2]']
    (last,) = run("queue", "show", "mail", "--start", "5", "--json").json
    assert (last["job"], last["bytes"]) == (None, 1)
    assert "UTF-8" in last["unreadable"]


def test_an_unknown_queue_is_exit_5_with_a_guess(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    for words in (("show", "mial"), ("purge", "mial", "--yes")):
        ended = run("queue", *words)
        assert (ended.code, ended.out) == (5, "")
        assert ended.err == "resque: there is no queue 'mial'\n  did you mean 'mail'?\n"
    assert "'resque queue ls' lists the queues" in run("queue", "show", "xyz").err


def test_purge_tells_how_many(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.push("mail", payload(2))
    assert run("queue", "purge", "mail", "--yes").out == "dropped 2 waiting jobs of the queue mail\n"
    assert run("queue", "purge", "mail", "--yes", "--json").json == {"queue": "mail", "purged": 0}
    assert shop.waiting("mail") == []


def test_hostile_payloads_are_harmless(run: Run, at_terminal: Run, shop: Shop) -> None:
    shop.push("mail", payload(1, "[red]x", "\x1b]0;owned\x07", "\u202egnp.exe", {"\x9b2J": "\t\n"}))
    piped = run("queue", "show", "mail").out
    assert len(piped.splitlines()) == 2
    assert piped.replace("\t", "").replace("\n", "").isprintable()
    shown = at_terminal("queue", "show", "mail", env={"TERM": "dumb"}).out
    assert shown.replace("\n", "").isprintable()
    assert "[red]x" in shown


def test_pause_and_resume_one(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    shop.push("other", payload(2))
    ended = run("queue", "pause", "mail")
    assert (ended.code, ended.out, ended.err) == (0, "the queue mail is paused\n", "")
    note = json.loads(shop.redis.get(shop.keys.paused("mail")))
    assert note["by"].endswith("@" + socket.gethostname())
    assert time.time() - 60 < note["at"] <= time.time() + 1
    assert run("queue", "pause", "mail").out == "the queue mail was paused already\n"
    mail, other = run("queue", "ls", "--json").json
    assert (mail["paused"], mail["paused_by"], mail["paused_at"]) == (True, note["by"], note["at"])
    assert (other["paused"], other["paused_by"]) == (False, None)
    assert run("queue", "resume", "mail").out == "the queue mail goes on\n"
    assert run("queue", "resume", "mail").out == "the queue mail was not paused\n"
    assert not shop.redis.exists(shop.keys.paused("mail"))
    assert shop.waiting("mail") == [payload(1)]


def test_pause_and_resume_all(run: Run, shop: Shop) -> None:
    shop.push("mail", payload(1))
    assert run("queue", "pause", "--all").out == "all workers are paused\n"
    assert shop.redis.get("resque:pause-all-workers") == b"true"
    assert run("queue", "pause", "--all").out == "all workers were paused already\n"
    assert "all_paused" not in run("queue", "ls").out
    assert "all paused\ttrue" in run("info").out
    run("queue", "pause", "mail")
    told = run("queue", "resume", "mail")
    assert "all workers are paused" in told.err
    run("queue", "pause", "mail")
    ended = run("queue", "resume", "--all")
    assert (ended.code, ended.out) == (0, "workers go on\n")
    assert ended.err == "resque: still paused by name: mail\n"
    assert run("queue", "resume", "--all").out == "workers were not paused\n"


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_one_queue_or_all_must_be_said(run: Run, shop: Shop, verb: str) -> None:
    shop.push("mail", payload(1))
    for words in ((), ("mail", "--all")):
        ended = run("queue", verb, *words)
        assert (ended.code, ended.out) == (2, "")
        assert "say which" in ended.err
    ended = run("queue", verb, "mial")
    assert (ended.code, ended.out) == (5, "")
    assert "did you mean 'mail'?" in ended.err
    assert not shop.redis.exists(shop.keys.pause_all())


def test_a_pause_of_a_queue_that_is_forgotten_can_be_ended(run: Run, shop: Shop) -> None:
    shop.redis.set(shop.keys.paused("gone"), "x")
    assert run("queue", "resume", "gone").out == "the queue gone goes on\n"
    assert not shop.redis.exists(shop.keys.paused("gone"))
