"""What is known of children that have died: who is to blame, and until when it is told."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from resque.channel import pair
from resque.payload.payload import mark_of
from resque.store.identity import Identity
from resque.worker.deaths import Deaths
from resque.worker.ledger import Ledger
from resque.worker.nursery import Child

RAN, BESIDE = mark_of(b"ran"), mark_of(b"beside")


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """child(nonce) -> one that ran two jobs and may hold jobs of two queues."""
    made: list[Child] = []

    def make(nonce: str = "a") -> Child:
        ours, theirs = pair()
        theirs.close()
        page = Ledger(1, 3).page(0)
        page.marks[0], page.marks[2] = RAN, BESIDE
        who = Identity(f"vm~{nonce}:1", f"vm~{nonce}:1:q")
        made.append(Child("worker", 1, who, ours, page, 0, 0.0, queues={"r", "q"}))
        return made[-1]

    yield make
    for each in made:
        each.channel.close()


def test_a_death_blames_all_that_ran(child: Callable[..., Child]) -> None:
    report = Deaths().add(child(), "signal 11 (SIGSEGV)")
    assert report == {
        "died": "vm~a:1",
        "id": "vm~a:1:q",
        "queues": ["q", "r"],
        "started": [RAN, BESIDE],
        "late": [],
        "killed": [],
        "why": "signal 11 (SIGSEGV)",
    }


@pytest.mark.parametrize("reason", ["late", "killed"])
def test_a_kill_on_purpose_blames_only_the_one_for_whose_sake(child: Callable[..., Child], reason: str) -> None:
    dead = child()
    dead.is_killed = True
    setattr(dead, reason, [RAN])
    report = Deaths().add(dead, "signal 9 (SIGKILL)")
    assert report["started"] == []
    assert {name: report[name] for name in ("late", "killed")} == {"late": [], "killed": []} | {reason: [RAN]}


def test_a_kill_for_no_job_blames_nobody(child: Callable[..., Child]) -> None:
    """An operator ends a rogue worker, or its leases may be lost."""
    dead = child()
    dead.is_killed = True
    report = Deaths().add(dead, "signal 9 (SIGKILL)")
    assert (report["started"], report["late"], report["killed"]) == ([], [], [])


def test_a_report_stays_until_the_jobs_are_back(child: Callable[..., Child]) -> None:
    """A scheduler that comes after one that died is told again."""
    deaths = Deaths()
    first, second = deaths.add(child("a"), "x"), deaths.add(child("b"), "y")
    assert deaths.reports == [first, second]
    deaths.recovered("vm~a:1")
    deaths.recovered("nobody")
    assert deaths.reports == [second]


@pytest.mark.parametrize(
    ("status", "why"), [(0, "exit code 0"), (4 << 8, "exit code 4"), (int(signal.SIGSEGV), "signal 11 (SIGSEGV)")]
)
def test_a_status_in_words(status: int, why: str) -> None:
    assert Deaths().why(status) == why


def test_a_kill_that_nobody_counted_is_not_guessed_to_be_for_memory() -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    deaths = Deaths()
    deaths.look()
    assert deaths.why(status) == "signal 9 (SIGKILL)"
