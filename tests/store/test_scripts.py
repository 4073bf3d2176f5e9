"""The Lua scripts as files: dialects, digests, and that every server takes them."""

import hashlib
import itertools
import re
from importlib import resources
from typing import Any

import pytest

from resque.config import Settings
from resque.errors import Unavailable
from resque.store import connection, scripts
from resque.store.operation import Operation, text
from resque.store.scripts import Dialect, Script
from resque.store.sync import SyncStore
from tests.store.canned import Canned
from tests.store.conftest import Drive

INFO: Operation[Any] = Operation("INFO", (), ("server",))
NAMES = [
    "adopt",
    "audit",
    "cancel",
    "claim",
    "conclude",
    "delay",
    "discard",
    "drop",
    "enqueue_unique",
    "fail",
    "find",
    "finish",
    "forget",
    "later",
    "mark",
    "promote",
    "purge",
    "release",
    "renew",
    "requeue",
    "reschedule",
    "reserve",
    "run_now",
    "soonest",
    "take_waiting",
    "tick",
    "unlock",
]
BRING_IN = ["delay", "enqueue_unique", "tick"]
"""They bring new jobs in: a full server refuses them."""


def test_there_is_a_script_for_each_transition() -> None:
    """And a test of what it does in tests/transitions; add both together."""
    assert scripts.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_script_begins_with_its_contract(name: str) -> None:
    """What it does, KEYS, ARGV, Returns, Called by: in comments, in this order, before any code."""
    body = (resources.files("resque.store") / "lua" / f"{name}.lua").read_text()
    header = "\n".join(itertools.takewhile(lambda line: line.startswith("--"), body.splitlines()))
    assert re.match(
        rf"-- {name.capitalize()}: .*?\n-- KEYS .*?\n-- ARGV .*?\n-- Returns .*?\n-- Called by ", header, re.S
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in BRING_IN])
def test_only_the_modern_dialect_has_a_shebang(name: str) -> None:
    """6.2 does not know it; there, a first write that needs no memory lets the rest pass on a full server."""
    modern, legacy = Script(name).text("modern"), Script(name).text("legacy")
    assert modern.startswith(b"#!lua flags=allow-oom\n-- ")
    assert b"#!" not in legacy
    assert legacy.startswith(b"redis.call('DEL', KEYS[1] .. ':none')\n-- ")
    assert modern.split(b"\n", 1)[1] == legacy.split(b"\n", 1)[1]


@pytest.mark.parametrize("name", BRING_IN)
def test_what_brings_new_jobs_in_passes_on_no_full_server(name: str) -> None:
    """As it is refused a push there: no flag, and no first write that would let the rest pass."""
    modern, legacy = Script(name).text("modern"), Script(name).text("legacy")
    assert modern.startswith(b"#!lua\n-- ")
    assert legacy.startswith(b"-- ")
    assert modern.split(b"\n", 1)[1] == legacy


@pytest.mark.parametrize("dialect", ["modern", "legacy"])
@pytest.mark.parametrize("name", NAMES)
def test_the_digest_is_that_of_the_text(name: str, dialect: Dialect) -> None:
    script = Script(name)
    assert script.sha(dialect) == hashlib.sha1(script.text(dialect)).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_a_script_touches_only_the_keys_that_it_is_given(name: str) -> None:
    """Redis Cluster sends it where those are; the user's rights are checked against them."""
    body = (resources.files("resque.store") / "lua" / f"{name}.lua").read_text()
    code = "\n".join(line.split("--", 1)[0] for line in body.splitlines())
    assert "resque" not in code
    assert "cjson" not in code, "it turns [] into {} and 2^53+1 into a float"
    assert "'RENAME'" not in code
    assert "'KEYS'" not in code


@pytest.mark.every_server
@pytest.mark.parametrize("name", NAMES)
def test_every_server_loads_every_script_in_its_dialect(url: str, name: str) -> None:
    store = SyncStore(Settings(redis_url=url))
    dialect = connection.dialect_of(store.run(INFO))
    script = Script(name)
    assert store.run(Operation("SCRIPT LOAD", (), (script.text(dialect),), text)) == script.sha(dialect)
    store.close()


@pytest.mark.every_server
def test_the_dialect_is_known_from_the_server_itself(leg: str, drive: Drive, url: str) -> None:
    assert connection.dialect_of(drive(url).run(INFO)) == ("legacy" if leg == "redis62" else "modern")


@pytest.mark.parametrize(
    ("info", "dialect"),
    [
        (b"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n", "legacy"),
        (b"# Server\r\nredis_version:7.0.0\r\n", "modern"),
        (b"# Server\r\nserver_name:valkey\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\n", "modern"),
        (b"# Server\r\nredis_version:10.0.0\r\n", "modern"),
        ("redis_version:6.0.0\n", "legacy"),
        (b"", "modern"),
    ],
)
def test_the_dialect_of(info: Any, dialect: str) -> None:
    assert connection.dialect_of(info) == dialect


def test_a_server_that_will_not_tell_its_version_is_taken_for_a_modern_one() -> None:
    """INFO may be forbidden by the user's rights."""
    assert connection.dialect_of(connection.exceptions.NoPermissionError("no permissions")) == "modern"


def test_a_server_that_cannot_tell_its_version_now_is_asked_again(drive: Drive) -> None:
    with Canned(b"-BUSY Redis is busy running a script\r\n") as server:
        driver = drive(server.url)
        if driver.store.settings.protocol == 3:
            return  # the greeting is refused before
        for asked in (1, 2):
            with pytest.raises(Unavailable):
                driver.run(Operation(Script("purge"), ("a", "b")))
            assert server.commands == asked, "INFO alone: no script in a guessed dialect"
