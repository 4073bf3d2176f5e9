"""Registry: wire name -> definition, and the cron entries that jobs ask for.

May be in here: adding, finding, refusing duplicates. May not: imports; no payload ever makes us import.
"""

from typing import TYPE_CHECKING

from resque.errors import DuplicateJob
from resque.jobs.definition import Definition

if TYPE_CHECKING:  # whoever only enqueues need not load what reads cron lines
    from resque.jobs.schedules import Entry


class Registry:
    """The jobs of a process by wire name and alias. Names are exact: case counts.

    >>> default.find("NoSuchJob") is None
    True
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Definition] = {}
        self._schedules: dict[str, tuple[Definition, Entry]] = {}

    def add(self, definition: Definition) -> None:
        """Register a job under its name and aliases; nothing is changed when that raises DuplicateJob.

        The same class or function defined once more (a reloaded module) replaces its older self.
        """
        older = []
        for name in (definition.name, *definition.aliases):
            holder = self._by_name.get(name)
            if holder is None:
                continue
            if holder.source != definition.source:
                raise DuplicateJob(
                    f"{definition.source} wants the job name {name!r}, which {holder.source} has; "
                    "rename one, or give one of them name='...'"
                )
            older.append(holder)
        for holder in older:
            self.remove(holder)
        for name in (definition.name, *definition.aliases):
            self._by_name[name] = definition

    def find(self, name: str) -> Definition | None:
        """The job of that wire name or alias, or None."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """Wire names in order, without aliases."""
        return sorted(definition.name for definition in self.definitions())

    def definitions(self) -> list[Definition]:
        """Every registered job once, oldest first."""
        return list(dict.fromkeys(self._by_name.values()))

    def remove(self, definition: Definition) -> None:
        """Forget a job under its name and aliases, and its cron entries. No error if it is not registered. For tests
        and reloading."""
        for name in (definition.name, *definition.aliases):
            if self._by_name.get(name) is definition:
                del self._by_name[name]
        for entry in self.schedules_of(definition):
            del self._schedules[entry.name]

    def schedule(self, definition: Definition, entry: "Entry") -> None:
        """Keep a cron entry of a registered job. Raises DuplicateJob when there is one of this name."""
        holder = self._schedules.get(entry.name)
        if holder is not None:
            raise DuplicateJob(
                f"{definition.source} wants the cron entry {entry.name!r}, which {holder[0].source} has; "
                "give one of them another name='...'"
            )
        self._schedules[entry.name] = definition, entry

    @property
    def schedules(self) -> list["Entry"]:
        """The cron entries of all jobs, oldest first."""
        return [entry for _, entry in self._schedules.values()]

    def schedules_of(self, definition: Definition) -> list["Entry"]:
        """Those of one job."""
        return [entry for owner, entry in self._schedules.values() if owner is definition]


default = Registry()
"""Where job classes and decorated functions register themselves."""
