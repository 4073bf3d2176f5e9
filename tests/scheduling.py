"""How xdist shares the tests out: a file stays together, and the tests with real processes run one at a time, first.

May be in here: which tests belong together. May not: fixtures.

Not `--dist loadgroup`: it writes the group behind the test's id, which pytest 9.2 does not take: nothing is grouped.
"""

from xdist.scheduler import LoadScopeScheduling


class FilesTogether(LoadScopeScheduling):
    """One unit of work is a file; all of tests/processes is one unit, because two cores do not carry two such tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "processes" if "processes" in file.split("/") else file
