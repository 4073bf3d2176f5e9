"""The Lua scripts: loaded from lua/, one file per transition, in the dialect that the server speaks.

May be in here: text, digest, dialect. May not: calling (operation.py, the drivers).

Two dialects. "modern" (Redis 7, Valkey): a shebang with `allow-oom`, since a full server must still be able to settle
and release. "legacy" (6.2, which knows no shebang): a first write that needs no memory lets the rest of the script
pass under maxmemory. The scripts that bring new jobs in have neither: a full server refuses them as it refuses a push.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Dialect = Literal["modern", "legacy"]

_MODERN = "#!lua flags=allow-oom\n"
_LEGACY = "redis.call('DEL', KEYS[1] .. ':none')\n"
_BRINGS_IN = ("delay", "enqueue_unique", "tick")
_MODERN_IN = "#!lua\n"


@dataclass(frozen=True, slots=True)
class Script:
    """One file of lua/, by its name without the ending."""

    name: str

    def text(self, dialect: Dialect) -> bytes:
        """What EVAL is given."""
        return _text(self.name, dialect)

    def sha(self, dialect: Dialect) -> str:
        """What EVALSHA is given."""
        return _sha(self.name, dialect)


def names() -> list[str]:
    """All scripts, sorted."""
    folder = resources.files(__package__) / "lua"
    return sorted(file.name.removesuffix(".lua") for file in folder.iterdir() if file.name.endswith(".lua"))


@cache
def _text(name: str, dialect: Dialect) -> bytes:
    body = (resources.files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    if name in _BRINGS_IN:
        return ((_MODERN_IN if dialect == "modern" else "") + body).encode()
    return ((_MODERN if dialect == "modern" else _LEGACY) + body).encode()


@cache
def _sha(name: str, dialect: Dialect) -> str:
    return hashlib.sha1(_text(name, dialect), usedforsecurity=False).hexdigest()
