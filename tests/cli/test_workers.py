"""`resque workers`."""

import json

from tests.admin.conftest import Shop, payload
from tests.cli.conftest import Run

OURS = "web-1~ab12cd34:4711:mail"


def test_ls_shows_ours_and_ruby_s(run: Run, at_terminal: Run, shop: Shop) -> None:
    shop.redis.sadd(shop.keys.workers(), OURS, "vm:12377:*")
    shop.redis.hset(shop.keys.worker_info(OURS), mapping={"rss": 1 << 20, "concurrency": 2, "beat": 1, "supervisor": 9})
    status = {"queue": "mail", "run_at": "1970-01-01T00:16:30Z", "payload": json.loads(payload(7))}
    shop.redis.set(shop.keys.worker(OURS), json.dumps(status))
    ended = run("workers", "ls")
    header = ended.out.splitlines()[0].split("\t")
    ruby, ours = (dict(zip(header, row, strict=True)) for row in ended.rows)
    assert (ours["host"], ours["pid"], ours["kind"], ours["state"]) == ("web-1", "4711", "ours", "working")
    assert (ours["queue"], ours["job"], ours["job_id"], ours["rss"]) == ("mail", "SendMail", "job-7", "1048576")
    assert float(ours["runs_for"]) > 1000
    assert (ruby["host"], ruby["kind"], ruby["state"], ruby["job"]) == ("vm", "foreign", "idle", "")
    assert [each["id"] for each in run("workers", "ls", "--json").json] == ["vm:12377:*", OURS]
    assert "1 MB" in at_terminal("workers", "ls").out


def test_nobody_is_an_empty_table(run: Run, shop: Shop) -> None:
    assert run("workers", "ls").rows == []
    assert run("workers", "ls", "--json").json == []


def test_hostile_ids_are_harmless(run: Run, shop: Shop) -> None:
    shop.redis.sadd(shop.keys.workers(), "\x1b[31m:1:\u202e", b"\xff\x9b")
    out = run("workers", "ls").out
    assert len(out.splitlines()) == 3
    assert out.replace("\t", "").replace("\n", "").isprintable()
