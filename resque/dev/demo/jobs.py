"""Jobs of the demo: one counts a file, the other folds its numbers into the report.

May be in here: the two jobs. May not: counting (numbers.py), where notes are kept (tally.py).

A job runs at least once: when its worker dies, it runs again. So nothing in here adds up; each job writes the numbers
of its file under the file's name, and a second run writes the same once more.
"""

from functools import cache
from pathlib import Path

from resque import Job, Retry
from resque.app import default
from resque.dev.demo.numbers import FileNumbers, count
from resque.dev.demo.tally import Tally


class IndexFile(Job):
    """Read and parse one source file. Raises OSError or SyntaxError: then the job is in `failed` at once: a second look
    at the same file would end the same."""

    queue = "index"
    retry = Retry.never

    def perform(self, path: str) -> None:
        _tally(default().settings.redis_url).begun(path)
        FoldNumbers.enqueue(path, count(Path(path).read_bytes(), path))


class FoldNumbers(Job):
    """Put one file's numbers into the report."""

    queue = "fold"

    def perform(self, path: str, numbers: FileNumbers) -> None:
        _tally(default().settings.redis_url).put(path, numbers)


@cache
def _tally(url: str) -> Tally:
    """One for the life of a worker process."""
    return Tally(url)
