"""Identity: how a worker is called in Redis.

May be in here: `host~nonce:pid:queues` and its parts. May not: Redis.

The nonce tells restarted containers with one host name and pid apart, and keeps Ruby workers on the same host from
pruning us by their local `ps`. Always three non-empty parts: one malformed id crashes every starting Ruby worker.
"""

import secrets
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """One process's names."""

    member: str
    """`host~nonce:pid`: in leases and names of in-flight lists."""
    id: str
    """`host~nonce:pid:queues`: in the set of workers."""


def nonce() -> str:
    """A fresh one, for one process."""
    return secrets.token_hex(4)


def host() -> str:
    """This machine's name, without what would break an id."""
    name = socket.gethostname() or "localhost"
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)


def identity(nonce: str, pid: int, label: str) -> Identity:
    """The names of process `pid`, which serves the queues of `label`."""
    member = f"{host()}~{nonce}:{pid}"
    return Identity(member, f"{member}:{label}")


def split(id: str) -> tuple[str, str, int, str] | None:
    """(host, nonce, pid, queues) of a worker id of ours; None for anybody else's, Ruby's among them."""
    parts = id.split(":", 2)
    if len(parts) != 3 or "~" not in parts[0] or not parts[1].isdigit():
        return None
    name, _, its_nonce = parts[0].rpartition("~")
    return name, its_nonce, int(parts[1]), parts[2]
