"""waiting -> dropped."""

import pytest

from resque.store import queues, stats
from tests.transitions.state import ME, Space

pytestmark = pytest.mark.every_server


def test_purged_jobs_are_counted_and_those_in_flight_stay(space: Space) -> None:
    space.check(
        {"queue:q": ["a", "b", "c"], "queue:r": ["x"], f"inflight:q:{ME}": ["d"], "queues": {"q"}, "stat:purged": "4"},
        queues.purge(space.keys, "q"),
        3,
        {"queue:r": ["x"], f"inflight:q:{ME}": ["d"], "queues": {"q"}, "stat:purged": "7"},
    )
    assert space.run(stats.total(space.keys, "purged")) == 7


def test_purging_an_empty_queue_counts_nothing(space: Space) -> None:
    space.check({}, queues.purge(space.keys, "q"), 0, {})


def test_a_count_that_cannot_be_written_keeps_the_jobs(space: Space) -> None:
    """Dropped jobs are always counted."""
    state = {"queue:q": ["a"], "stat:purged": {"a set"}}
    space.load(state)
    (refused,) = space.run_all([queues.purge(space.keys, "q")])
    assert "WRONGTYPE" in str(refused)
    assert space.dump() == state
