"""Children of a supervisor: what they get, what they must not take along, what is left when they are gone."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest

from resque.channel import ChannelClosed
from resque.worker.engine import Seat
from resque.worker.nursery import Child, Nursery
from resque.worker.signals import WISHES
from tests.leftovers import is_gone

PATIENCE = 10.0


class Home:
    """A nursery, and all that it has made."""

    def __init__(self) -> None:
        self.forgets, self.forgotten = os.pipe()
        os.set_blocking(self.forgets, False)
        self.nursery = Nursery(3, 2, "1.2", self._forget)
        self.children: list[Child] = []
        self.every: list[Child] = []

    def _forget(self) -> None:
        os.write(self.forgotten, b"f")

    def fork(self, life: Callable[[Seat], int], kind: Any = "worker") -> Child:
        made = self.nursery.fork(kind, "q", life, self.children)
        self.children.append(made)
        self.every.append(made)
        return made

    def end(self, child: Child) -> int:
        """Its exit code, within a time."""
        self.children.remove(child)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        child.kill()
        os.waitpid(child.pid, 0)
        raise AssertionError("it does not end")

    def hear(self, child: Child) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for message in child.channel.receive():
                return message
            time.sleep(0.005)
        raise AssertionError("it says nothing")


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    yield made
    for child in made.children:
        child.kill()
        with suppress(ChildProcessError):
            os.waitpid(child.pid, 0)
    for child in made.every:
        child.channel.close()
    os.close(made.forgets)
    os.close(made.forgotten)


def forever(seat: Seat) -> int:
    time.sleep(60)
    return 0


def test_a_child_lives_its_life_and_ends_with_its_code(home: Home) -> None:
    me = os.getpid()

    def life(seat: Seat) -> int:
        seat.channel.send({"supervisor": seat.supervisor, "version": seat.version, "nonce": seat.nonce})
        return 7

    child = home.fork(life)
    said = home.hear(child)
    assert (said["supervisor"], said["version"]) == (me, "1.2")
    assert child.who.member.endswith(f"~{said['nonce']}:{child.pid}")
    assert child.who.id == f"{child.who.member}:q"
    assert home.end(child) == 7
    assert os.read(home.forgets, 9) == b"f", "what is the supervisor's is forgotten in the child, once"


def test_a_life_that_raises_ends_with_one_and_runs_nothing_of_the_parent(home: Home, capfd: Any) -> None:
    def life(seat: Seat) -> int:
        raise KeyboardInterrupt("in the child")

    assert home.end(home.fork(life)) == 1
    assert "in the child" in capfd.readouterr().err


def test_the_channels_of_the_others_are_closed(home: Home) -> None:
    """So a supervisor's end is the end for all: no sibling keeps the channel of another open."""
    first = home.fork(forever)

    def life(seat: Seat) -> int:
        return 3 if _is_open(first.channel.fileno()) else 0

    assert home.end(home.fork(life)) == 0


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_wish_that_meets_it_early_waits(home: Home) -> None:
    """Blocked in the child until it has handlers, open again in the parent."""

    def life(seat: Seat) -> int:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return 0 if set(WISHES) <= blocked else 5

    assert home.end(home.fork(life)) == 0
    assert not set(WISHES) & signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_each_has_a_page_and_a_place(home: Home) -> None:
    def life(seat: Seat) -> int:
        seat.page.marks[1] = 99
        seat.channel.send({})
        return forever(seat)

    first, second = home.fork(life), home.fork(forever)
    home.hear(first)
    assert (first.page.started(), second.page.started()) == ([99], [])
    assert first.place != second.place
    assert home.nursery.places
    third = home.fork(forever)
    assert not home.nursery.places
    third.kill()
    home.end(third)
    home.nursery.clear(third)
    assert home.nursery.places
    again = home.fork(forever)
    assert again.place == third.place


def test_a_page_is_clean_for_the_next(home: Home) -> None:
    def life(seat: Seat) -> int:
        seat.page.marks[0] = 5
        seat.page.children[0] = 2**30
        seat.page.deadlines[0] = 1.0
        seat.page.is_idle = seat.page.is_stopping = True
        return 0

    for _ in range(3):
        child = home.fork(life)
        home.end(child)
        home.nursery.clear(child)

    def look(seat: Seat) -> int:
        page = seat.page
        return int(any([*page.started(), *page.children, *page.deadlines, page.is_idle, page.is_stopping]))

    for _ in range(3):
        child = home.fork(look)
        assert home.end(child) == 0
        home.nursery.clear(child)


def test_what_it_has_started_ends_with_it(home: Home) -> None:
    """Its own group, and the groups of the jobs that the page names."""

    def life(seat: Seat) -> int:
        os.setpgid(0, 0)
        pids = [os.fork() or _sleep(None), os.fork() or _sleep(seat)]
        end = time.monotonic() + PATIENCE
        while not seat.page.children[1] and time.monotonic() < end:
            time.sleep(0.005)
        seat.channel.send({"pids": pids})
        return 0

    child = home.fork(life)
    pids = home.hear(child)["pids"]
    home.end(child)
    assert not any(is_gone(pid) for pid in pids)
    assert child.page.children[1] == pids[1]
    home.nursery.clear(child)
    end = time.monotonic() + PATIENCE
    while not all(is_gone(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.01)
    assert all(is_gone(pid) for pid in pids)


def _sleep(seat: Seat | None) -> NoReturn:
    if seat is not None:
        os.setpgid(0, 0)
        seat.page.children[1] = os.getpid()
    time.sleep(60)
    os._exit(0)


def test_to_tell_or_signal_one_that_is_gone_is_no_error(home: Home) -> None:
    child = home.fork(lambda seat: 0)
    home.end(child)
    child.signal(signal.SIGTERM)
    child.kill()
    child.tell({"leave": "x"})
    with pytest.raises(ChannelClosed):
        child.channel.receive()
    home.nursery.clear(child)
