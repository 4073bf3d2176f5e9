"""decide as a table: every way to end, every count of crashes, readable bytes and others."""

from typing import Any, Literal

import pytest

from resque.errors import BadArguments, JobKilled, JobTimeout, ResqueError, UnknownJob, Unreadable, WorkerDied
from resque.jobs.outcome import (
    MAX_CRASHES,
    Condemned,
    Died,
    Done,
    Dropped,
    Ended,
    Failed,
    Interrupted,
    Later,
    Outcome,
    Raised,
    Released,
    Returned,
    Rules,
    Stale,
    decide,
    is_suspect,
)
from resque.jobs.retry import Cancel, Discard, Fail, Retry, RetryIn, Snooze, Verb

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


# policies -------------------------------------------------------------------------------------------------------------

THREE = Retry(delays=[10, 20, 30])


def rules(attempt: int = 1, *, left: float | None = None, retry: Retry = THREE) -> Rules:
    return Rules(retry, attempt, left, lambda: 0.5)


BOTH_WAYS = pytest.mark.parametrize("how", ["raised", "returned"])


def ending(verb: Verb, how: str) -> Ended:
    return Raised(verb) if how == "raised" else Returned(verb)


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [(1, Later(10.0, True, ERROR)), (3, Later(30.0, True, ERROR)), (4, Failed(ERROR)), (99, Failed(ERROR))],
)
def test_an_error_is_followed_by_another_attempt_until_there_is_none(attempt: int, outcome: Outcome) -> None:
    assert decide(Raised(ERROR), 0, rules=rules(attempt)) == outcome


@pytest.mark.parametrize("crashes", CRASHES)
def test_attempts_and_crashes_are_counted_apart(crashes: int) -> None:
    """However often its process died: an error is an error."""
    assert decide(Raised(ERROR), crashes, rules=rules(1)) == Later(10.0, True, ERROR)
    if crashes in COUNTED_BEFORE_THE_LIMIT:
        died = decide(Died("signal 9", started=True), crashes, rules=rules(99))
        assert died == COUNTED_BEFORE_THE_LIMIT[crashes], "however many attempts there were"


def test_jitter_comes_from_the_random_that_is_given() -> None:
    given = iter([0.25, 0.75])
    full = Rules(Retry(base=100), 1, None, lambda: next(given))
    assert [decide(Raised(ERROR), 0, rules=full) for _ in range(2)] == [
        Later(25.0, True, ERROR),
        Later(75.0, True, ERROR),
    ]


def test_without_rules_nothing_is_retried() -> None:
    """It was never called: nobody knows its policy."""
    assert decide(Raised(ERROR), 0) == Failed(ERROR)
    verb = RetryIn(5)
    assert decide(Raised(verb), 0) == Failed(verb)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("verb", "attempt", "outcome"),
    [
        (RetryIn(7), 1, "later, counted"),
        (RetryIn(7), 4, "failed"),
        (Snooze(7), 1, Later(7.0, False, None)),
        (Snooze(7), 4, Later(7.0, False, None)),
        (Cancel("withdrawn"), 1, Dropped("cancelled", "withdrawn")),
        (Cancel("withdrawn"), 4, Dropped("cancelled", "withdrawn")),
        (Discard(), 1, Dropped("discarded", "")),
        (Discard("old"), 4, Dropped("discarded", "old")),
        (Fail("bad"), 1, "failed"),
        (Fail(), 4, "failed"),
    ],
    ids=repr,
)
def test_a_verb_means_the_same_returned_and_raised(verb: Verb, attempt: int, outcome: Outcome | str, how: str) -> None:
    expected = {"later, counted": Later(7.0, True, verb), "failed": Failed(verb)}
    found = decide(ending(verb, how), 0, rules=rules(attempt))
    assert found == (expected[outcome] if isinstance(outcome, str) else outcome)


def test_a_verb_raised_from_an_error_blames_the_error() -> None:
    def from_error(verb: Verb) -> Verb:
        verb.__cause__ = ERROR
        return verb

    assert decide(Raised(from_error(RetryIn(7))), 0, rules=rules(1)) == Later(7.0, True, ERROR)
    assert decide(Raised(from_error(RetryIn(7))), 0, rules=rules(4)) == Failed(ERROR)
    assert decide(Raised(from_error(Fail())), 0, rules=rules(1)) == Failed(ERROR)
    said = from_error(Fail("because"))
    assert decide(Raised(said), 0, rules=rules(1)) == Failed(said), "who says why is quoted"


@pytest.mark.parametrize(
    ("verb", "outcome"),
    [
        (Snooze(7), Later(7.0, False, None)),
        (RetryIn(7), Later(7.0, True, ERROR)),
        (Discard, Dropped("discarded", "")),
        (Cancel("no"), Dropped("cancelled", "no")),
        (Fail, Failed(ERROR)),
    ],
    ids=repr,
)
def test_a_policy_may_say_the_verb_for_an_error(verb: Any, outcome: Outcome) -> None:
    """The error stays the one that was raised."""
    retry = Retry(delays=[10], on={ValueError: verb})
    assert decide(Raised(ERROR), 0, rules=rules(1, retry=retry)) == outcome
    other = OSError("down")
    assert decide(Raised(other), 0, rules=rules(1, retry=retry)) == Later(10.0, True, other)


@pytest.mark.parametrize(
    "error", [Unreadable("no JSON"), UnknownJob("who?"), BadArguments("too many")], ids=lambda each: type(each).__name__
)
@pytest.mark.parametrize("attempt", [1, 4])
def test_what_would_end_the_same_again_is_not_tried_again(error: Exception, attempt: int) -> None:
    """Whatever its policy says: a policy is about what perform does."""
    forgiving = Retry(max=9, on={Exception: Snooze(1)})
    assert decide(Raised(error), 0, rules=rules(attempt)) == Failed(error)
    assert decide(Raised(error), 0, rules=rules(attempt, retry=forgiving)) == Failed(error)


# deadlines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "outcome"),
    [
        (None, Later(10.0, True, ERROR)),
        (10.1, Later(10.0, True, ERROR)),
        (10.0, Failed(ERROR)),
        (0.0, Failed(ERROR)),
        (-5.0, Failed(ERROR)),
    ],
)
def test_no_attempt_is_planned_behind_the_deadline(left: float | None, outcome: Outcome) -> None:
    """It has failed now, with its own error: a person need not wait for the deadline to learn that."""
    assert decide(Raised(ERROR), 0, rules=rules(1, left=left)) == outcome


@BOTH_WAYS
def test_a_deadline_ends_snoozing(how: str) -> None:
    """There is no error to blame, so it is that of the deadline."""
    outcome = decide(ending(Snooze(7), how), 0, rules=rules(1, left=7.0))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, JobTimeout)
    assert "deadline" in str(outcome.error)
    assert decide(ending(Snooze(7), how), 0, rules=rules(1, left=7.1)) == Later(7.0, False, None)


@pytest.mark.parametrize("verb", [Cancel("no"), Discard()], ids=repr)
def test_what_is_dropped_needs_no_deadline(verb: Verb) -> None:
    assert isinstance(decide(Raised(verb), 0, rules=rules(1, left=-5.0)), Dropped)


def test_what_is_done_is_done_whatever_the_deadline_says() -> None:
    assert decide(Returned(), 0, rules=rules(1, left=-5.0)) == Done()


# not started, and ended on purpose ------------------------------------------------------------------------------------


@pytest.mark.parametrize("crashes", CRASHES)
@pytest.mark.parametrize("reason", ["expired", "cancelled"])
def test_what_is_stale_is_dropped_for_that_reason(reason: Literal["expired", "cancelled"], crashes: int) -> None:
    for given in (None, rules(1), rules(4, left=-1.0)):
        assert decide(Stale(reason), crashes, rules=given) == Dropped(reason)


@pytest.mark.parametrize("error", [JobTimeout("late"), JobKilled("ended")], ids=lambda each: type(each).__name__)
def test_who_was_killed_for_its_own_sake_has_failed(error: ResqueError) -> None:
    """No retry: it would have to be killed again."""
    for given in (None, rules(1)):
        assert decide(Condemned(error), 0, rules=given) == Failed(error)


def test_a_timeout_that_a_job_heeds_is_an_error_like_any_other() -> None:
    error = JobTimeout("it ran longer than its timeout of 1 s")
    assert decide(Raised(error), 0, rules=rules(1)) == Later(10.0, True, error)
    snoozing = Retry(on={JobTimeout: Snooze(60)})
    assert decide(Raised(error), 0, rules=rules(1, retry=snoozing)) == Later(60.0, False, None)


@pytest.mark.parametrize("ended", [Interrupted("drain"), Died("signal 9", started=False)], ids=repr)
def test_what_was_put_back_uses_no_attempt(ended: Ended) -> None:
    assert decide(ended, 1, rules=rules(4, left=-1.0)) == Released(1)
