"""What a job's process may use: as it is written, and errors that say what to write instead."""

import copy
import dataclasses
from typing import Any

import pytest

from resque.errors import ConfigError
from resque.jobs.limits import Limits

M = 1024**2


def test_everything_is_optional() -> None:
    limits = Limits()
    assert limits.is_empty
    assert all(getattr(limits, each.name) is None for each in dataclasses.fields(limits))
    assert repr(limits) == "Limits()"


def test_text_and_numbers_become_bytes_and_seconds() -> None:
    limits = Limits(memory="512M", cpu="1m", files=256, file_size="1G", processes=64)
    assert (limits.memory, limits.cpu, limits.files, limits.file_size, limits.processes) == (
        512 * M,
        60,
        256,
        1024 * M,
        64,
    )
    assert not limits.is_empty


@pytest.mark.parametrize("name", ["memory", "cpu", "files", "file_size", "processes"])
def test_one_limit_is_not_empty(name: str) -> None:
    assert not Limits(**{name: 64 * M}).is_empty


def test_nothing_at_all_may_be_written_to_files() -> None:
    limits = Limits(file_size=0)
    assert limits.file_size == 0
    assert not limits.is_empty
    assert repr(limits) == "Limits(file_size='0')"


@pytest.mark.parametrize(("written", "seconds"), [(1, 1), ("1s", 1), (1.01, 2), ("1500ms", 2), ("2h", 7200)])
def test_processor_time_is_whole_seconds_rounded_up(written: Any, seconds: int) -> None:
    assert Limits(cpu=written).cpu == seconds


def test_equal_when_they_mean_the_same() -> None:
    one, other = Limits(memory="512M", cpu=60), Limits(memory=512 * M, cpu="1m")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Limits(memory="512M")


@pytest.mark.parametrize(
    "limits",
    [Limits(memory="512M", cpu="90s", files=256, file_size="1G", processes=64), Limits(memory=17 * M + 1), Limits()],
    ids=["all", "odd", "none"],
)
def test_the_repr_can_be_written(limits: Limits) -> None:
    assert eval(repr(limits)) == limits
    assert copy.copy(limits) == limits
    assert dataclasses.replace(limits, files=9) == Limits(
        memory=limits.memory, cpu=limits.cpu, files=9, file_size=limits.file_size, processes=limits.processes
    )


def test_the_repr_says_what_is_limited_and_no_more() -> None:
    assert repr(Limits(memory=512 * M, cpu=90, processes=3)) == "Limits(memory='512M', cpu='90s', processes=3)"


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().memory = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("memory", 512, "limit memory: 512 is 512 bytes, and no job can start with less than 16M; write for example"),
        ("memory", "512", "write for example '512M'"),
        ("memory", "half", "limit memory: 'half' is no size; write a number of bytes, or for example '512K'"),
        ("memory", -1, "limit memory: -1 is no size"),
        ("memory", True, "limit memory: True is no size"),
        ("memory", 1.5, "limit memory: 1.5 is no size"),
        ("memory", 2**63, "limit memory: 9223372036854775808 is more than any machine has; leave it out for no limit"),
        ("cpu", "500ms", "limit cpu: '500ms' is too short, the kernel counts whole seconds; write '1s' or more"),
        ("cpu", 0, "limit cpu: 0 is too short"),
        ("cpu", "long", "limit cpu: 'long' is no length of time; write seconds (30), or for example '30s'"),
        ("cpu", True, "limit cpu: True is no length of time"),
        ("cpu", float("inf"), "limit cpu: inf is no length of time"),
        ("cpu", 1e300, "limit cpu: "),
        ("cpu", 10**400, "limit cpu: "),
        ("files", 7, "limit files: 7 must be a whole number of at least 8; write for example 256"),
        ("files", "256", "limit files: '256' must be a whole number"),
        ("files", True, "limit files: True must be a whole number"),
        ("file_size", "1 mile", "limit file_size: '1 mile' is no size"),
        ("processes", 0, "limit processes: 0 must be a whole number of at least 1; write for example 64"),
        ("processes", 2.0, "limit processes: 2.0 must be a whole number"),
        ("processes", 2**64, "more than any machine has"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_write(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Limits(**{name: value})  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_names_have_to_be_said() -> None:
    with pytest.raises(TypeError):
        Limits("512M")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Limits(ram="512M")  # type: ignore[call-arg]
