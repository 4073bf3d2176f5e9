"""waiting -> in-flight, one job, by waiting for it."""

import threading
from typing import Any

import pytest

from resque.store import reserve
from tests.conftest import client
from tests.transitions.state import ME, Space

pytestmark = pytest.mark.every_server

LEASE_END = 1_900_000_000_000
LEASED = {"leases:q": {ME: float(LEASE_END)}}


def wait(space: Space, timeout: float = 5) -> list[Any]:
    return space.run_all(reserve.wait(space.keys, "q", ME, LEASE_END, timeout))


def test_the_oldest_job_moves_and_leaves_a_receipt(space: Space) -> None:
    space.load({"queue:q": ["a", "b"], f"inflight:q:{ME}": ["held"]})
    assert wait(space) == [None, b"a", 0, 0]
    assert space.dump() == {"queue:q": ["b"], f"inflight:q:{ME}": ["held", "a"]} | LEASED


def test_the_lease_is_there_before_the_job_comes(space: Space, server: Any) -> None:
    """Whoever dies while it waits is recovered, whatever it caught."""
    result: list[Any] = []
    waiting = threading.Thread(target=lambda: result.extend(wait(space)))
    waiting.start()
    other = client(server)
    while not other.exists("resque:leases:q"):
        pass
    other.execute_command(space.keys.direction.push_back, "resque:queue:q", "late")
    other.close()
    waiting.join(10)
    assert result == [None, b"late", 0, 0]
    assert space.dump() == {f"inflight:q:{ME}": ["late"]} | LEASED


def test_a_wait_that_ends_without_a_job_changes_nothing_but_the_lease(space: Space) -> None:
    assert wait(space, timeout=0.05) == [None, None, 0, 0]
    assert space.dump() == LEASED


@pytest.mark.parametrize("switch", ["paused:q", "pause-all-workers"])
def test_an_answer_tells_of_a_pause(space: Space, switch: str) -> None:
    """The catch is kept in flight; the worker releases it."""
    space.load({"queue:q": ["a"], switch: "true"})
    assert wait(space) == [None, b"a", 1, 0]
    assert space.dump() == {f"inflight:q:{ME}": ["a"], switch: "true"} | LEASED


def test_the_last_answer_tells_that_somebody_has_cancelled_jobs(space: Space) -> None:
    space.load({"queue:q": ["a"], "cancelled:q": {"id-1": 5.0}})
    assert wait(space) == [None, b"a", 0, 1]
    assert space.dump() == {f"inflight:q:{ME}": ["a"], "cancelled:q": {"id-1": 5.0}} | LEASED


def test_another_connection_ends_a_wait_by_its_id(space: Space, server: Any) -> None:
    result: list[Any] = []
    operations = [reserve.client_id(), *reserve.wait(space.keys, "q", ME, LEASE_END, 5)]
    waiting = threading.Thread(target=lambda: result.extend(space.run_all(operations)))
    waiting.start()
    other = client(server)
    while not (blocked := [each for each in other.client_list() if each["cmd"].lower() == "blmove"]):
        pass
    other.close()
    space.run(reserve.unblock(int(blocked[0]["id"])))
    waiting.join(10)
    assert result == [int(blocked[0]["id"]), None, None, 0, 0]


def test_the_switch_is_read_with_the_same_eyes_as_by_reserve(space: Space) -> None:
    assert space.run(reserve.all_paused(space.keys)) is False
    space.load({"pause-all-workers": " True \n"})
    assert space.run(reserve.all_paused(space.keys)) is True
