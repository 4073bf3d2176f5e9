"""What there is to lose: the least that a Python worker can do, in a process of its own.

May be in here: the bare loop (one Lua move of 100, decode, call) and the bare fork-run-wait loop. May not: our worker.

    python -m bench.bare loop <url> <list>       prints jobs a second
    python -m bench.bare fork <jobs>             prints jobs a second, and resident MiB
"""

import os
import sys
import time
from typing import Any

import msgspec
import psutil
import redis

import resque.worker.supervisor  # noqa: F401  the same memory as our worker's

_MOVE = """
redis.call('LTRIM', KEYS[2], ARGV[1], -1)
local raws = redis.call('LRANGE', KEYS[1], -100, -1)
if #raws > 0 then
  redis.call('LPUSH', KEYS[2], unpack(raws))
  redis.call('LTRIM', KEYS[1], 0, -#raws - 1)
end
return raws
"""


def noop() -> None: ...


def loop(url: str, name: str) -> float:
    """Move a hundred, clear the hundred before; decode; call."""
    client: Any = redis.Redis.from_url(url)
    move = client.register_script(_MOVE)
    decode, jobs = msgspec.json.Decoder().decode, {"noop": noop}
    total = before = 0
    began = time.perf_counter()
    while raws := move(keys=[name, "bare:inflight"], args=[before]):
        for raw in raws:
            payload = decode(raw)
            jobs[payload["class"]](*payload["args"])
        before = len(raws)
        total += before
    return total / (time.perf_counter() - began)


def fork(count: int) -> float:
    """A child a job, one after another."""
    payload, decode = b'{"class":"noop","args":[]}', msgspec.json.Decoder().decode
    began = time.perf_counter()
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            decode(payload)
            os._exit(0)
        os.waitpid(pid, 0)
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    if sys.argv[1] == "loop":
        print(loop(sys.argv[2], sys.argv[3]))
    else:
        print(fork(int(sys.argv[2])), psutil.Process().memory_info().rss / 1024 / 1024)
