"""decide as a table: every way to end, every count of crashes, readable bytes and others."""

import pytest

from resque.errors import WorkerDied
from resque.jobs.outcome import (
    MAX_CRASHES,
    Died,
    Done,
    Ended,
    Failed,
    Interrupted,
    Outcome,
    Raised,
    Released,
    Returned,
    decide,
    is_suspect,
)

ERROR = ValueError("no such order")
CRASHES = range(5)
COUNTED_BEFORE_THE_LIMIT = {0: Released(1), 1: Released(2)}


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "unreadable"])
@pytest.mark.parametrize("crashes", CRASHES)
@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (Returned(), Done()),
        (Raised(ERROR), Failed(ERROR)),
        (Interrupted("drain"), "as it was"),
        (Died("signal 9", started=False), "as it was"),
    ],
    ids=["returned", "raised", "interrupted", "died-unstarted"],
)
def test_what_has_nothing_to_do_with_crashes(
    ended: Ended, outcome: Outcome | str, crashes: int, readable: bool
) -> None:
    """Done and failed are so after any crashes; what did not start, or was stopped on purpose, counts nothing."""
    expected = Released(crashes) if outcome == "as it was" else outcome
    assert decide(ended, crashes, readable=readable) == expected


@pytest.mark.parametrize("crashes", CRASHES)
def test_a_started_job_whose_process_died(crashes: int) -> None:
    """One crash more; at three it has failed."""
    outcome = decide(Died("signal 9", started=True), crashes)
    if crashes in COUNTED_BEFORE_THE_LIMIT:
        assert outcome == COUNTED_BEFORE_THE_LIMIT[crashes]
    else:
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, WorkerDied)
        assert f"died {crashes + 1} times" in str(outcome.error)
        assert "signal 9" in str(outcome.error)


@pytest.mark.parametrize("crashes", CRASHES)
def test_started_bytes_that_no_crash_can_be_written_into(crashes: int) -> None:
    """They could not be told from innocent ones the next time: one death is enough."""
    outcome = decide(Died("exit code 139", started=True), crashes, readable=False)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, WorkerDied)
    assert "exit code 139" in str(outcome.error)


def test_the_limit_is_three() -> None:
    """A number that operators know; it is in the manual."""
    assert MAX_CRASHES == 3


@pytest.mark.parametrize(("crashes", "suspect"), [(0, False), (1, False), (2, True), (3, True), (9, True)])
def test_one_crash_short_of_the_limit_is_suspect(crashes: int, suspect: bool) -> None:
    assert is_suspect(crashes) is suspect


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, MemoryError])
def test_whatever_a_job_raises_is_its_own_failure(kind: type[BaseException]) -> None:
    """An exit of the job's own is no wish to stop the worker."""
    error = kind("x")
    assert decide(Raised(error), 0) == Failed(error)
