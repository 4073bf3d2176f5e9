"""Lengths of time and sizes as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from resque import durations


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0),
        (30, 30),
        (0.25, 0.25),
        ("30", 30),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("30s", 30),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h", 3600),
        ("2d", 172_800),
        ("1w", 604_800),
        ("1h30m", 5400),
        ("1m30s500ms", 90.5),
        ("  5m  ", 300),
        (timedelta(minutes=2), 120),
        (timedelta(milliseconds=1), 0.001),
    ],
)
def test_seconds(written: durations.Duration, expected: float) -> None:
    assert durations.seconds(written) == pytest.approx(expected)


@pytest.mark.parametrize(
    "written",
    ["", " ", "5 m", "m", "5x", "5M", "1h-30m", "1h30", "-5", "-5m", "nan", "inf", "1e999", "five", "5m!", "1.2.3s"],
)
def test_text_that_is_no_length_of_time(written: str) -> None:
    with pytest.raises(ValueError, match="is no length of time; write seconds"):
        durations.seconds(written)


@pytest.mark.parametrize(
    "written", [True, False, None, [5], -1, -0.5, float("nan"), float("inf"), timedelta(seconds=-1), b"5m"]
)
def test_values_that_are_no_length_of_time(written: object) -> None:
    with pytest.raises(ValueError, match="is no length of time") as caught:
        durations.seconds(written)  # type: ignore[arg-type]
    assert repr(written) in str(caught.value)


@given(some.integers(0, 10**6), some.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_every_number_with_every_unit(number: int, unit: tuple[str, float]) -> None:
    assert durations.seconds(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@given(some.text(max_size=20))
def test_any_text_is_a_length_or_a_value_error(text: str) -> None:
    """Nothing else comes out, and what comes out can be waited for."""
    try:
        result = durations.seconds(text)
    except ValueError:
        return
    assert 0 <= result < float("inf")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0),
        (1024, 1024),
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("512K", 512 * 1024),
        ("512k", 512 * 1024),
        ("512KB", 512 * 1024),
        ("512KiB", 512 * 1024),
        ("256M", 256 * 1024**2),
        ("1G", 1024**3),
        (" 1G ", 1024**3),
    ],
)
def test_size(written: int | str, expected: int) -> None:
    assert durations.size(written) == expected


@pytest.mark.parametrize("written", ["", "K", "1.5M", "-1", -1, "1T", "1 G", True, None, 1.5, "ten"])
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="is no size; write a number of bytes"):
        durations.size(written)  # type: ignore[arg-type]
