"""Filling a namespace with what has to do with time: delayed jobs, entries of cron.

May be in here: writing to Redis as the product does. May not: expectations.
"""

import json
from typing import Any

from resque.jobs import schedules
from resque.jobs.schedules import Entry
from resque.payload import codec
from resque.payload.payload import Meta, Tries
from tests.admin.conftest import Shop

LOCK = "0123456789abcdef0123456789abcdef"


def delay(shop: Shop, number: int, due: float, *, queue: str = "mail", job: str = "SendMail", **how: Any) -> bytes:
    """A delayed job with the id job-<number>. `lock`: "until:digest" in its meta. `attempt`: which one is next."""
    meta = Meta(f"job-{number}", queue, 1000.0, due, lock=how.get("lock"))
    raw = codec.encode(job, [number], {}, meta, limit=1 << 20)
    if "attempt" in how:
        raw = codec.with_tries(raw, Tries(attempt=how["attempt"])) or raw
    put_delayed(shop, f"job-{number}", due, raw, queue=queue)
    return raw


def put_delayed(shop: Shop, id: str, due: float, raw: bytes, *, queue: str = "mail") -> None:
    """The same, whatever the bytes."""
    shop.redis.sadd(shop.keys.queues(), queue)
    shop.redis.hset(shop.keys.payloads(queue), id, raw)
    shop.redis.zadd(shop.keys.delayed(queue), {id: due})


def entry(shop: Shop, name: str, **fields: Any) -> None:
    """An entry of cron."""
    known: dict[str, Any] = {"name": name, "job": "Report", "queue": "reports"}
    shop.redis.hset(shop.keys.cron(), name, schedules.write(Entry(**(known | fields))))


def raw_entry(shop: Shop, name: str, **fields: Any) -> None:
    """The same, whatever the fields are."""
    known = {"name": name, "class": "Report", "queue": "reports"}
    shop.redis.hset(shop.keys.cron(), name, json.dumps(known | fields))


def fired(shop: Shop, name: str, *ticks: int, queue: str = "reports") -> None:
    """Ticks of it that have been fired, the last one last."""
    for tick in ticks:
        shop.redis.lpush(shop.keys.cron_runs(queue, name), f"{tick} run-{tick}")
