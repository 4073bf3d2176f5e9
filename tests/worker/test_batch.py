"""How many jobs to reserve: few slow ones, many short ones, never more than fit into about 10 ms."""

import pytest

from resque.worker.batch import AHEAD, LARGEST, MOST_AHEAD, Batch


def learned(slots: int, seconds: float, times: int = 50) -> Batch:
    """A batch that has seen nothing but jobs of this length."""
    batch = Batch(slots)
    for _ in range(times):
        batch.learn(10, seconds * 10)
    return batch


def test_before_the_first_job_one_at_a_time() -> None:
    assert Batch(4).depth == 1
    assert Batch(4).want(unstarted=0, running=0) == 4
    assert Batch(1).want(unstarted=0, running=0) == 1


@pytest.mark.parametrize(
    ("seconds", "depth"), [(0.0001, 100), (0.001, 10), (0.01, 1), (1.0, 1), (0.00001, MOST_AHEAD), (0.0, MOST_AHEAD)]
)
def test_depth_is_what_fits_into_ten_milliseconds(seconds: float, depth: int) -> None:
    assert learned(1, seconds).depth == pytest.approx(depth, abs=1)


def test_depth_counts_all_runners() -> None:
    assert learned(4, 0.001).depth == pytest.approx(AHEAD * 4 / 0.001, abs=1)


@pytest.mark.parametrize(
    ("unstarted", "running", "want"), [(0, 0, 4), (0, 1, 3), (0, 4, 0), (1, 3, 0), (2, 1, 1), (3, 3, 0), (0, 9, 0)]
)
def test_slow_jobs_are_wanted_by_free_runners_only(unstarted: int, running: int, want: int) -> None:
    """None ahead, so that no job waits behind a slow one while another worker idles."""
    assert learned(4, 1.0).want(unstarted, running) == want


def test_short_jobs_are_fetched_before_the_runners_run_dry() -> None:
    """Not at every look, but when half of the batch is gone; then up to the full depth."""
    batch = learned(1, 0.0001)
    depth = batch.depth
    assert batch.want(unstarted=depth, running=1) == 0
    assert batch.want(unstarted=depth // 2 + 1, running=1) == 0
    assert batch.want(unstarted=depth // 2, running=1) == depth - depth // 2
    assert batch.want(unstarted=0, running=1) == depth


def test_one_slow_job_ends_reserving_ahead_and_it_comes_back_by_and_by() -> None:
    """A second-long job weighs as much as it takes; short ones have to prove themselves again."""
    batch = learned(1, 0.0001)
    batch.learn(1, 1.0)
    assert batch.depth == 1
    depths = []
    for _ in range(60):
        batch.learn(1, 0.0001)
        depths.append(batch.depth)
    assert depths == sorted(depths)
    assert depths[0] == 1
    assert depths[-1] >= 90


def test_many_jobs_at_once_weigh_more_than_one() -> None:
    one, many = learned(1, 0.01), learned(1, 0.01)
    one.learn(1, 0.0001)
    many.learn(100, 100 * 0.0001)
    assert many.depth > one.depth


def test_no_jobs_teach_nothing() -> None:
    batch = learned(1, 0.001)
    before = batch.depth
    batch.learn(0, 100.0)
    assert batch.depth == before


@pytest.mark.parametrize("seconds", [0.0, 1e-12, 1e-6, 0.001, 1.0, 1e9])
@pytest.mark.parametrize("slots", [1, 3, 64])
def test_it_never_wants_less_than_none_or_more_than_the_largest(seconds: float, slots: int) -> None:
    batch = learned(slots, seconds, times=3)
    for unstarted in (0, 1, slots, LARGEST, MOST_AHEAD, MOST_AHEAD * 2):
        for running in (0, 1, slots, slots + 5):
            want = batch.want(unstarted, running)
            assert 0 <= want <= max(LARGEST, slots)
            assert unstarted + want <= max(unstarted, MOST_AHEAD, slots)
