"""Subscription: which queues a worker serves, and in which order it looks at them.

May be in here: the language of `-q`. May not: Redis; the known queues come in.

    critical,mail         strict order: mail only when critical is empty
    mail:3,default:1      weighted: mail is first three times out of four (shuffled at each look)
    critical,mail:3,low:1 critical strictly first, then the weighted ones
    *                     every known queue that is not named otherwise, alphabetically
    mail*                 a pattern over the known queues
    !mail_slow            not this one, whatever else says so (may be a pattern too)
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from resque.errors import ConfigError

_WEIGHTED = re.compile(r"(.+):(\d{1,4})")
_PATTERN = re.compile(r"[*?\[]")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f{}]")


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    weight: int
    is_pattern: bool


class Subscription:
    """A parsed `-q`. Raises ConfigError for one that cannot be read.

    >>> Subscription("critical,mail").order([])
    ['critical', 'mail']
    """

    def __init__(self, text: str) -> None:
        self.text = ",".join(word.strip() for word in text.split(",") if word.strip())
        words = self.text.split(",") if self.text else []
        self._entries = [_entry(word) for word in words if not word.startswith("!")]
        self._excluded = [word[1:] for word in words if word.startswith("!")]
        if not self._entries:
            raise ConfigError(f"-q {text!r} names no queue; write for example 'critical,mail' or '*'")

    @property
    def named(self) -> list[str]:
        """The queues that are named outright, in order."""
        return [e.name for e in self._entries if not e.is_pattern and not self._is_excluded(e.name)]

    @property
    def is_fixed(self) -> bool:
        """Whether all queues are named, so that nothing must be asked."""
        return not any(entry.is_pattern for entry in self._entries)

    @property
    def label(self) -> str:
        """The third part of a worker's id: as given, without the exclusions (as Resque does)."""
        return ",".join(e.name for e in self._entries)

    def order(self, known: Iterable[str], rng: random.Random | None = None) -> list[str]:
        """The queues to look at, first things first. `known`: the names in Redis, for patterns."""
        result: list[str] = []
        group: list[_Entry] = []
        for entry in self._entries:
            if entry.weight:
                group.append(entry)
                continue
            result += _shuffled(group, rng)
            group = []
            result += self._matching(entry, known) if entry.is_pattern else [entry.name]
        result += _shuffled(group, rng)
        return [name for name in dict.fromkeys(result) if not self._is_excluded(name)]

    def _matching(self, entry: _Entry, known: Iterable[str]) -> list[str]:
        named = {e.name for e in self._entries if not e.is_pattern}
        return sorted(name for name in known if name not in named and fnmatchcase(name, entry.name))

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._excluded)


def _entry(word: str) -> _Entry:
    if _FORBIDDEN.search(word):
        raise ConfigError(f"queue {word!r}: blanks, control characters and braces cannot be in a queue's name")
    weighted = _WEIGHTED.fullmatch(word)
    if weighted is None:
        return _Entry(word, 0, bool(_PATTERN.search(word)))
    name, weight = weighted[1], int(weighted[2])
    if _PATTERN.search(name) or weight < 1:
        raise ConfigError(f"queue {word!r}: a weight is at least 1 and goes with a plain name")
    return _Entry(name, weight, False)


def _shuffled(group: list[_Entry], rng: random.Random | None) -> list[str]:
    """A weighted order without replacement: the key u^(1/w) of Efraimidis and Spirakis (2006)."""
    draw = (rng or random).random
    return [e.name for e in sorted(group, key=lambda e: draw() ** (1.0 / e.weight), reverse=True)]
