"""`space`: a namespace to load, run operations on, and compare; once for each wire."""

from collections.abc import Iterator
from typing import Any

import pytest

from resque.config import Wire
from tests.transitions.state import Space


@pytest.fixture(params=["native", "ruby"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """The wire direction of this test."""
    found: Wire = request.param
    return found


@pytest.fixture
def space(redis: Any, url: str, wire: Wire) -> Iterator[Space]:
    """An empty namespace on the test's server."""
    space = Space(redis, url, wire)
    yield space
    space.store.close()
