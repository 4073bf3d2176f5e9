"""The account of the torture: it can say "lost", "counted twice" and "run twice", and says them of nothing else."""

from pathlib import Path
from typing import Any

import pytest

from resque.dev.torture import journal, report
from resque.dev.torture.account import Facts, FailedJob, Fault, account, percentile
from resque.dev.torture.journal import ACCEPTED, REFUSED, UNKNOWN, Journal, Run

KILLED, OTHER = 100, 200
DONE = (Run(KILLED, 1.0, 1.1, "done"),)
RAISED = (Run(KILLED, 1.0, 1.1, "raised"),)
TWICE = (Run(KILLED, 1.0), Run(OTHER, 3.0, 3.1, "done"))


def facts(**changes: Any) -> Facts:
    """Four accepted jobs: three are done, one has failed on purpose; nothing is wrong."""
    values: dict[str, Any] = {
        "enqueued": dict.fromkeys("abcd", ACCEPTED),
        "runs": {"a": DONE, "b": DONE, "c": DONE, "d": RAISED},
        "failed": [FailedJob("d", "resque.dev.torture.jobs.OnPurpose", "on purpose")],
        "left": [],
        "processed": 4,
        "failures": 1,
        "slack": 0.5,
    }
    return Facts(**values | changes)


def without(name: str, *ids: str) -> dict[str, Any]:
    return {key: value for key, value in getattr(facts(), name).items() if key not in ids}


def fault(kind: str = "kill worker", **changes: Any) -> Fault:
    values: dict[str, Any] = {"what": "", "began": 2.0, "ended": 2.0, "pids": frozenset([KILLED])}
    return Fault(kind=kind, **values | changes)


def test_a_run_without_fault_is_good() -> None:
    found = account(facts())
    assert (found.accepted, found.done, found.failed, found.counted, found.left) == (4, 3, 1, 4, 0)
    assert found.problems() == []
    assert found.is_good


def test_an_accepted_job_that_is_nowhere_is_lost_and_named() -> None:
    found = account(facts(runs=without("runs", "b", "c"), processed=2))
    assert found.lost == ["b", "c"]
    assert found.problems() == ["2 lost: accepted, but neither done nor failed nor anywhere in Redis: b, c"]
    assert not found.is_good


def test_a_job_that_began_and_never_ended_is_lost_too() -> None:
    assert account(facts(runs={**facts().runs, "a": (Run(KILLED, 1.0),)}, processed=3)).lost == ["a"]


def test_a_job_that_raised_and_left_no_record_is_lost() -> None:
    assert account(facts(failed=[], failures=0, processed=3)).lost == ["d"]


def test_what_is_left_is_not_lost() -> None:
    found = account(facts(runs=without("runs", "b"), left=["b"], processed=3))
    assert (found.lost, found.left, found.is_good) == ([], 1, True)


def test_what_is_left_after_it_was_done_once_is_not_expected_to_be_counted() -> None:
    """Its worker was killed before it could settle it."""
    assert account(facts(left=["b"], processed=3)).is_good
    assert account(facts(left=["b"], processed=4)).counted_twice == 1


def test_a_counter_that_is_too_high_means_counted_twice() -> None:
    found = account(facts(processed=6))
    assert found.counted_twice == 2
    assert found.problems() == ["2 counted twice: Redis has counted more jobs than there were to settle"]


def test_a_counter_that_is_too_low_means_that_a_job_vanished_before_it_was_settled() -> None:
    found = account(facts(processed=3))
    assert (found.uncounted, found.lost) == (1, [])
    assert "1 ran but were never counted" in found.problems()[0]


def test_two_records_of_one_job_are_named() -> None:
    found = account(facts(failed=[*facts().failed] * 2, failures=2, processed=5))
    assert found.failed_twice == ["d"]
    assert "1 with more than one failure record: d" in found.problems()
    assert found.counted_twice == 1


def test_a_job_in_two_places_is_named() -> None:
    assert account(facts(left=["a", "a"], processed=3)).copied == ["a"]
    assert account(facts(left=["d"], processed=3)).copied == ["d"]


def test_a_failure_counter_without_its_record_is_seen() -> None:
    found = account(facts(failures=2))
    assert found.problems() == ["the counter of failed jobs is off by +1 from the failure records"]


def test_a_job_that_was_killed_three_times_is_failed_and_nothing_is_wrong_with_that() -> None:
    records = [*facts().failed, FailedJob("a", "WorkerDied", "the worker process died 3 times")]
    found = account(facts(runs=without("runs", "a"), failed=records, failures=2))
    assert (found.failed, found.crashed, found.is_good) == (2, 1, True)


def test_a_job_that_failed_for_another_reason_is_shown_with_it() -> None:
    records = [*facts().failed, FailedJob("a", "OSError", "disk full")]
    found = account(facts(runs=without("runs", "a"), failed=records, failures=2))
    assert found.problems() == ["1 failed although they should not: a (OSError: disk full)"]


def test_an_unknown_enqueue_may_have_arrived_or_not() -> None:
    enqueued = {**facts().enqueued, "x": UNKNOWN, "y": UNKNOWN}
    found = account(facts(enqueued=enqueued, runs={**facts().runs, "x": DONE}, processed=5))
    assert (found.unknown, found.arrived, found.lost, found.is_good) == (2, 1, [], True)


def test_a_job_that_was_refused_and_runs_all_the_same_is_wrong() -> None:
    enqueued = {**facts().enqueued, "x": REFUSED, "y": REFUSED}
    assert account(facts(enqueued=enqueued)).is_good
    found = account(facts(enqueued=enqueued, runs={**facts().runs, "x": DONE}, processed=5))
    assert found.phantoms == ["x"]
    assert not found.is_good


def test_a_job_that_nobody_has_written_down_is_a_note() -> None:
    found = account(facts(runs={**facts().runs, "x": DONE}, processed=5))
    assert (found.strangers, found.is_good) == (["x"], True)
    assert report.notes(found) == ["1 ran that no producer has written down (x)"]


@pytest.mark.parametrize(
    ("faults", "unexplained"),
    [
        ([], ["a"]),
        ([fault()], []),
        ([fault(pids=None)], []),
        ([fault(pids=frozenset([OTHER]))], []),
        ([fault(pids=frozenset([300]))], ["a"]),
        ([fault(began=0.5, ended=0.6)], []),
        ([fault(began=0.1, ended=0.2)], ["a"]),
        ([fault(began=3.5, ended=3.6)], ["a"]),
    ],
    ids=["none", "its process", "everybody", "the later process", "a third", "just before", "long before", "after"],
)
def test_a_job_that_ran_twice_is_explained_by_a_fault_in_between(faults: list[Fault], unexplained: list[str]) -> None:
    found = account(facts(runs={**facts().runs, "a": TWICE}, faults=faults))
    assert (found.run_twice, found.unexplained) == (1, unexplained)
    assert found.is_good, "it is counted once"


def test_every_repeat_needs_a_fault_of_its_own() -> None:
    runs = (*TWICE, Run(300, 9.0, 9.1, "done"))
    found = account(facts(runs={**facts().runs, "a": runs}, faults=[fault()]))
    assert found.unexplained == ["a"]
    assert "1 ran twice where no fault was near (a)" in report.notes(found)[0]


def test_recovery_is_from_the_kill_to_the_next_start_elsewhere() -> None:
    faults = [fault(held=("a", "b")), fault("kill supervisor", began=4.0, ended=4.0, held=("c",)), fault("cut")]
    runs = {
        "a": TWICE,
        "b": (Run(OTHER, 2.25, 2.3, "done"),),
        "c": (Run(KILLED, 3.5), Run(KILLED, 4.1), Run(OTHER, 6.0, 6.1, "done")),
        "d": RAISED,
    }
    found = account(facts(runs=runs, faults=faults))
    assert (found.recovery.held, found.recovery.started) == (3, 3)
    assert (found.recovery.p50, found.recovery.p99) == (1.0, 2.0)
    assert found.by_kind["kill worker"].p50 == 0.25
    assert found.by_kind["kill supervisor"].p99 == 2.0
    assert found.by_kind["cut"].p50 is None


def test_what_was_held_and_never_ran_again_is_not_recovered() -> None:
    found = account(facts(faults=[fault(held=("a", "gone"))]))
    assert (found.recovery.held, found.recovery.started, found.recovery.p50) == (2, 0, None)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentiles_are_nearest_ranks(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value
    assert percentile([], share) is None
    assert percentile([7], share) == 7


# the report --------------------------------------------------------------------------------------------------------


def ran(**changes: Any) -> report.Ran:
    values: dict[str, Any] = {"server": "s", "prefix": "p", "seed": 1, "began": 1.0, "seconds": 2.0}
    state = {"was_interrupted": False, "is_drained": True, "risks": [], "troubles": [], "faults": [fault(held=("a",))]}
    return report.Ran(**values | state | changes)


def test_the_document_names_every_lost_job() -> None:
    found = account(facts(runs=without("runs", "b", "c"), processed=2))
    document = report.document(found, ran())
    assert (document["ok"], document["lost"]) == (False, ["b", "c"])
    assert document["jobs_per_second"] == 1.0
    assert document["faults"] == [{"kind": "kill worker", "what": "", "at": 1.0, "seconds": 0.0, "held": 1}]


def test_an_end_that_did_not_come_is_no_proof_unless_somebody_wanted_it() -> None:
    found = account(facts(runs=without("runs", "b"), left=["b"], processed=3))
    assert not report.is_good(found, ran(is_drained=False))
    assert report.is_good(found, ran(is_drained=False, was_interrupted=True))
    assert report.is_good(account(facts()), ran())


# the journals ------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    producer, first, second = (
        Journal(tmp_path / name) for name in (journal.produced(0), journal.ran(1), journal.ran(2))
    )
    producer.enqueued(["a", "b"], ACCEPTED)
    producer.enqueued([], UNKNOWN)
    producer.enqueued(("c",), REFUSED)
    first.ran("a", "began", "11")
    second.ran("a", "began", "22")
    second.ran("a", "raised", "22")
    first.ran("b", "began", "11")
    first.ran("b", "done", "11")
    for each in (producer, first, second):
        each.close()
    assert journal.read_enqueued(tmp_path) == {"a": ACCEPTED, "b": ACCEPTED, "c": REFUSED}
    runs = journal.read_runs(tmp_path)
    assert [(run.worker, run.how, run.ended is None) for run in runs["a"]] == [(11, None, True), (22, "raised", False)]
    assert [(run.worker, run.how) for run in runs["b"]] == [(11, "done")]
    assert runs["a"][0].began < runs["a"][1].began


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / journal.produced(0)).write_text("a 1.0 accepted\nb 1.0 accep")
    assert journal.read_enqueued(tmp_path) == {"a": ACCEPTED}
