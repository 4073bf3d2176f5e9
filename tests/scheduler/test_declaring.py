"""Who declares cron entries, and what becomes of those that nobody declares any more."""

from collections.abc import Callable

from resque import events
from resque.config import CronTables
from resque.dev.server import Server
from resque.jobs import schedules
from resque.jobs.schedules import Entry
from resque.scheduler.periodic import Periodic
from resque.store import periodic
from tests.conftest import client
from tests.scheduler.conftest import Stage
from tests.scheduler.test_periodic import duty, jobs, put, run_until_idle, server_time

SOURCE = "code:shop.jobs"


def stored(stage: Stage) -> dict[str, Entry]:
    return {name: schedules.read(name, raw) for name, raw in stage.store.run(periodic.entries(stage.keys)).items()}


def declare(each: Periodic, *entries: Entry, now: float = 0.0) -> None:
    each.declare({entry.name: schedules.write(entry).decode() for entry in entries})
    each.tick(now)


A, B = Entry("a", "Report", "q", cron="@yearly"), Entry("b", "Report", "q", every=3600)


def test_what_code_declares_is_stored_and_begins_now(native: Stage) -> None:
    before = server_time(native)
    declare(duty(native), A, B)
    found = stored(native)
    assert set(found) == {"a", "b"}
    for name, entry in (("a", A), ("b", B)):
        assert found[name].says_the_same(entry)
        assert found[name].source == SOURCE
        assert before - 0.01 <= found[name].since <= server_time(native) + 0.01


def test_what_is_declared_again_has_begun_before(native: Stage) -> None:
    each = duty(native)
    declare(each, A, B)
    native.redis.hset("resque:cron", "a", schedules.write(stored(native)["a"].changed(since=5.0)))
    native.redis.hset("resque:cron", "b", schedules.write(stored(native)["b"].changed(since=5.0)))
    declare(duty(native), A, B.changed(every=60))
    assert stored(native)["a"].since == 5.0
    assert stored(native)["b"].since > 5.0
    assert stored(native)["b"].every == 60


def test_what_is_not_declared_any_more_is_removed_and_nothing_of_others(native: Stage) -> None:
    each = duty(native)
    declare(each, A, B)
    for name, source in (("c", "code:other"), ("d", "file:shop.jobs"), ("e", ""), ("f", "operator")):
        native.redis.hset("resque:cron", name, schedules.write(A.changed(name=name, source=source)))
    native.redis.hset("resque:cron", "broken", b"?")
    declare(each, B)
    assert {name.decode() for name in native.redis.hkeys("resque:cron")} == {"b", "c", "d", "e", "f", "broken"}
    declare(each)
    assert {name.decode() for name in native.redis.hkeys("resque:cron")} == {"c", "d", "e", "f", "broken"}


def test_a_name_that_an_operator_has_given_is_left_to_him(native: Stage) -> None:
    native.redis.hset("resque:cron", "a", schedules.write(A.changed(source="operator", queue="his")))
    with events.listening("loop.failed") as heard:
        declare(duty(native), A, B)
    assert stored(native)["a"].queue == "his"
    assert "'a'" in str(heard[0][1]["error"])
    assert "b" in stored(native)


def test_other_modules_with_the_same_entry_take_it_over(native: Stage) -> None:
    """The list of modules has become longer: the same entry goes on under the new source."""
    native.redis.hset("resque:cron", "a", schedules.write(A.changed(source="code:shop", since=5.0)))
    declare(duty(native), A)
    assert stored(native)["a"] == A.changed(source=SOURCE, since=5.0)


def test_one_bad_declaration_stops_no_other(native: Stage) -> None:
    each = duty(native)
    each.declare({"a": "{}", "b": schedules.write(B).decode()})
    with events.listening("loop.failed"):
        each.tick(0.0)
    assert set(stored(native)) == {"b"}


TABLE = {"class": "Report", "queue": "reports", "every": "1h"}


def test_the_settings_file_declares_at_the_start_and_has_the_last_word(native: Stage) -> None:
    tables = CronTables({"a": TABLE, "bad": {}, "f": TABLE}, "/x/resque.toml")
    with events.listening("loop.failed") as heard:
        each = duty(native, cron=tables)
    assert len(heard) == 1
    assert "/x/resque.toml: cron entry 'bad'" in str(heard[0][1]["error"])
    declare(each, A, B)
    found = stored(native)
    assert {name: entry.source for name, entry in found.items()} == {
        "a": "file:shop.jobs",
        "b": SOURCE,
        "f": "file:shop.jobs",
    }
    assert found["a"].queue == "reports"
    duty(native, cron=CronTables({}, "/x/resque.toml")).tick(0.0)
    assert set(stored(native)) == {"b"}, "the last one is taken out of the file"


def test_without_a_settings_file_nothing_of_others_files_is_removed(native: Stage) -> None:
    duty(native, cron=CronTables({"f": TABLE}, "/x/resque.toml")).tick(0.0)
    duty(native, cron=CronTables()).tick(0.0)
    assert set(stored(native)) == {"f"}


def test_what_a_full_server_refuses_is_done_later(start_server: Callable[..., Server]) -> None:
    """Entries that code declares, and ticks: they are less than a minute late."""
    server = start_server()
    plain = client(server)
    full = Stage(plain, server.url, "native")
    put(full, "often", ago=12, every=10)
    each = duty(full)
    plain.config_set("maxmemory", 1)
    with events.listening("loop.failed") as heard:
        declare(each, A)
    assert len(heard) == 2
    assert set(stored(full)) == {"often"}
    assert jobs(full) == []
    plain.config_set("maxmemory", 0)
    for known in each._entries.values():
        known.rests_until = 0.0
    run_until_idle(each, 6.0)
    assert "a" in stored(full)
    assert jobs(full)
    full.store.close()
    plain.close()
