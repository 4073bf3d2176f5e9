"""The only room that knows the time, and how a test replaces it."""

import time

import pytest

from resque import clock


def test_now_is_the_wall_clock() -> None:
    before = time.time()
    assert before <= clock.now() <= time.time()


def test_use_replaces_now_inside_the_block_only() -> None:
    with clock.use(lambda: 5.0):
        assert clock.now() == 5.0
    assert clock.now() > 1_000_000_000


def test_use_asks_the_clock_anew_each_time() -> None:
    """A test moves the time by changing what its clock answers."""
    times = iter([1.0, 2.0])
    with clock.use(lambda: next(times)):
        assert (clock.now(), clock.now()) == (1.0, 2.0)


def test_blocks_may_be_nested() -> None:
    with clock.use(lambda: 1.0):
        with clock.use(lambda: 2.0):
            assert clock.now() == 2.0
        assert clock.now() == 1.0


def test_an_error_in_the_block_brings_the_real_clock_back() -> None:
    with pytest.raises(RuntimeError), clock.use(lambda: 1.0):
        raise RuntimeError("in the block")
    assert clock.now() > 1_000_000_000


def test_monotonic_never_goes_back() -> None:
    moments = [clock.monotonic() for _ in range(1000)]
    assert moments == sorted(moments)


def test_use_leaves_monotonic_alone() -> None:
    """Waiting must go on while a test stops the wall clock."""
    before = clock.monotonic()
    with clock.use(lambda: 0.0):
        clock.sleep(0.001)
        assert clock.monotonic() > before


def test_sleep_takes_as_long_as_it_says() -> None:
    before = time.monotonic()
    clock.sleep(0.02)
    assert time.monotonic() - before >= 0.02


def test_boottime_includes_the_running_time() -> None:
    before = clock.boottime()
    assert clock.boottime() >= before >= 0


def test_boottime_where_the_platform_has_no_such_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert clock.boottime() == pytest.approx(time.monotonic(), abs=1)
