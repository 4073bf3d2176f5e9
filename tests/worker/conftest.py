"""Fixtures of the worker's tests: `settings(**more)` for the test's server, and a `shop` of jobs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.config import Settings
from tests.worker import rig


@pytest.fixture
def settings(url: str) -> Callable[..., Settings]:
    """settings(concurrency=2, …) -> Settings for the test's server."""

    def make(**more: Any) -> Settings:
        return rig.settings_for(more.pop("url", url), **more)

    return make


@pytest.fixture
def shop() -> Iterator[rig.Shop]:
    """Jobs that note what they did; whatever still holds is released at the end."""
    shop = rig.Shop()
    yield shop
    shop.release()
