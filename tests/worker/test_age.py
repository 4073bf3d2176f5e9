"""When a process has done enough: by jobs, by memory, and not all at the same time."""

import pytest

from resque import clock
from resque.config import Settings
from resque.worker.age import Age


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "monotonic", made)
    return made


def age(jobs: int = 0, **settings: int) -> Age:
    made = Age(Settings(**settings))  # type: ignore[arg-type]
    made.jobs = jobs
    return made


def test_without_limits_it_never_ends() -> None:
    made = age(10**9)
    assert made.outlived() == ""
    assert made.left(10**6) > 10**6


def test_max_jobs_is_an_upper_bound_and_jittered_downwards() -> None:
    mosts = {age(max_jobs=1000).left(0) for _ in range(300)}
    assert max(mosts) <= 1000
    assert min(mosts) >= 900
    assert len(mosts) > 20


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_small_number_is_itself(most: int) -> None:
    assert {age(max_jobs=most).left(0) for _ in range(50)} == {most}


def test_what_is_in_hand_counts() -> None:
    made = age(1, max_jobs=3)
    assert [made.left(in_hand) for in_hand in range(4)] == [2, 1, 0, 0]


def test_it_has_outlived_when_all_are_done() -> None:
    assert age(2, max_jobs=3).outlived() == ""
    assert age(3, max_jobs=3).outlived() == "3 jobs"
    assert age(4, max_jobs=3).outlived() == "4 jobs"


def test_memory_above_the_limit(time: Clock) -> None:
    """Looked at once a second, and only when a job has ended: a process that is too large from its beginning would
    otherwise leave before it has done anything, and so would the next one."""
    made = age(1, max_rss=1000)
    time.now += 1.5
    assert made.outlived().endswith(" MB of memory")
    idle = age(0, max_rss=1000)
    time.now += 1.5
    assert idle.outlived() == ""


def test_memory_is_looked_at_once_a_second(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    made = age(1, max_rss=10**12)
    time.now += 1.5
    assert made.outlived() == ""
    monkeypatch.setattr(made, "_most_memory", 1)
    time.now += 0.5
    assert made.outlived() == ""
    time.now += 0.6
    assert made.outlived() != ""


def test_memory_below_the_limit(time: Clock) -> None:
    made = age(1, max_rss=10**12)
    time.now += 5
    assert made.outlived() == ""
