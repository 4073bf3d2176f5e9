"""R22 for delayed, unique and periodic jobs: a right is missing, and each job is in exactly one place all the same.

May be in here: each of these transitions, run by a user who lacks one of the commands that its script uses. May not:
workers. The others are in test_rights.py.
"""

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from resque.config import Settings
from resque.store import cancelling, delayed, periodic, settle, unique
from resque.store.cancelling import Waiting
from resque.store.delayed import Delayed
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.settle import Conclude, Drop, Holder, Later
from resque.store.sync import SyncStore
from resque.store.unique import Claim
from tests.transitions.state import ME, Space, State

H = Holder("q", ME, f"{ME}:q")
HELD = '{"class":"A","args":[],"meta":{"id":"w","queue":"q","enqueued_at":1.5}}'
GIVEN: State = {
    "queue:q": ["x", HELD, "y"],
    f"inflight:q:{ME}": ["a", "b", "c"],
    "delayed:q": {"d": 5.0, "e": 6.0},
    "payloads:q": {"d": "job d", "e": "job e"},
    "attempts:q": {"a": "{}", "d": "{}", "w": "{}"},
    "lock:q:held": "w",
    "lock:q:later": "d",
    "lock:q:a": "a",
}
NOT_COMMANDS = {"RANK", "LEFT", "RIGHT", "MAXLEN", "LIMIT", "WITHSCORES"}
BRING_IN = ("delay", "enqueue_unique", "tick")
PUSHING = ("promote", "run_now", "enqueue_unique", "tick")


def transitions(keys: Keys) -> dict[str, Operation[Any]]:
    """By a name that begins with the script's."""
    free = Claim("n", b"new", "free", 60, "skip")
    held = free._replace(digest="held", conflict="replace")
    late = free._replace(digest="later", conflict="replace")
    return {
        "later": settle.later(keys, H, [Later(b"a", b"again", "a", 5, b"{}", ("A|retried",))], 1),
        "drop": settle.drop(keys, H, [Drop(b"a", "expired", "a", "a", ("A|expired",))], 1),
        "conclude": settle.conclude(keys, H, [Conclude(b"a", "a", "a", ("A|done",))], 1),
        "fail": settle.fail(keys, H, [(b"a", b"record a", "A|failed", "", "a", "a")], 1),
        "promote": delayed.promote(keys, "q", 9),
        "run_now": delayed.run_now(keys, "q", "d"),
        "cancel": delayed.cancel(keys, "q", "d", "later", "A|cancelled", 1),
        "take_waiting": cancelling.take_waiting(keys, "q", Waiting(b"x", "x", "held", "A|cancelled"), 1),
        "delay": delayed.delay(keys, "q", [Delayed("n", 5.0, b"new")])[1],
        "enqueue_unique, free": unique.enqueue(keys, "q", free)[1],
        "enqueue_unique, free, delayed": unique.enqueue(keys, "q", free._replace(due=5.0))[1],
        "enqueue_unique, waiting": unique.enqueue(keys, "q", held)[1],
        "enqueue_unique, waiting, front": unique.enqueue(keys, "q", held._replace(front=True))[1],
        "enqueue_unique, waiting, delayed": unique.enqueue(keys, "q", held._replace(due=5.0))[1],
        "enqueue_unique, delayed, now": unique.enqueue(keys, "q", late)[1],
        "enqueue_unique, delayed": unique.enqueue(keys, "q", late._replace(due=5.0))[1],
        "tick": periodic.tick(keys, "q", "nightly", 60, "n", b"new")[1],
    }


def cases() -> Iterator[tuple[str, str]]:
    """Every transition with every command of its script, but those for counters: they hold no job up."""
    for name in transitions(Keys()):
        script = name.split(",")[0]
        text = (resources.files("resque.store") / "lua" / f"{script}.lua").read_text()
        commands = set(re.findall(r"'([A-Z]{3,})'", text)) - NOT_COMMANDS - {"INCR", "INCRBY", "HINCRBY", "EXPIRE"}
        commands |= {"LPUSH", "RPUSH"} if script in PUSHING else set()
        yield from ((name, command) for command in sorted(commands))


@pytest.mark.every_server
@pytest.mark.parametrize(("name", "command"), list(cases()))
def test_without_a_right_each_job_is_in_one_place(space: Space, redis: Any, url: str, name: str, command: str) -> None:
    """Three attempts, if need be: what is half done each time grows without end."""
    space.load(GIVEN)
    redis.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", f"-{command.lower()}")
    store = SyncStore(Settings(redis_url=url.replace("redis://", "redis://app:secret@")))
    before = jobs(space.dump())
    for _ in range(3):
        (answer,) = store.run_all([transitions(space.keys)[name]])
        if not isinstance(answer, Exception):
            break
    store.close()
    redis.execute_command("ACL", "DELUSER", "app")
    state = space.dump()
    assert set(state.get("delayed:q", {})) == set(state.get("payloads:q", {})), "no half of a delayed job"
    gone, come = before - jobs(state), jobs(state) - before
    if name.startswith(BRING_IN):
        refused = isinstance(answer, Exception)
        assert come == ({} if refused else {"new": 1}), "what was refused is not there, the rest is there once"
        assert gone.total() == int(state.get("stat:deduplicated", 0))
    else:
        counted = sum(int(state.get(f"stat:{count}", 0)) for count in ("expired", "cancelled"))
        counted += int(state.get("stat:processed", 0)) if name == "conclude" else 0
        assert not come, "nothing is there twice"
        assert gone.total() == counted, "what is gone has been counted, and what was counted is gone"


def jobs(state: State) -> Counter[str]:
    """Everything that lies in a list or is delayed, by its payload."""
    lists = [item for name, value in state.items() if isinstance(value, list) and "cron" not in name for item in value]
    found = lists + list(state.get("payloads:q", {}).values())
    return Counter({"again": "a", "record a": "a"}.get(item, item) for item in found)
