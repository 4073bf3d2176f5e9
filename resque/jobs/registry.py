"""Registry: wire name -> definition.

May be in here: adding, finding, refusing duplicates. May not: imports; no payload ever makes us import.
"""

from resque.errors import DuplicateJob
from resque.jobs.definition import Definition


class Registry:
    """The jobs of a process by wire name and alias. Names are exact: case counts.

    >>> default.find("NoSuchJob") is None
    True
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Definition] = {}

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
        """Forget a job under its name and aliases. No error if it is not registered. For tests and reloading."""
        for name in (definition.name, *definition.aliases):
            if self._by_name.get(name) is definition:
                del self._by_name[name]


default = Registry()
"""Where job classes and decorated functions register themselves."""
