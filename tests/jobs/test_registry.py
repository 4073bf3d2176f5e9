"""Names to jobs, and no name for two."""

from collections.abc import Callable
from typing import Any

import pytest

from resque.errors import ConfigError, DuplicateJob
from resque.jobs import registry
from resque.jobs.definition import Definition
from resque.jobs.registry import Registry


def first() -> None: ...


def second() -> None: ...


def define(owner: Callable[..., Any], name: str, *aliases: str) -> Definition:
    return Definition(owner, name=name, aliases=aliases)


def test_a_job_is_found_by_its_name_and_its_aliases_exactly() -> None:
    jobs, job = Registry(), define(first, "First", "Old::First")
    jobs.add(job)
    assert jobs.find("First") is job
    assert jobs.find("Old::First") is job
    for stranger in ("first", "FIRST", "Firs", "First ", "", "Old"):
        assert jobs.find(stranger) is None


def test_names_are_sorted_without_aliases_and_definitions_come_once() -> None:
    jobs, b, a = Registry(), define(first, "B", "A0"), define(second, "A")
    jobs.add(b)
    jobs.add(a)
    assert jobs.names() == ["A", "B"]
    assert jobs.definitions() == [b, a]


@pytest.mark.parametrize(
    ("held", "wanted"),
    [(("X",), ("X",)), (("X",), ("Y", "X")), (("X", "Y"), ("Y",)), (("X", "Z"), ("Y", "Z"))],
    ids=["name-name", "name-alias", "alias-name", "alias-alias"],
)
def test_a_name_in_use_by_another_job_is_refused(held: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """The error names both places, and the registry is as before."""
    jobs, holder = Registry(), define(first, *held)
    jobs.add(holder)
    with pytest.raises(DuplicateJob) as caught:
        jobs.add(define(second, *wanted))
    assert f"{__name__}.first" in str(caught.value)
    assert f"{__name__}.second" in str(caught.value)
    assert jobs.definitions() == [holder]
    assert {name for name in ("X", "Y", "Z") if jobs.find(name)} == set(held)
    assert isinstance(caught.value, ConfigError)


def test_the_same_function_defined_again_replaces_its_older_self() -> None:
    """A reloaded module: also names that the new one no longer has are gone."""
    jobs = Registry()
    jobs.add(define(first, "First", "Old"))
    newer = define(first, "First", "Older")
    jobs.add(newer)
    assert jobs.find("First") is newer
    assert jobs.find("Older") is newer
    assert jobs.find("Old") is None


def test_a_replacement_that_clashes_with_a_third_job_changes_nothing() -> None:
    jobs, one, two = Registry(), define(first, "First"), define(second, "Second")
    jobs.add(one)
    jobs.add(two)
    with pytest.raises(DuplicateJob):
        jobs.add(define(first, "First", "Second"))
    assert jobs.find("First") is one
    assert jobs.find("Second") is two


def test_one_place_may_make_jobs_of_different_names() -> None:
    """A factory gives its functions names of their own; they are no redefinitions of each other."""
    jobs = Registry()
    jobs.add(define(first, "Import_de"))
    jobs.add(define(first, "Import_fr"))
    assert jobs.names() == ["Import_de", "Import_fr"]


def test_remove_forgets_all_names_and_nothing_of_others() -> None:
    jobs, one, two = Registry(), define(first, "First", "Old"), define(second, "Second")
    jobs.add(one)
    jobs.add(two)
    jobs.remove(one)
    jobs.remove(one)
    jobs.remove(define(second, "Second"))
    assert jobs.find("Old") is None
    assert jobs.definitions() == [two]


def test_registries_are_independent() -> None:
    Registry().add(define(first, "OnlyThere"))
    assert registry.default.find("OnlyThere") is None
