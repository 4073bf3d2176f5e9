"""`resque enqueue`."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resque.cli import enqueue
from resque.jobs.registry import default as registry
from resque.store.scripts import Script
from tests.admin.conftest import Shop
from tests.cli.conftest import Run
from tests.cli.test_delayed import BAD_TIMES
from tests.fault_proxy import FaultProxy, drop_reply

APP = """
from resque import Job

class ShipOrder(Job):
    queue = "orders"

    def perform(self, number: int, *, express: bool = False) -> None: ...
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that can be imported from the current folder, and defines ShipOrder."""
    (tmp_path / "enqueue_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "enqueue_app"
    sys.modules.pop("enqueue_app", None)
    found = registry.find("ShipOrder")
    if found is not None:
        registry.remove(found)


def test_the_id_is_printed_and_the_job_is_stored(run: Run, shop: Shop) -> None:
    ended = run("enqueue", "ProcessOrderJob", "123", "--queue", "orders", "--kwarg", "express=true")
    assert (ended.code, ended.err) == (0, "")
    (raw,) = shop.waiting("orders")
    job = json.loads(raw)
    assert (job["class"], job["args"], job["kwargs"]) == ("ProcessOrderJob", [123], {"express": True})
    assert job["meta"]["id"] + "\n" == ended.out
    assert shop.redis.smembers(shop.keys.queues()) == {b"orders"}


def test_as_json(run: Run, shop: Shop) -> None:
    document = run("enqueue", "A", "-q", "q", "--json").json
    assert (document["job"], document["queue"]) == ("A", "q")
    assert json.loads(shop.waiting("q")[0])["meta"]["id"] == document["id"]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("123", 123),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ('"123"', "123"),
        ('{"a": [1]}', {"a": [1]}),
        ("hello", "hello"),
        ("", ""),
        ("007", "007"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("[" * 100_000, "[" * 100_000),
        ("{'a': 1}", "{'a': 1}"),
    ],
    ids=lambda each: repr(each)[:20],
)
def test_a_word_is_json_or_itself(word: str, value: object) -> None:
    found = enqueue.value(word)
    assert found == value
    assert type(found) is type(value)


def test_arguments_that_begin_with_a_dash_come_after_two(run: Run, shop: Shop) -> None:
    assert "put -- before" in run("enqueue", "A", "-5", "-q", "q").err
    assert run("enqueue", "A", "-q", "q", "--", "-5").code == 0
    assert json.loads(shop.waiting("q")[0])["args"] == [-5]


def test_without_an_app_the_queue_is_needed(run: Run) -> None:
    ended = run("enqueue", "ProcessOrderJob", "1")
    assert ended.code == 2
    assert "--queue" in ended.err


@pytest.mark.parametrize("where", ["option", "environment"])
def test_with_an_app_the_queue_is_known(run: Run, shop: Shop, app: str, where: str) -> None:
    if where == "option":
        ended = run("enqueue", "-A", app, "ShipOrder", "7", "--kwarg", "express=true")
    else:
        ended = run("enqueue", "ShipOrder", "7", env={"RESQUE_APP": app})
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(shop.waiting("orders")[0])["args"] == [7]


def test_with_an_app_the_arguments_are_checked(run: Run, app: str) -> None:
    ended = run("enqueue", "-A", app, "ShipOrder")
    assert ended.code == 2
    assert "ShipOrder" in ended.err
    assert "nothing was sent" in ended.err


def test_an_unknown_job_of_an_app_is_exit_5_with_a_guess(run: Run, shop: Shop, app: str) -> None:
    ended = run("enqueue", "-A", app, "ShipOder", "7", "-q", "orders")
    assert ended.code == 5
    assert "did you mean 'ShipOrder'?" in ended.err
    assert shop.waiting("orders") == []


def test_an_app_that_cannot_be_imported_is_exit_4(run: Run) -> None:
    ended = run("enqueue", "-A", "no_such_module", "A")
    assert ended.code == 4
    assert "no_such_module" in ended.err
    assert len(ended.err.splitlines()) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("A", "-q", "bad name"),
        ("bad name", "-q", "q"),
        ("A", "-q", "q", "--kwarg", "novalue"),
        ("A", "-q", "q", "--kwarg", "=1"),
        ("A", "-q", "q", "1e999"),
        ("A", "-q", "q", "\udcff"),
    ],
    ids=ascii,
)
def test_what_cannot_be_enqueued_is_exit_2(run: Run, shop: Shop, words: tuple[str, ...]) -> None:
    ended = run("enqueue", *words)
    assert (ended.code, ended.out) == (2, "")
    assert shop.redis.keys("resque:queue*") == []


def test_no_server_is_exit_3(run: Run) -> None:
    ended = run("enqueue", "A", "-q", "q", "--redis-url", "redis://localhost:1")
    assert ended.code == 3
    assert "safe to repeat" in ended.err


def test_a_lost_answer_names_the_job_that_may_be_stored(run: Run, shop: Shop, proxy: FaultProxy) -> None:
    lost = proxy.on(b"LPUSH", drop_reply())
    ended = run("enqueue", "A", "-q", "q", env={"RESQUE_REDIS_URL": proxy.url})
    assert lost.hits == 1
    assert (ended.code, ended.out) == (1, "")
    assert "look for it before you repeat: " + json.loads(shop.waiting("q")[0])["meta"]["id"] in ended.err


# when, in front of whom, how often ------------------------------------------------------------------------------------

WAYS = pytest.mark.parametrize("words", [("-A", "enqueue_app", "ShipOrder", "7"), ("ShipOrder", "7", "-q", "orders")])
"""A job that is known here, and one that another code base defines."""


def delayed(shop: Shop) -> dict[str, float]:
    return {id.decode(): due for id, due in shop.redis.zrange(shop.keys.delayed("orders"), 0, -1, withscores=True)}


@WAYS
def test_in_a_while(run: Run, shop: Shop, app: str, words: tuple[str, ...]) -> None:
    before = time.time()
    ended = run("enqueue", *words, "--in", "5m")
    assert (ended.code, ended.err) == (0, "")
    ((id, due),) = delayed(shop).items()
    assert ended.out == id + "\n"
    assert before + 299 < due < time.time() + 301
    job = json.loads(shop.redis.hget(shop.keys.payloads("orders"), id))
    assert (job["class"], job["args"]) == ("ShipOrder", [7])
    assert job["meta"]["due_at"] == pytest.approx(due, abs=0.001)
    assert shop.waiting("orders") == []
    assert shop.redis.smembers(shop.keys.queues()) == {b"orders"}


@WAYS
def test_at_a_time(run: Run, shop: Shop, app: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resque.clock.now", lambda: 1_795_500_000.0)
    assert run("enqueue", *words, "--at", "2026-12-01T06:00+01:00").code == 0
    assert list(delayed(shop).values()) == [1_796_101_200.0]


def test_at_a_time_that_is_over_it_runs_at_once(run: Run, shop: Shop) -> None:
    assert run("enqueue", "A", "-q", "orders", "--at", "2020-01-01T00:00Z").code == 0
    assert len(shop.waiting("orders")) == 1


@WAYS
def test_in_front_of_all_others(run: Run, shop: Shop, app: str, words: tuple[str, ...]) -> None:
    first = run("enqueue", *words).out.strip()
    second = run("enqueue", *words, "--front").out.strip()
    assert [json.loads(raw)["meta"]["id"] for raw in shop.waiting("orders")] == [second, first]


@WAYS
def test_a_key_stores_one_job_however_often(run: Run, shop: Shop, app: str, words: tuple[str, ...]) -> None:
    first = run("enqueue", *words, "--key", "order-7").out
    assert run("enqueue", *words, "--key", "order-7").out == first
    assert run("enqueue", *words, "--key", "order-8").out != first
    assert len(shop.waiting("orders")) == 2
    late = run("enqueue", *words, "--key", "order-9", "--in", "5m").out
    assert run("enqueue", *words, "--key", "order-9").out == late


@WAYS
@pytest.mark.parametrize(
    ("words_of_time", "hint"),
    [each for each in BAD_TIMES[1:] if "1960-12-01T06:00Z" not in each[0]],
    ids=lambda each: repr(each)[:40],
)
def test_a_bad_time_stores_nothing(
    run: Run, shop: Shop, app: str, words: tuple[str, ...], words_of_time: tuple[str, ...], hint: str
) -> None:
    ended = run("enqueue", *words, *words_of_time)
    assert (ended.code, ended.out) == (2, "")
    assert hint in ended.err
    assert len(ended.err.splitlines()) == 2
    assert ended.err.startswith("resque: --")
    assert shop.redis.keys("resque:*") == [b"resque:wire"]


@pytest.mark.parametrize(
    "more",
    [("--front", "--in", "5m"), ("--front", "--at", "2090-12-01T06:00Z"), ("--key", ""), ("--key", "x" * 201)],
    ids=lambda each: repr(each)[:30],
)
def test_what_does_not_go_together_is_exit_2(run: Run, shop: Shop, more: tuple[str, ...]) -> None:
    ended = run("enqueue", "A", "-q", "orders", *more)
    assert (ended.code, ended.out) == (2, "")
    assert shop.redis.keys("resque:*") == [b"resque:wire"]


@pytest.mark.parametrize(
    "words", [("A", "-q", "bad name"), ("bad name", "-q", "q"), ("A", "-q", "q", "1e999")], ids=str
)
def test_with_a_time_what_cannot_be_enqueued_is_exit_2(run: Run, shop: Shop, words: tuple[str, ...]) -> None:
    ended = run("enqueue", *words, "--in", "5m")
    assert (ended.code, ended.out) == (2, "")
    assert shop.redis.keys("resque:*") == [b"resque:wire"]


def test_a_lost_answer_with_a_key_is_safe_to_repeat(run: Run, shop: Shop, proxy: FaultProxy) -> None:
    lost = proxy.on(Script("enqueue_unique").sha("modern").encode(), drop_reply())
    words = ("enqueue", "A", "-q", "q", "--key", "once")
    run(*words[:-1], "another")  # the script is known to the server
    ended = run(*words, env={"RESQUE_REDIS_URL": proxy.url})
    assert lost.hits == 1
    assert (ended.code, ended.out) == (1, "")
    again = run(*words)
    assert again.code == 0
    stored = [json.loads(raw)["meta"]["id"] for raw in shop.waiting("q")]
    assert stored[1:] == [again.out.strip()]
    assert again.out.strip() in ended.err
