"""How a worker is called in Redis."""

import os
import re
import socket

import pytest

from resque.store import identity as names
from resque.store.identity import Identity, identity, split


def test_an_id_has_three_parts_and_the_member_is_its_start() -> None:
    """One malformed id crashes every starting Ruby worker (PROTOCOL 5)."""
    found = identity("0a1b2c3d", 77, "mail,default")
    assert found == Identity(f"{names.host()}~0a1b2c3d:77", f"{names.host()}~0a1b2c3d:77:mail,default")
    assert len(found.id.split(":")) == 3
    assert all(found.id.split(":"))


def test_a_nonce_is_fresh_and_safe_in_a_key() -> None:
    """It tells restarted containers with one host name and one pid apart."""
    nonces = {names.nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(re.fullmatch("[0-9a-f]{8}", each) for each in nonces)


@pytest.mark.parametrize(
    ("called", "host"),
    [("web-1.example_org", "web-1.example_org"), ("fe80::1", "fe80--1"), ("a~b", "a-b"), ("", "localhost")],
)
def test_a_host_name_cannot_break_an_id(called: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colon would move the pid, a tilde the nonce."""
    monkeypatch.setattr(socket, "gethostname", lambda: called)
    assert names.host() == host
    assert split(identity("0a1b", 5, "q").id) == (host, "0a1b", 5, "q")


@pytest.mark.parametrize("queues", ["q", "*", "a,b:c,d", "mail*,!mail_slow"])
def test_an_id_is_read_back(queues: str) -> None:
    assert split(identity("0a1b", os.getpid(), queues).id) == (names.host(), "0a1b", os.getpid(), queues)


@pytest.mark.parametrize("id", ["vm:12369:high,low", "vm:12:*", "vm~0a1b:x:q", "vm~0a1b:12", "", "::", "vm~0a1b"])
def test_anybody_elses_id_reads_as_none(id: str) -> None:
    """Ruby's workers are Ruby's to prune."""
    assert split(id) is None
