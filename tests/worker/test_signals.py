"""Signals become readable numbers: nothing happens in a handler, everything is put back afterwards."""

import os
import select
import signal
from collections.abc import Iterator

import pytest

from resque.worker.signals import WISHES, Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in (*WISHES, signal.SIGUSR1)}
    made = Signals(signal.SIGUSR1)
    yield made
    if made.socket.fileno() >= 0:
        made.restore()
    assert {number: signal.getsignal(number) for number in before} == before


def test_what_each_signal_means() -> None:
    assert WISHES == {signal.SIGTERM: "drain", signal.SIGINT: "drain", signal.SIGQUIT: "finish"}


def test_each_signal_is_readable(signals: Signals) -> None:
    assert signals.read() == []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert select.select([signals.socket], [], [], 5)[0]
    assert sorted(signals.read()) == sorted([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
    assert signals.read() == []


def test_the_same_signal_twice_is_two(signals: Signals) -> None:
    """The second TERM means "now"."""
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.read() == [signal.SIGTERM] * 2


def test_a_flood_does_not_block_or_raise(signals: Signals) -> None:
    """The socket is full: more of them are dropped, there is nothing new in them."""
    for _ in range(3000):
        signal.raise_signal(signal.SIGUSR1)
    found = 0
    while numbers := signals.read():
        found += len(numbers)
    assert found > 100


def test_an_interrupt_does_not_raise_in_the_job(signals: Signals) -> None:
    """Ctrl-C reaches the main thread in the middle of a job: no KeyboardInterrupt there."""
    signal.raise_signal(signal.SIGINT)
    assert signals.read() == [signal.SIGINT]


def test_restore_puts_everything_back(signals: Signals) -> None:
    signals.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1
    assert signals.socket.fileno() == -1
