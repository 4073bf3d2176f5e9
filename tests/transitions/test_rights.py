"""R22: a right is missing. Whatever a script may not do, it leaves each job in exactly one place.

May be in here: each transition, run by a user who lacks one of the commands that its script uses. May not: workers.
"""

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from resque.config import Settings
from resque.store import failures, inflight, queues, reserve, settle
from resque.store.inflight import Lost
from resque.store.keys import Keys
from resque.store.operation import Operation
from resque.store.settle import Holder
from resque.store.sync import SyncStore
from tests.transitions.state import ME, OTHER, Space, State

H = Holder("q", ME, f"{ME}:q")
GIVEN: State = {
    "queue:q": ["x", "y", "z"],
    f"inflight:q:{ME}": ["a", "b", "c"],
    "leases:q": {ME: 1e13},
    "failed": ["record f"],
    "queues": {"q"},
}
NOT_COMMANDS = {"RANK", "LEFT", "RIGHT", "MAXLEN"}


def transitions(keys: Keys) -> dict[str, Operation[Any]]:
    """By a name that begins with the script's."""
    return {
        "reserve": reserve.reserve(keys, ["q"], ME, 2, 20),
        "finish": settle.finish(keys, H, [("done", "", "")], [0, b"a", 0, b"b"], 1),
        "finish, not in order": settle.finish(keys, H, [("done", "", "")], [0, b"b"], 1),
        "fail": settle.fail(keys, H, [(b"a", b"record a", "", "")], 1),
        "release": settle.release(keys, H, [(b"a", b""), (b"b", b"")]),
        "adopt": inflight.adopt(keys, "q", Lost(ME), OTHER, 20),
        "requeue": failures.requeue(keys, b"record f", 0, "q", b"f"),
        "discard": failures.discard(keys, b"record f", 0),
        "purge": queues.purge(keys, "q"),
    }


def cases() -> Iterator[tuple[str, str]]:
    """Every transition with every command of its script. No INCRBY: a counter holds no job up."""
    for name in transitions(Keys()):
        script = name.split(",")[0]
        text = (resources.files("resque.store") / "lua" / f"{script}.lua").read_text()
        commands = set(re.findall(r"'([A-Z]{3,})'", text)) - NOT_COMMANDS
        commands |= {"LPUSH", "RPUSH"} if script in ("reserve", "release", "fail", "requeue") else set()
        yield from ((name, command) for command in sorted(commands) if (script, command) != ("finish", "INCRBY"))


@pytest.mark.every_server
@pytest.mark.parametrize(("name", "command"), list(cases()))
def test_without_a_right_each_job_is_in_one_place(space: Space, redis: Any, url: str, name: str, command: str) -> None:
    """Three attempts: what is half done each time grows without end."""
    space.load(GIVEN)
    redis.execute_command("ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", f"-{command.lower()}")
    store = SyncStore(Settings(redis_url=url.replace("redis://", "redis://app:secret@")))
    before = jobs(space.dump())
    for _ in range(3):
        store.run_all([transitions(space.keys)[name]])
    store.close()
    redis.execute_command("ACL", "DELUSER", "app")
    state = space.dump()
    ended = sum(int(state.get(f"stat:{count}", 0)) for count in ("purged", "discarded"))
    ended += int(state.get("stat:processed", 0)) if name.startswith("finish") else 0
    assert not jobs(state) - before, "nothing is there twice"
    assert (before - jobs(state)).total() == ended, "what is gone has been counted, and what was counted is gone"
    assert "oversize:q" not in state


def jobs(state: State) -> Counter[str]:
    """Everything that lies in a list, by its payload."""
    return Counter(item.split()[-1] for value in state.values() if isinstance(value, list) for item in value)
