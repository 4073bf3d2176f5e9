"""Fixtures of the races: those of the worker's, the duties' and the process tests.

May be in here: borrowing. May not: fixtures of its own.
"""

from tests.processes.conftest import team_of
from tests.scheduler.conftest import native, through
from tests.worker.conftest import settings, shop

__all__ = ["native", "settings", "shop", "team_of", "through"]
