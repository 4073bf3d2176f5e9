"""Files: the Python sources of this machine that the demo counts.

May be in here: where they lie, which to take, in which order. May not: reading them.
"""

import os
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

DEFAULT_LIMIT = 4_000

# Sources that the standard library keeps because they do not parse: tests of the tokenizer, Python 2 for lib2to3.
# Which of them are there depends on the version, and some distributions leave all of them out.
_LIKELY_BAD = ("/lib2to3/tests/data/", "/tokenizedata/bad", "/test/bad")
_ELSEWHERE = {"__pycache__", "site-packages", "dist-packages"}


def roots() -> list[Path]:
    """The standard library, then where packages are installed; existing folders, each once."""
    paths = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    return [path for path in dict.fromkeys(paths) if path.is_dir()]


def find(limit: int | None = None, folders: Sequence[Path] | None = None) -> list[str]:
    """At most `limit` (4,000) absolute paths under `folders` (`roots()`), the same ones in the same order every time.

    Files that are likely not to parse are among them however small the limit; the others are spread over everything.

    >>> find(300)[0]
    '/usr/lib/python3.11/__future__.py'
    """
    limit = DEFAULT_LIMIT if limit is None else limit
    every = list(dict.fromkeys(path for folder in folders or roots() for path in _sources(folder)))
    bad = [path for path in every if _is_likely_bad(path)][:limit]
    good = [path for path in every if not _is_likely_bad(path)]
    wanted = min(limit - len(bad), len(good))
    chosen = {*bad, *(good[number * len(good) // wanted] for number in range(wanted))}
    return [path for path in every if path in chosen]


def short(path: str) -> str:
    """A path for people: from its root on. The path itself when it lies elsewhere.

    >>> short("/usr/lib/python3.11/json/decoder.py")
    'json/decoder.py'
    """
    inside = [os.path.relpath(path, root) for root in roots() if path.startswith(f"{root}{os.sep}")]
    return min(inside, key=len, default=path)


def _sources(folder: Path) -> Iterator[str]:
    """In order. Installed packages often lie inside the standard library's folder: they have a root of their own."""
    for directory, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if name not in _ELSEWHERE)
        for name in sorted(names):
            path = os.path.join(directory, name)
            # A name that is no UTF-8 cannot be printed, nor travel in a payload.
            if name.endswith(".py") and path.isprintable() and os.path.isfile(path):
                yield path


def _is_likely_bad(path: str) -> bool:
    posix = Path(path).as_posix()
    return any(part in posix for part in _LIKELY_BAD)
