"""The registry of workers: who there is, what each does now. Resque's keys and forms, and `:info` beside them.

May be in here: register, unregister, status. May not: what a worker is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from resque.store.keys import Keys
from resque.store.operation import Operation, as_is, mapping, nothing, text, texts

COMMAND_LIFE = 60
"""Seconds."""


def register(keys: Keys, id: str, started: str) -> list[Operation[Any]]:
    """A worker appears. `started` in Resque's form: "2026-11-24 01:55:10 +0000"."""
    return [
        Operation("SADD", (keys.workers(),), (id,), nothing),
        Operation("SET", (keys.worker_started(id),), (started,), nothing),
    ]


def unregister(keys: Keys, id: str) -> list[Operation[Any]]:
    """A worker is gone, with all that was kept about it."""
    gone = (
        keys.worker(id),
        keys.worker_started(id),
        keys.worker_info(id),
        keys.worker_command(id),
        keys.stat("processed", id),
        keys.stat("failed", id),
    )
    return [
        Operation("SREM", (keys.workers(),), (id,), nothing),
        *(Operation("DEL", (key,), (), nothing) for key in gone),
    ]


def ids(keys: Keys) -> Operation[list[str]]:
    """All registered workers."""
    return Operation("SMEMBERS", (keys.workers(),), (), texts)


def working(keys: Keys, id: str, status: bytes) -> Operation[None]:
    """What the worker does now: JSON {queue, run_at, payload}, as Resque writes it."""
    return Operation("SET", (keys.worker(id),), (status,), nothing)


def idle(keys: Keys, id: str) -> Operation[None]:
    """The worker does nothing now; as in Resque, the key is absent then."""
    return Operation("DEL", (keys.worker(id),), (), nothing)


def status(keys: Keys, id: str) -> Operation[bytes | None]:
    """What `working` wrote, or None while idle."""
    return Operation("GET", (keys.worker(id),), (), as_is)


def started(keys: Keys, id: str) -> Operation[bytes | None]:
    """When the worker started, as it wrote it."""
    return Operation("GET", (keys.worker_started(id),), (), as_is)


def beat(keys: Keys, id: str, info: Mapping[str, str | int | float], life: float) -> list[Operation[Any]]:
    """A sign of life with details; forgotten `life` seconds after the last."""
    flat: Sequence[Any] = [item for pair in info.items() for item in pair]
    return [
        Operation("SADD", (keys.workers(),), (id,), nothing),  # pruned by mistake, or lost: it lives
        Operation("HSET", (keys.worker_info(id),), tuple(flat), nothing),
        Operation("PEXPIRE", (keys.worker_info(id),), (round(life * 1000),), nothing),
    ]


def prolong(keys: Keys, id: str, life: float) -> Operation[None]:
    """Keep the last beat for another `life` seconds: the worker lives, its supervisor says so."""
    return Operation("PEXPIRE", (keys.worker_info(id),), (round(life * 1000),), nothing)


def command(keys: Keys, id: str, text: str) -> list[Operation[Any]]:
    """Ask a worker to do something. What nobody fetches within a minute is forgotten."""
    key = keys.worker_command(id)
    return [
        Operation("RPUSH", (key,), (text,), nothing),
        Operation("EXPIRE", (key,), (COMMAND_LIFE,), nothing),
    ]


def await_command(keys: Keys, ids: Sequence[str], timeout: float) -> Operation[tuple[str, str] | None]:
    """Wait up to `timeout` seconds for a command to one of these workers: (id, text), or None."""
    by_key = {keys.worker_command(id): id for id in ids}

    def parse(reply: Any) -> tuple[str, str] | None:
        return None if reply is None else (by_key[text(reply[0])], text(reply[1]))

    return Operation("BLPOP", tuple(by_key), (timeout,), parse)


def info(keys: Keys, id: str) -> Operation[dict[str, bytes]]:
    """The details of the last beat; empty when there was none for a while."""
    return Operation("HGETALL", (keys.worker_info(id),), (), mapping)
