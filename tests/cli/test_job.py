"""`resque job`."""

from collections.abc import Sequence

import pytest

from resque.client import whereabouts
from tests.admin.conftest import Shop, payload
from tests.admin.test_jobs import place
from tests.cli.conftest import Run

QUEUES = [(), ("-q", "mail")]


@pytest.mark.parametrize("queue", QUEUES, ids=["anywhere", "by queue"])
@pytest.mark.parametrize("state", ["delayed", "waiting", "running", "failed"])
def test_show_says_where_it_is(run: Run, shop: Shop, state: str, queue: Sequence[str]) -> None:
    place(shop, state)
    ended = run("job", "show", "job-1", *queue)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:3] == ["id\tjob-1", f"state\t{state}", "queue\tmail"]
    assert ("job\tSendMail" in lines) == (state != "failed")
    document = run("job", "show", "job-1", *queue, "--json").json
    assert (document["state"], document["queue"], document["attempt"]) == (state, "mail", 1)
    expected = {"delayed": "due", "running": "worker", "failed": "error"}
    for fact in ("due", "worker", "error"):
        assert (document[fact] is not None) == (expected.get(state) == fact)


def test_show_on_a_terminal(at_terminal: Run, shop: Shop) -> None:
    place(shop, "delayed")
    out = at_terminal("job", "show", "job-1").out
    assert "2033-05-18 03:33:20 UTC (in " in out
    assert "\t" not in out


@pytest.mark.parametrize("queue", QUEUES, ids=["anywhere", "by queue"])
@pytest.mark.parametrize("verb", ["show", "cancel"])
def test_a_job_that_is_nowhere_is_exit_5(run: Run, shop: Shop, verb: str, queue: Sequence[str]) -> None:
    place(shop, "ended")
    more = ["--yes"] if verb == "cancel" else []
    ended = run("job", verb, "job-1", *queue, *more)
    assert (ended.code, ended.out) == (5, "")
    where = "in the queue mail" if queue else "in any queue"
    assert ended.err == f"resque: the job job-1 is not {where}\n  done, dropped, or never there\n"
    as_json = run("job", verb, "job-1", *queue, *more, "--json")
    assert as_json.code == 5
    assert as_json.json["state" if verb == "show" else "was"] == "ended"
    assert not shop.redis.exists(shop.keys.cancelled("mail")), "an id that is nowhere leaves no mark"


def test_cancel_asks_first(run: Run, at_terminal: Run, shop: Shop) -> None:
    place(shop, "waiting")
    refused = run("job", "cancel", "job-1")
    assert (refused.code, refused.out) == (6, "")
    dry = run("job", "cancel", "job-1", "--dry-run")
    assert (dry.code, dry.out) == (0, "")
    assert "would cancel the job job-1; nothing was done" in dry.err
    assert at_terminal("job", "cancel", "job-1", type="n\n").code == 6
    assert payload(1) in shop.waiting("mail")
    assert at_terminal("job", "cancel", "job-1", type="y\n").code == 0
    assert payload(1) not in shop.waiting("mail")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("delayed", "cancelled the delayed job job-1 (queue mail)\n"),
        ("waiting", "cancelled the waiting job job-1 (queue mail)\n"),
        ("running", "asked its worker to end the running job job-1 (queue mail)\n"),
    ],
)
def test_cancel_says_what_it_found(run: Run, shop: Shop, state: str, said: str) -> None:
    place(shop, state)
    ended = run("job", "cancel", "job-1", "--yes")
    assert (ended.code, ended.out, ended.err) == (0, said, "")
    assert int(shop.redis.get(shop.keys.stat("cancelled")) or 0) == (state != "running")
    asked = shop.redis.lrange(shop.keys.worker_command("h~1:1:*"), 0, -1)
    assert asked == ([b"cancel-job job-1"] if state == "running" else [])


def test_cancel_of_a_failed_job_is_exit_1(run: Run, shop: Shop) -> None:
    place(shop, "failed")
    ended = run("job", "cancel", "job-1", "--yes")
    assert (ended.code, ended.out) == (1, "")
    assert "resque failed discard job-1" in ended.err
    assert run("job", "cancel", "job-1", "--yes", "--json").json == {"id": "job-1", "queue": "mail", "was": "failed"}


def test_in_a_long_queue_it_is_marked(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SEARCH", 2)
    monkeypatch.setattr(whereabouts, "_WINDOW", 2)
    for number in range(5):
        shop.push("mail", payload(number))
    ended = run("job", "cancel", "job-4", "-q", "mail", "--yes")
    assert ended.code == 0
    assert "dropped when a worker comes to it" in ended.out
    assert shop.redis.zrange(shop.keys.cancelled("mail"), 0, -1) == [b"job-4"]
    ended = run("job", "show", "job-4", "-q", "mail")
    assert ended.code == 5
    assert "too long" in ended.err


@pytest.mark.parametrize("verb", ["show", "cancel"])
def test_an_unknown_queue_is_exit_5_with_a_guess(run: Run, shop: Shop, verb: str) -> None:
    shop.push("mail", payload(1))
    ended = run("job", verb, "job-1", "-q", "mial")
    assert (ended.code, ended.out) == (5, "")
    assert "did you mean 'mail'?" in ended.err


def test_hostile_bytes_are_harmless(run: Run, at_terminal: Run, shop: Shop) -> None:
    shop.push("mail", payload(1, "\x1b]0;owned\x07", "[red]"))
    for found in (run("job", "show", "job-1").out, at_terminal("job", "show", "job-1", env={"TERM": "dumb"}).out):
        assert found.replace("\t", "").replace("\n", "").isprintable()
