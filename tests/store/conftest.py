"""`drive`: one of the two drivers, in one of the two protocols, on a server; closed when the test ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque.config import Settings
from tests.store.drivers import DRIVERS, Driver

Drive = Callable[..., Driver]


@pytest.fixture(params=["sync-2", "sync-3", "aio-2", "aio-3"])
def drive(request: pytest.FixtureRequest) -> Iterator[Drive]:
    """drive(url, **settings) -> a driver. A test that takes it runs four times: sync and asyncio, RESP 2 and 3."""
    kind, protocol = request.param.split("-")
    opened: list[Driver] = []

    def open_driver(url: str, **settings: Any) -> Driver:
        driver = DRIVERS[kind](Settings(redis_url=url, protocol=int(protocol), **settings))
        opened.append(driver)
        return driver

    yield open_driver
    for driver in opened:
        driver.close()
