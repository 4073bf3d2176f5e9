"""`resque failed`."""

import json

import pytest

from resque.payload import failure
from tests.admin.conftest import Shop, payload
from tests.cli.conftest import Run

RUBY = b'{"payload":{"class":"Boom","args":[1]},"exception":"RuntimeError","error":"boom","queue":"boom"}'


def test_ls_is_newest_first_and_tells_of_more(run: Run, shop: Shop) -> None:
    for number in range(5):
        shop.fail(payload(number))
    ended = run("failed", "ls", "--count", "2")
    assert ended.out.splitlines()[0] == "id\tfailed_at\tqueue\tjob\texception\terror\tattempt\tcrashes"
    assert ended.rows[0] == ["job-4", "1970/01/01 00:00:01 UTC", "mail", "SendMail", "ValueError", "no", "1", "0"]
    assert [row[0] for row in ended.rows] == ["job-4", "job-3"]
    assert "3 more; see them with --start 2" in ended.err
    assert [each["id"] for each in run("failed", "ls", "--start", "2", "--json").json] == ["job-2", "job-1", "job-0"]


def test_show_has_everything(run: Run, at_terminal: Run, shop: Shop) -> None:
    record = failure.record(
        payload(1, "a@b"),
        "ValueError",
        "first\nsecond",
        ["a.py:1:in f", "b.py:2:in g"],
        failed_at=1.0,
        worker="w",
        queue="mail",
    )
    shop.fail_raw(record)
    lines = run("failed", "show", "job-1").out.splitlines()
    assert "job\tSendMail" in lines
    assert "error\tfirst\\nsecond" in lines
    assert 'args\t["a@b"]' in lines
    assert lines[-2:] == ["backtrace\ta.py:1:in f", "backtrace\tb.py:2:in g"]
    document = run("failed", "show", "job-1", "--json").json
    assert (document["error"], document["args"]) == ("first\nsecond", ["a@b"])
    assert (document["payload"], len(document["backtrace"])) == (payload(1, "a@b").decode(), 2)
    terminal = at_terminal("failed", "show", "job-1").out.splitlines()
    assert "error        first" in terminal
    assert "             second" in terminal
    assert "enqueued_at  1970-01-01 00:16:40 UTC" in terminal


def test_a_record_without_an_id_is_shown_by_its_digest(run: Run, shop: Shop) -> None:
    shop.fail_raw(RUBY)
    ((id, *_),) = run("failed", "ls").rows
    assert id.startswith("~")
    assert "error\tboom" in run("failed", "show", id).out


@pytest.mark.parametrize("verb", ["show", "retry", "discard"])
def test_an_id_that_is_not_there_is_exit_5(run: Run, shop: Shop, verb: str) -> None:
    shop.fail(payload(1))
    options = () if verb == "show" else ("job-1", "--yes")
    ended = run("failed", verb, "job-77", *options)
    assert (ended.code, ended.out) == (5, "")
    assert ended.err.startswith("resque: not in the failed list: job-77")
    assert shop.failed() == 1


def test_retry_by_id_needs_no_yes(run: Run, shop: Shop) -> None:
    for number in range(3):
        shop.fail(payload(number))
    ended = run("failed", "retry", "job-2", "job-0")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "retried job-2 (queue mail)\nretried job-0 (queue mail)\n"
    assert shop.waiting("mail") == [payload(2), payload(0)]
    assert run("failed", "retry", "job-1", "--json").json == [{"id": "job-1", "queue": "mail", "fate": "done"}]
    assert run("failed", "retry", "job-1").code == 5


def test_a_dry_run_of_a_retry_by_id_changes_nothing(run: Run, shop: Shop) -> None:
    shop.fail(payload(1))
    ended = run("failed", "retry", "job-1", "--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert "would retry 1 failed job;" in ended.err
    assert shop.failed() == 1


def test_a_record_that_cannot_be_retried_is_told(run: Run, shop: Shop) -> None:
    shop.fail_raw(b"garbage")
    shop.fail(payload(1))
    ((_, *_), (id, *_)) = run("failed", "ls").rows
    ended = run("failed", "retry", id)
    assert ended.code == 1
    assert "holds no job" in ended.err
    everything = run("failed", "retry", "--all", "--yes")
    assert (everything.code, everything.out) == (1, "retried 1 failed job\n")
    assert "not retried: 1 failed job" in everything.err


def test_discard_drops_for_good(run: Run, shop: Shop) -> None:
    for number in range(4):
        shop.fail(payload(number))
    assert run("failed", "discard", "job-3", "-y").out == "discarded job-3 (queue mail)\n"
    assert run("failed", "discard", "--all", "-y", "--json").json == {
        "discarded": 3,
        "gone": 0,
        "impossible": 0,
        "reason": "",
    }
    assert (shop.failed(), shop.redis.get(shop.keys.stat("discarded"))) == (0, b"4")
    assert run("failed", "discard", "--all", "-y").out == "discarded 0 failed jobs\n"


@pytest.mark.parametrize("verb", ["retry", "discard"])
@pytest.mark.parametrize("words", [(), ("job-1", "--all")], ids=str)
def test_either_ids_or_all(run: Run, shop: Shop, verb: str, words: tuple[str, ...]) -> None:
    shop.fail(payload(1))
    assert run("failed", verb, *words, "--yes").code == 2
    assert shop.failed() == 1


def test_nothing_is_touched_in_somebody_else_s_namespace(run: Run, shop: Shop) -> None:
    shop.redis.delete(shop.keys.marker())
    shop.redis.sadd(shop.keys.queues(), "boom")
    shop.fail_raw(RUBY)
    ended = run("failed", "discard", "--all", "--yes")
    assert ended.code == 2
    assert "somebody else's Resque" in ended.err
    assert shop.failed() == 1


def test_hostile_records_are_harmless(run: Run, at_terminal: Run, shop: Shop) -> None:
    shop.fail(payload(1, "\x1b[2J"), error="\x1b]0;owned\x07\n\u202eevil\t[red]")
    shop.fail_raw(b"\x1b[31m \x9b garbage \xff")
    piped = run("failed", "ls").out
    assert len(piped.splitlines()) == 3
    assert piped.replace("\t", "").replace("\n", "").isprintable()
    for words in (("ls",), ("show", "job-1")):
        out = at_terminal("failed", *words, env={"TERM": "dumb"}).out
        assert out.replace("\n", "").isprintable()


def test_show_has_the_errors_of_earlier_attempts(run: Run, at_terminal: Run, shop: Shop) -> None:
    record = failure.record(payload(1), "OSError", "down", ["a.py:1:in f"], failed_at=1.0, worker="w", queue="mail")
    told = [
        {"attempt": n, "failed_at": "2026/11/24 01:55:21 UTC", "exception": "OSError", "error": f"\x1b[2Jno\n{n}"}
        for n in (1, 2)
    ]
    strange = ["a text", 7, {"exception": None}]
    shop.fail_raw(record[:-1] + b',"attempts":' + json.dumps([*told, *strange]).encode() + b"}")
    lines = [line for line in run("failed", "show", "job-1").out.splitlines() if line.startswith("attempts\t")]
    assert lines == [
        "attempts\t1: OSError: \\e[2Jno (2026/11/24 01:55:21 UTC)",
        "attempts\t2: OSError: \\e[2Jno (2026/11/24 01:55:21 UTC)",
        "attempts\ta text",
        "attempts\t7",
        "attempts\t?: None:  (?)",
    ]
    document = run("failed", "show", "job-1", "--json").json
    assert document["attempts"] == [*told, *strange]
    shown = at_terminal("failed", "show", "job-1", env={"TERM": "dumb"}).out
    assert shown.replace("\n", "").isprintable()
    assert "attempts     1: OSError" in shown


def test_show_of_a_job_that_was_tried_once_has_no_attempts(run: Run, shop: Shop) -> None:
    shop.fail(payload(1))
    assert run("failed", "show", "job-1", "--json").json["attempts"] == []
