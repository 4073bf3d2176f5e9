"""Where a job is, and cancelling it: for each state, blocking and awaited, on a real server, with a real worker."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from resque import clock
from resque.app import Resque
from resque.client import whereabouts
from resque.client.handle import Handle
from resque.client.whereabouts import TOMBSTONE_LIFE, Status
from resque.config import Wire
from resque.errors import ConfigError, Refused, Unreachable
from resque.payload import codec, failure
from resque.payload.payload import Meta, Tries
from resque.store import cancelling
from resque.store.keys import Keys
from tests.client.stored import later, locks
from tests.worker import rig
from tests.worker.rig import MEMBER, settings_for, settled, until, working

Ask = Callable[[Handle[Any], str], Any]


@pytest.fixture(params=["native", "ruby"])
def keys(request: pytest.FixtureRequest) -> Keys:
    """Both directions."""
    wire: Wire = request.param
    return Keys("resque", wire)


@pytest.fixture
def app(url: str, keys: Keys) -> Iterator[Resque]:
    app = Resque(url, wire=keys.wire)
    yield app
    app.close()


@pytest.fixture(params=["sync", "aio"])
def ask(request: pytest.FixtureRequest, app: Resque) -> Iterator[Ask]:
    """ask(handle, "status") -> what handle.status() gives, or handle.astatus()."""
    if request.param == "sync":
        yield lambda handle, what: getattr(handle, what)()
        return
    with asyncio.Runner() as runner:
        yield lambda handle, what: runner.run(getattr(handle, f"a{what}")())
        runner.run(app.client._reach.aclose())


def enqueue(app: Resque, call: Any) -> Handle[Any]:
    return app.client.enqueue(call)


def take(redis: Any, keys: Keys, member: str = "h~1:1") -> bytes:
    """A worker takes the next job of "mail"."""
    raw: bytes = redis.lmove(
        keys.queue("mail"), keys.inflight("mail", member), keys.direction.front, keys.direction.back
    )
    redis.sadd(keys.workers(), f"{member}:mail,*")
    redis.zadd(keys.leases("mail"), {member: 1e15})
    return raw


def fail(redis: Any, keys: Keys) -> None:
    """The next job of "mail" fails."""
    raw = take(redis, keys)
    redis.delete(keys.inflight("mail", "h~1:1"))
    record = failure.record(raw, "ValueError", "no", [], failed_at=1.0, worker="w", queue="mail")
    redis.execute_command(keys.direction.push_back, keys.failed(), record)


def put(state: str, app: Resque, redis: Any, keys: Keys, greet: Any) -> Handle[Any]:
    """A job in this state, with another one on each side of it."""
    for name in ("before", "after"):
        enqueue(app, greet.using(delay="1h").call(name))
        enqueue(app, greet.call(name))
        fail(redis, keys)
    handle = enqueue(app, greet.using(delay="10m" if state == "delayed" else 0).call("ann"))
    if state in ("running", "ended"):
        take(redis, keys)
    if state == "ended":
        redis.delete(keys.inflight("mail", "h~1:1"))
    if state == "failed":
        fail(redis, keys)
    if state != "waiting":
        enqueue(app, greet.call("behind"))
    return handle


STATES = pytest.mark.parametrize("state", ["delayed", "waiting", "running", "failed", "ended"])


@STATES
def test_status_says_where_it_is(app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask, state: str) -> None:
    handle = put(state, app, redis, keys, greet)
    before = sorted(redis.keys("*"))
    found: Status = ask(handle, "status")
    assert found.state == state
    assert (found.due is not None) == (state == "delayed")
    assert found.worker == ("h~1:1" if state == "running" else None)
    assert found.error == ("ValueError: no" if state == "failed" else None)
    assert found.attempt == (None if state == "ended" else 1)
    assert (handle.id.encode() in found.raw) == (state in ("delayed", "waiting", "running"))
    assert sorted(redis.keys("*")) == before, "who looks leaves no trace"


@STATES
def test_cancel_says_where_it_was(app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask, state: str) -> None:
    handle = put(state, app, redis, keys, greet)
    others = redis.llen(keys.queue("mail")) + len(later(redis)) - (state in ("delayed", "waiting"))
    assert ask(handle, "cancel") == state
    gone = state in ("delayed", "waiting")
    assert ask(handle, "status").state == ("ended" if gone else state)
    assert int(redis.get(keys.stat("cancelled")) or 0) == gone
    assert redis.llen(keys.queue("mail")) + len(later(redis)) == others, "no other job is touched"
    assert not redis.exists(keys.payloads("other"))
    asked = redis.lrange(keys.worker_command("h~1:1:mail,*"), 0, -1)
    assert asked == ([b"cancel-job " + handle.id.encode()] if state == "running" else [])
    assert redis.exists(keys.cancelled("mail")) == (state == "running"), "it may raise, and must not be retried then"
    assert ask(handle, "cancel") == ("ended" if gone else state), "again: the same, or nothing"
    assert int(redis.get(keys.stat("cancelled")) or 0) == gone


@pytest.mark.parametrize("delay", [0, "10m"], ids=["waiting", "delayed"])
def test_with_a_job_its_lock_and_its_errors_go(
    app: Resque, redis: Any, keys: Keys, unique: Any, ask: Ask, delay: Any
) -> None:
    remind = unique()
    handle = enqueue(app, remind.using(delay=delay).call("ann"))
    redis.hset(keys.attempts("mail"), handle.id, '{"error":"no"}')
    minute = int(clock.now() // 60)
    assert ask(handle, "cancel") in ("waiting", "delayed")
    assert locks(redis) == []
    assert not redis.exists(keys.attempts("mail"))
    assert not redis.exists(keys.cancelled("mail")), "what is gone needs no mark"
    counted = [redis.hget(keys.metrics("mail", n), "Remind|cancelled") for n in (minute, minute + 1)]
    assert b"1" in counted
    assert enqueue(app, remind.call("ann")).id != handle.id


def test_a_lock_for_a_time_stays(app: Resque, redis: Any, keys: Keys, unique: Any) -> None:
    """It says "not again within ten minutes", whatever becomes of the job."""
    handle = enqueue(app, unique(until="10m").call("ann"))
    assert handle.cancel() == "waiting"
    assert len(locks(redis)) == 1


def test_a_retry_that_waits_is_found(app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask) -> None:
    """Its payload has changed since it was enqueued; its id has not."""
    handle = enqueue(app, greet.call("ann"))
    raw = codec.with_tries(take(redis, keys), Tries(attempt=3)) or b""
    redis.delete(keys.inflight("mail", "h~1:1"))
    redis.hset(keys.payloads("mail"), handle.id, raw)
    redis.zadd(keys.delayed("mail"), {handle.id: 2e9})
    assert ask(handle, "status") == Status("delayed", due=2e9, attempt=3, raw=raw)
    assert ask(handle, "cancel") == "delayed"
    assert later(redis) == []


def test_an_id_in_the_arguments_of_another_job_is_not_it(app: Resque, redis: Any, keys: Keys, greet: Any) -> None:
    handle = enqueue(app, greet.call("ann"))
    take(redis, keys)
    redis.delete(keys.inflight("mail", "h~1:1"))
    enqueue(app, greet.call(handle.id))
    fail(redis, keys)
    enqueue(app, greet.call(handle.id))
    assert handle.status().state == "ended"
    assert handle.cancel() == "ended"
    assert redis.llen(keys.queue("mail")) == 1


def test_a_record_that_was_retried_is_no_failure_any_more(app: Resque, redis: Any, keys: Keys, greet: Any) -> None:
    """Ruby's Resque leaves retried records in the list."""
    handle = enqueue(app, greet.call("ann"))
    raw = take(redis, keys)
    redis.delete(keys.inflight("mail", "h~1:1"))
    record = failure.record(raw, "ValueError", "no", [], failed_at=1.0, worker="w", queue="mail")
    redis.rpush(keys.failed(), record[:-1] + b',"retried_at":"2026/11/24 01:55:21 UTC"}')
    assert handle.status().state == "ended"


# what is searched is bounded ------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are searched ten jobs deep, four at a time."""
    monkeypatch.setattr(whereabouts, "SEARCH", 10)
    monkeypatch.setattr(whereabouts, "_WINDOW", 4)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("place", "state"), [(0, "waiting"), (9, "waiting"), (13, "unknown")])
def test_a_long_list_is_searched_from_its_front_and_so_far(
    app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask, place: int, state: str
) -> None:
    handles = [enqueue(app, greet.call(str(n))) for n in range(20)]
    assert ask(handles[place], "status").state == state
    assert ask(handles[place], "cancel") == ("waiting" if state == "waiting" else "marked")
    assert redis.llen(keys.queue("mail")) == (19 if state == "waiting" else 20)
    marked = redis.zrange(keys.cancelled("mail"), 0, -1)
    assert marked == ([] if state == "waiting" else [handles[place].id.encode()])


@pytest.mark.usefixtures("short")
def test_a_mark_lives_for_a_month(app: Resque, redis: Any, keys: Keys, greet: Any) -> None:
    handles = [enqueue(app, greet.call(str(n))) for n in range(15)]
    with clock.use(lambda: 1000.0):
        assert handles[14].cancel() == "marked"
    assert redis.zscore(keys.cancelled("mail"), handles[14].id) == 1000.0 + TOMBSTONE_LIFE


@pytest.mark.usefixtures("short")
def test_marks_are_bounded(app: Resque, redis: Any, keys: Keys, greet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that end next go first; those that have ended go in any case."""
    monkeypatch.setattr(cancelling, "TOMBSTONES", 5)
    handles = [enqueue(app, greet.call(str(n))) for n in range(25)]
    now = clock.now()
    for number, handle in enumerate(handles[13:]):
        with clock.use(partial(float, now + number)):
            assert handle.cancel() == "marked"
    assert redis.zrange(keys.cancelled("mail"), 0, -1) == [handle.id.encode() for handle in handles[-5:]]


def test_an_unknown_id_leaves_nothing_behind(app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask) -> None:
    """Somebody may cancel a million of them: no mark, no count, and the jobs that there are run as ever."""
    enqueue(app, greet.call("ann"))
    before = sorted(redis.keys("*"))
    for id in ("no such id", "", "*", "\n", "é", "x" * 5000):
        handle: Handle[Any] = Handle(id, "mail", "Greet", app.client._reach)
        assert ask(handle, "cancel") == "ended"
        assert ask(handle, "status").state == "ended"
    assert sorted(redis.keys("*")) == before


def test_a_queue_that_nobody_knows_is_empty(app: Resque, redis: Any, keys: Keys, ask: Ask) -> None:
    handle: Handle[Any] = Handle("x", "nowhere", "Greet", app.client._reach)
    assert ask(handle, "status").state == "ended"
    assert ask(handle, "cancel") == "ended"
    assert redis.keys("*") == [keys.marker().encode()]


# trouble --------------------------------------------------------------------------------------------------------------


def test_a_handle_that_was_made_by_hand_says_so() -> None:
    with pytest.raises(ConfigError, match="made by hand"):
        Handle("x", "mail", "Greet").status()


def test_no_answer_is_an_error_and_no_state(app: Resque, redis: Any, keys: Keys, greet: Any, ask: Ask) -> None:
    handle = enqueue(app, greet.call("ann"))
    redis.delete(keys.queue("mail"))
    redis.set(keys.queue("mail"), "a string")
    for what in ("status", "cancel"):
        with pytest.raises(Refused, match="WRONGTYPE"):
            ask(handle, what)


def test_no_server_is_unreachable() -> None:
    app = Resque("redis://127.0.0.1:1")
    handle: Handle[Any] = Handle("x", "mail", "Greet", app.client._reach)
    with pytest.raises(Unreachable):
        handle.status()
    app.close()


# with a worker --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> Iterator[rig.Shop]:
    shop = rig.Shop()
    yield shop
    shop.release()


def test_a_marked_job_is_dropped_when_a_worker_comes_to_it(
    app: Resque, redis: Any, keys: Keys, url: str, shop: rig.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "SEARCH", 2)
    monkeypatch.setattr(whereabouts, "_WINDOW", 2)
    handles = [app.enqueue("Note", [n], queue="q") for n in range(6)]
    assert [handles[n].cancel() for n in (3, 5)] == ["marked", "marked"]
    redis.hset(keys.attempts("q"), handles[3].id, '{"error":"no"}')

    async def work() -> None:
        async with working(settings_for(url, wire=keys.wire), shop) as one:
            await until(lambda: settled(redis, one, 4))
            await until(lambda: redis.get(keys.stat("cancelled")) == b"2")

    asyncio.run(work())
    assert shop.ran == [0, 1, 2, 4]
    assert not redis.exists(keys.cancelled("q")), "what has been dropped needs no mark any more"
    assert not redis.exists(keys.attempts("q"))
    assert redis.llen(keys.failed()) == 0


def test_a_worker_that_waits_for_a_job_drops_a_marked_one_too(
    app: Resque, redis: Any, keys: Keys, url: str, shop: rig.Shop
) -> None:
    """It comes by BLMOVE and not by a reserve."""

    async def work() -> None:
        async with working(settings_for(url, wire=keys.wire, poll=30.0), shop) as one:
            await until(lambda: one.intake.outstanding)
            raw = codec.encode("Note", [1], {}, Meta("it-1", "q", 1.0), limit=1000)
            redis.zadd(keys.cancelled("q"), {"it-1": clock.now() + 60})
            redis.execute_command(keys.direction.push_back, keys.queue("q"), raw)
            await until(lambda: redis.get(keys.stat("cancelled")) == b"1" and not redis.exists(one.inflight()))
            await asyncio.to_thread(app.enqueue, "Note", [2], queue="q")
            await until(lambda: settled(redis, one, 1))

    asyncio.run(work())
    assert shop.ran == [2]


def test_a_mark_that_has_ended_means_nothing(app: Resque, redis: Any, keys: Keys, url: str, shop: rig.Shop) -> None:
    handle = app.enqueue("Note", [1], queue="q")
    redis.zadd(keys.cancelled("q"), {handle.id: clock.now() - 1, "another": clock.now() + 60})

    async def work() -> None:
        async with working(settings_for(url, wire=keys.wire), shop) as one:
            await until(lambda: settled(redis, one, 1))

    asyncio.run(work())
    assert shop.ran == [1]


@pytest.mark.parametrize(
    "body", [b'{"class":1,"args":[]}', b'{"class":"Note","args":7}'], ids=["unreadable", "readable for Ruby alone"]
)
def test_a_marked_job_that_cannot_be_read_is_dropped_and_the_worker_goes_on(
    app: Resque, redis: Any, keys: Keys, url: str, shop: rig.Shop, body: bytes
) -> None:
    raw = codec.with_tries(body, Tries("ab-1", 1, 1)) or b""
    rig.push(redis, "q", raw, rig.job("Note", 2), keys=keys)
    redis.zadd(keys.cancelled("q"), {"ab-1": clock.now() + 60})

    async def work() -> None:
        async with working(settings_for(url, wire=keys.wire), shop) as one:
            await until(lambda: settled(redis, one, 1))

    asyncio.run(work())
    assert shop.ran == [2]
    assert redis.get(keys.stat("cancelled")) == b"1"


def test_a_running_job_is_found_at_its_worker(app: Resque, redis: Any, keys: Keys, url: str, shop: rig.Shop) -> None:
    async def work() -> None:
        async with working(settings_for(url, wire=keys.wire), shop) as one:
            handle = await app.aenqueue("Hold", [1], queue="q")
            await until(lambda: shop.holding)
            found = await handle.astatus()
            assert (found.state, found.worker) == ("running", MEMBER)
            assert await handle.acancel() == "running"
            command = redis.lrange(keys.worker_command(one.who.id), 0, -1)
            assert command == [f"cancel-job {handle.id}".encode()]
            shop.release()
            await until(lambda: settled(redis, one, 1))
            assert (await handle.astatus()).state == "ended"
            await app.aclose()

    asyncio.run(work())
    assert shop.ran == [1]
