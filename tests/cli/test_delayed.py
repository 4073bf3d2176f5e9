"""`resque delayed`."""

import json
import time
from collections.abc import Sequence

import pytest

from tests.admin.conftest import Shop, payload
from tests.admin.times import LOCK, delay, put_delayed
from tests.cli.conftest import Run

LATER = 4_000_000_000.0


def dues(shop: Shop, queue: str = "mail") -> dict[str, float]:
    return {id.decode(): due for id, due in shop.redis.zrange(shop.keys.delayed(queue), 0, -1, withscores=True)}


def test_ls_is_soonest_first_and_tells_of_more(run: Run, shop: Shop) -> None:
    for number in range(5):
        delay(shop, number, LATER - number, queue="ab"[number % 2])
    ended = run("delayed", "ls", "--count", "2")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "id\tdue\tqueue\tjob\targs\tkwargs\tattempt\tunreadable"
    assert ended.rows == [
        ["job-4", "3999999996.0", "a", "SendMail", "[4]", "{}", "1", ""],
        ["job-3", "3999999997.0", "b", "SendMail", "[3]", "{}", "1", ""],
    ]
    assert ended.err == "resque: 3 more; see them with --start 2\n"
    rest = run("delayed", "ls", "--start", "2", "--json")
    assert ([each["id"] for each in rest.json], rest.err) == (["job-2", "job-1", "job-0"], "")
    assert [row[0] for row in run("delayed", "ls", "-q", "b").rows] == ["job-3", "job-1"]


def test_ls_finds_by_id_and_by_class(run: Run, shop: Shop) -> None:
    delay(shop, 1, LATER, job="SendMail")
    delay(shop, 2, LATER, job="SendBill")
    delay(shop, 3, LATER, job="SendBill")
    assert [row[0] for row in run("delayed", "ls", "--match", "Bill").rows] == ["job-2", "job-3"]
    assert [row[0] for row in run("delayed", "ls", "--match", "job-1").rows] == ["job-1"]
    ended = run("delayed", "ls", "--match", "Bill", "--count", "1")
    assert "there may be more" in ended.err
    assert run("delayed", "ls", "--match", "Bill", "--start", "1").code == 2


def test_ls_on_a_terminal_says_how_long_it_will_be(at_terminal: Run, shop: Shop) -> None:
    delay(shop, 1, time.time() + 3599)
    put_delayed(shop, "late", time.time() - 100, payload(2))
    out = at_terminal("delayed", "ls").out
    assert "in 59 m" in out
    assert "1 m 4" in out
    assert " ago" in out
    assert "\t" not in out


def test_show_has_everything(run: Run, at_terminal: Run, shop: Shop) -> None:
    delay(shop, 1, LATER, attempt=3)
    told = [
        {"attempt": n, "failed_at": "2026/11/24 01:55:21 UTC", "exception": "OSError", "error": f"down\n{n}"}
        for n in (1, 2)
    ]
    shop.redis.hset(shop.keys.attempts("mail"), "job-1", "\n".join(map(json.dumps, told)))
    lines = run("delayed", "show", "job-1").out.splitlines()
    assert "due\t4000000000.0" in lines
    assert "attempt\t3" in lines
    assert lines[-2:] == [
        "attempts\t1: OSError: down (2026/11/24 01:55:21 UTC)",
        "attempts\t2: OSError: down (2026/11/24 01:55:21 UTC)",
    ]
    document = run("delayed", "show", "job-1", "--json").json
    assert (document["id"], document["due"], document["attempts"]) == ("job-1", LATER, told)
    assert "due          2096-10-02 07:06:40 UTC (in " in at_terminal("delayed", "show", "job-1").out


def test_show_of_an_id_in_two_queues_asks_for_one(run: Run, shop: Shop) -> None:
    delay(shop, 1, LATER, queue="a")
    delay(shop, 1, LATER + 1, queue="b")
    ended = run("delayed", "show", "job-1")
    assert (ended.code, ended.out) == (2, "")
    assert "--queue: a, b" in ended.err
    assert "queue\tb" in run("delayed", "show", "job-1", "-q", "b").out


def test_run_puts_jobs_into_their_queues(run: Run, shop: Shop) -> None:
    raws = [delay(shop, number, LATER) for number in range(4)]
    ended = run("delayed", "run", "job-1", "job-0")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "enqueued job-1 (queue mail)\nenqueued job-0 (queue mail)\n"
    assert shop.waiting("mail") == [raws[1], raws[0]]
    assert run("delayed", "run", "job-2", "--front", "--json").json == [{"id": "job-2", "queue": "mail", "done": True}]
    assert shop.waiting("mail")[0] == raws[2]
    assert list(dues(shop)) == ["job-3"]


@pytest.mark.parametrize(
    ("words", "due"),
    [
        (("--at", "2090-12-01T06:00+01:00"), 3815787600.0),
        (("--at", "2090-12-01T05:00Z"), 3815787600.0),
        (("--at", "2090-12-01 05:00:00.500+00:00"), 3815787600.5),
    ],
    ids=["offset", "Z", "blank"],
)
def test_reschedule_at_a_time(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], due: float
) -> None:
    monkeypatch.setattr("resque.clock.now", lambda: due - 86400)
    delay(shop, 1, LATER)
    delay(shop, 2, LATER)
    ended = run("delayed", "reschedule", "job-1", *words)
    assert (ended.code, ended.out) == (0, "rescheduled job-1 (queue mail)\n")
    assert dues(shop) == {"job-1": due, "job-2": LATER}


def test_reschedule_in_a_length_of_time(run: Run, shop: Shop) -> None:
    delay(shop, 1, LATER)
    before = time.time()
    assert run("delayed", "reschedule", "job-1", "--in", "1h30m").code == 0
    assert before + 5400 <= dues(shop)["job-1"] <= time.time() + 5400


BAD_TIMES = [
    ((), "say when"),
    (("--in", "5m", "--at", "2090-12-01T06:00Z"), "exclude each other"),
    (("--in", "soon"), "'30s', '5m'"),
    (("--in", "-5"), "'30s', '5m'"),
    (("--in", "11w9y"), "'30s', '5m'"),
    (("--in", "9999d"), "more than 10 years"),
    (("--in", "1e999"), "'30s', '5m'"),
    (("--at", "tomorrow"), "2026-12-01T06:00+01:00"),
    (("--at", "2026-12-01T06:00"), "no time zone"),
    (("--at", "2026-12-01"), "no time zone"),
    (("--at", "2999-12-01T06:00Z"), "ten years"),
    (("--at", "1960-12-01T06:00Z"), "too far away"),
    (("--at", "0001-01-01T00:00+14:00"), "too far away"),
    (("--at", "9999-12-31T23:59-14:00"), "too far away"),
]


@pytest.mark.parametrize(("words", "hint"), BAD_TIMES, ids=[" ".join(words) or "none" for words, _ in BAD_TIMES])
def test_a_bad_time_is_exit_2_and_says_what_to_write(run: Run, shop: Shop, words: Sequence[str], hint: str) -> None:
    delay(shop, 1, LATER)
    ended = run("delayed", "reschedule", "job-1", *words)
    assert (ended.code, ended.out) == (2, "")
    assert hint in ended.err
    assert len(ended.err.splitlines()) == 2
    assert ended.err.startswith("resque: --" if words else "resque: say when"), "it names what was written"
    assert dues(shop) == {"job-1": LATER}


def test_cancel_asks_and_drops_for_good(run: Run, at_terminal: Run, shop: Shop) -> None:
    for number in range(4):
        delay(shop, number, LATER, lock=f"done:{LOCK}" if number == 3 else None)
    shop.redis.set(shop.keys.lock("mail", LOCK), "job-3")
    refused = run("delayed", "cancel", "job-3")
    assert (refused.code, refused.out) == (6, "")
    assert "--yes" in refused.err
    dry = run("delayed", "cancel", "job-3", "job-2", "--dry-run")
    assert (dry.code, dry.out) == (0, "")
    assert "would cancel 2 delayed jobs for good; nothing was done" in dry.err
    assert at_terminal("delayed", "cancel", "job-0", type="n\n").code == 6
    assert len(dues(shop)) == 4
    assert at_terminal("delayed", "cancel", "job-0", type="y\n").code == 0
    assert run("delayed", "cancel", "job-3", "job-2", "-y").out.splitlines() == [
        "cancelled job-3 (queue mail)",
        "cancelled job-2 (queue mail)",
    ]
    assert dues(shop) == {"job-1": LATER}
    assert shop.redis.get(shop.keys.stat("cancelled")) == b"3"
    assert not shop.redis.exists(shop.keys.lock("mail", LOCK))


@pytest.mark.parametrize("verb", ["show", "run", "reschedule", "cancel"])
def test_an_id_that_is_not_delayed_is_exit_5_and_nothing_is_done(run: Run, shop: Shop, verb: str) -> None:
    delay(shop, 1, LATER)
    ids = ["job-77"] if verb == "show" else ["job-1", "job-77"]
    more = {"reschedule": ["--in", "5m"], "cancel": ["--yes"]}.get(verb, [])
    ended = run("delayed", verb, *ids, *more)
    assert (ended.code, ended.out) == (5, "")
    assert ended.err.startswith("resque: not delayed: job-77\n")
    assert dues(shop) == {"job-1": LATER}


@pytest.mark.parametrize("words", [("ls",), ("show", "job-1"), ("run", "job-1"), ("cancel", "job-1", "--yes")], ids=str)
def test_an_unknown_queue_is_exit_5_with_a_guess(run: Run, shop: Shop, words: Sequence[str]) -> None:
    delay(shop, 1, LATER)
    ended = run("delayed", *words, "-q", "mial")
    assert (ended.code, ended.out) == (5, "")
    assert "did you mean 'mail'?" in ended.err


def test_an_argument_that_is_no_text_is_exit_2(run: Run, shop: Shop) -> None:
    delay(shop, 1, LATER)
    ended = run("delayed", "show", "\udcff")
    assert (ended.code, ended.out) == (2, "")
    assert "is not UTF-8" in ended.err


def test_hostile_jobs_are_harmless(run: Run, at_terminal: Run, shop: Shop) -> None:
    put_delayed(shop, "\x1b]0;owned\x07\t\n", LATER, payload(1, "[red]x", "\u202egnp.exe"))
    put_delayed(shop, "bad", LATER, b"\xff\x1b[2J")
    piped = run("delayed", "ls").out
    assert len(piped.splitlines()) == 3
    assert piped.replace("\t", "").replace("\n", "").isprintable()
    for words in (("ls",), ("show", "bad")):
        shown = at_terminal("delayed", *words, env={"TERM": "dumb"}).out
        assert shown.replace("\n", "").isprintable()
