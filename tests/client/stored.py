"""What a client has stored, as plain values.

May be in here: reading Redis. May not: expectations.
"""

import json
from typing import Any

from resque.config import Wire


def waiting(redis: Any, queue: str = "mail", wire: Wire = "native") -> list[Any]:
    """The jobs of a queue, the next one first."""
    found = [json.loads(raw) for raw in redis.lrange(f"resque:queue:{queue}", 0, -1)]
    return found if wire == "ruby" else found[::-1]


def names(redis: Any, queue: str = "mail", wire: Wire = "native") -> list[Any]:
    return [job["args"][0] for job in waiting(redis, queue, wire)]


def later(redis: Any, queue: str = "mail") -> list[tuple[Any, float]]:
    """(job, when it is due), the soonest first."""
    found = redis.zrange(f"resque:delayed:{queue}", 0, -1, withscores=True)
    return [(json.loads(redis.hget(f"resque:payloads:{queue}", id)), due) for id, due in found]


def locks(redis: Any) -> list[bytes]:
    return sorted(redis.keys("resque:lock:*"))


def is_empty(redis: Any) -> bool:
    """Nothing is stored. The marker may be there."""
    return set(redis.keys("*")) <= {b"resque:wire"}
