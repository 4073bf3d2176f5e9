"""What a test of jobs needs: a registry that forgets the test's jobs, and an empty door."""

from collections.abc import Iterator

import pytest

from resque.jobs import door, registry


@pytest.fixture(autouse=True)
def _forget_jobs() -> Iterator[None]:
    """Jobs that a test defines are gone after it, and no door is left open."""
    before = set(registry.default.definitions())
    found = door.default.fill(None)
    yield
    door.default.fill(found)
    for definition in registry.default.definitions():
        if definition not in before:
            registry.default.remove(definition)
