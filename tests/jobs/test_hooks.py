"""Hooks: each one, their order, an error in each of them; what is still to be awaited. No Redis: see the last part."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from resque import clock, events
from resque.client.handle import handles
from resque.client.prepare import prepare
from resque.client.reach import Reach
from resque.config import Settings
from resque.errors import BadArguments, ConfigError
from resque.jobs.hooks import NAMES
from resque.jobs.job import Job, job
from resque.jobs.outcome import Failed, Later
from resque.jobs.registry import default as registry
from resque.jobs.retry import Cancel, Discard, Fail, RetryIn, Snooze
from resque.payload import codec
from resque.payload.payload import Meta, Tries
from resque.worker.executors.base import Caller, Opener
from resque.worker.executors.deadline import Deadline
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Ledger
from tests.jobs import hooked
from tests.jobs.hooked import Told

ARGS, KWARGS = (7,), {"loud": True}


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def broken() -> dict[str, BaseException]:
    """Hooks that raise, by name."""
    return {}


@pytest.fixture
def plain(told: Told, broken: dict[str, BaseException]) -> type[Job]:
    """A job with every hook."""
    return hooked.plain(told, broken)


@pytest.fixture
def awaited(told: Told, broken: dict[str, BaseException]) -> type[Job]:
    """The same as an async job, with async hooks."""
    return hooked.awaited(told, broken)


@pytest.fixture(params=["plain", "awaited"])
def both(request: pytest.FixtureRequest) -> type[Job]:
    """Each of the two."""
    found: type[Job] = request.getfixturevalue(request.param)
    return found


def run(owner: type[Job], *, attempt: int = 1, args: Any = ARGS, kwargs: Any = KWARGS, **meta: Any) -> Entry:
    """As a worker runs it: from its bytes to what becomes of it."""
    raw = codec.encode(owner.__name__, args, kwargs, Meta("job-1", "mail", 1.0, **meta), limit=10_000)
    if attempt > 1:
        raw = codec.with_tries(raw, Tries(attempt=attempt)) or b""
    page = Ledger(1, 1).page(0)
    hand = Hand("vm~n:1:mail", lambda: None, 1)
    entry = Entry(raw, "mail", hand, clock.boottime())
    definition = Opener(registry, page, hand).open(entry, 0)
    if definition is not None:
        Caller(page, Deadline(is_main=False)).call(entry, definition, 0)
    return entry


def which(told: Told) -> list[str]:
    return [name for name, *_ in told]


RUN = ["around_perform", "before_perform", "perform", "around ends", "after_perform"]


# around perform -------------------------------------------------------------------------------------------------------


def test_the_hooks_of_a_run_have_their_order_and_its_arguments(both: type[Job], told: Told) -> None:
    entry = run(both)
    assert which(told) == RUN
    assert [what for _, *what in told if what] == [[7, True]] * 4
    assert (entry.outcome, entry.ended is not None) == (None, True)


def test_the_hooks_around_perform_share_its_object_and_others_have_their_own(
    both: type[Job], told: Told, broken: dict[str, BaseException]
) -> None:
    seen: list[Any] = []
    original = hooked.Recording._note

    class Watching(both):  # type: ignore[misc, valid-type]
        def _note(self, name: str, *what: Any) -> None:
            seen.append((name, self))
            original(self, name, *what)

    broken["around ends"] = ValueError("x")
    run(Watching)
    objects = dict(seen)
    assert objects["around_perform"] is objects["before_perform"] is objects["perform"] is objects["around ends"]
    assert objects["on_failure"] is not objects["perform"]


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("around_perform", ["around_perform"]),
        ("before_perform", ["around_perform", "before_perform", "around ends"]),
        ("perform", ["around_perform", "before_perform", "perform", "around ends"]),
        ("around ends", ["around_perform", "before_perform", "perform", "around ends"]),
    ],
)
def test_an_error_in_or_around_perform_is_the_jobs(
    both: type[Job], told: Told, broken: dict[str, BaseException], name: str, before: list[str]
) -> None:
    error = broken[name] = ValueError("no")
    with events.listening("hook.failed") as seen:
        entry = run(both)
    assert which(told) == [*before, "on_failure", "on_retry"]
    assert told[-1] == ("on_retry", error, 10.0)
    assert repr(entry.outcome) == "Later(after=10.0, counts=True, error=ValueError('no'))"
    assert seen == []


def test_arguments_that_do_not_fit_reach_no_hook_around_perform(both: type[Job], told: Told) -> None:
    """No code of the job runs with what it does not take; it has failed, and is told so."""
    entry = run(both, args=("no number",))
    assert which(told) == ["on_failure", "on_dead"]
    assert isinstance(told[-1][1], BadArguments)
    assert type(entry.outcome).__name__ == "Failed"


def test_an_async_job_may_have_plain_hooks(told: Told) -> None:
    class Mixed(Job):
        @contextmanager
        def around_perform(self, number: int, *, loud: bool = False) -> Iterator[None]:
            told.append("around")
            yield
            told.append("around ends")

        def before_perform(self, number: int, *, loud: bool = False) -> None:
            told.append("before")

        async def perform(self, number: int, *, loud: bool = False) -> None:
            told.append("perform")

        def after_perform(self, number: int, *, loud: bool = False) -> None:
            told.append("after")

    run(Mixed)
    assert told == ["around", "before", "perform", "around ends", "after"]


def test_around_may_swallow_an_error(both: type[Job], told: Told, broken: dict[str, BaseException]) -> None:
    """It is a context manager like any other: what it suppresses has not happened."""

    class Calm(both):  # type: ignore[misc, valid-type]
        @contextmanager
        def around_perform(self, number: int, *, loud: bool = False) -> Iterator[None]:
            try:
                yield
            except ValueError:
                told.append(("swallowed",))

    broken["perform"] = ValueError("no")
    run(Calm)
    assert which(told) == ["before_perform", "perform", "swallowed", "after_perform"]


# after the fact -------------------------------------------------------------------------------------------------------


def test_the_last_attempt_is_followed_by_on_dead(both: type[Job], told: Told, broken: dict[str, BaseException]) -> None:
    error = broken["perform"] = ValueError("no")
    run(both, attempt=2)
    assert told[-2:] == [("on_failure", error), ("on_dead", error)]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        (RetryIn("5m"), ["on_failure", "on_retry"]),
        (Fail("bad"), ["on_failure", "on_dead"]),
        (Snooze("5m"), []),
        (Discard(), []),
        (Cancel("no"), []),
    ],
    ids=repr,
)
@pytest.mark.parametrize("how", ["raised", "returned"])
def test_a_verb_is_a_failure_where_it_fails(
    both: type[Job], told: Told, broken: dict[str, BaseException], how: str, verb: Any, expected: list[str]
) -> None:
    """A job that is put off or dropped has not failed: nothing is told."""
    if how == "raised":
        broken["perform"] = verb
        owner = both
    else:

        async def awaited(self: Any, number: int, *, loud: bool = False) -> Any:
            return verb

        def plain(self: Any, number: int, *, loud: bool = False) -> Any:
            return verb

        owner = type("Returning", (both,), {"perform": awaited if both.__name__ == "Awaited" else plain})
    run(owner)
    assert [name for name in which(told) if name.startswith("on_")] == expected


@pytest.mark.parametrize("name", ["after_perform", "on_failure", "on_retry", "on_dead"])
def test_an_error_after_the_fact_is_told_and_changes_nothing(
    both: type[Job], told: Told, broken: dict[str, BaseException], name: str
) -> None:
    error = broken[name] = RuntimeError("the hook is broken")
    attempt = 2 if name == "on_dead" else 1
    if name != "after_perform":
        broken["perform"] = ValueError("no")
    with events.listening("hook.failed") as seen:
        entry = run(both, attempt=attempt)
    assert seen == [("hook.failed", {"job": both.__name__, "hook": name, "error": error})]
    expected = {"after_perform": "NoneType", "on_dead": "Failed"}.get(name, "Later")
    assert type(entry.outcome).__name__ == expected
    if name != "after_perform":
        assert isinstance(entry.outcome, Later | Failed)
        assert isinstance(entry.outcome.error, ValueError), "the job's own error is what is recorded"
        following = {"on_failure": ["on_failure", "on_retry"], "on_retry": ["on_failure", "on_retry"]}
        assert [each for each in which(told) if each.startswith("on_")] == following.get(name, ["on_failure", name])


def test_stale_jobs_reach_no_hook(both: type[Job], told: Told) -> None:
    """Nothing of the job runs when it is too old."""
    entry = run(both, expires_at=2.0)
    assert told == []
    assert repr(entry.ended) == "Stale(reason='expired')"


# where it is enqueued -------------------------------------------------------------------------------------------------


def enqueue(owner: Any) -> None:
    """What a client does around sending."""
    prepared = prepare(owner.call(*ARGS, **KWARGS), 1.0, 10_000)
    handles([prepared], {}, Reach(Settings()))


def test_the_hooks_at_the_enqueue(plain: Any, told: Told) -> None:
    enqueue(plain)
    assert which(told) == ["before_enqueue", "after_enqueue"]
    assert told[0] == ("before_enqueue", 7, True)
    assert len(told[1][1]) == 36


def test_before_enqueue_stops_it_with_its_own_error(plain: Any, told: Told, broken: dict[str, BaseException]) -> None:
    broken["before_enqueue"] = LookupError("no such customer")
    with pytest.raises(LookupError, match="no such customer"):
        enqueue(plain)
    assert which(told) == ["before_enqueue"]


def test_bad_arguments_do_not_reach_before_enqueue(plain: Any, told: Told) -> None:
    call = plain.call(*ARGS)
    with pytest.raises(BadArguments):
        prepare(type(call)(call.definition, (), {}, call.options), 1.0, 10_000)
    assert told == []


def test_after_enqueue_cannot_fail_an_enqueue(plain: Any, told: Told, broken: dict[str, BaseException]) -> None:
    """The job is stored: an error here would make its enqueuer repeat it."""
    error = broken["after_enqueue"] = RuntimeError("x")
    with events.listening("hook.failed") as seen:
        enqueue(plain)
    assert seen == [("hook.failed", {"job": "Plain", "hook": "after_enqueue", "error": error})]


def test_a_job_that_another_stands_for_is_not_told_as_enqueued(plain: Any, told: Told) -> None:
    prepared = prepare(plain.call(*ARGS), 1.0, 10_000)
    with events.listening() as seen:
        (handle,) = handles([prepared], {prepared.id: "the first"}, Reach(Settings()))
    assert handle.id == "the first"
    assert which(told) == ["before_enqueue"]
    assert seen == [("job.deduplicated", {"id": "the first", "queue": "mail", "job": "Plain"})]


# what may be a hook ---------------------------------------------------------------------------------------------------


def define(is_async: bool, **body: Any) -> type[Job]:
    async def awaited(self: Any) -> None: ...

    def plain(self: Any) -> None: ...

    return type("Defined", (Job,), {"perform": awaited if is_async else plain, **body})


@pytest.mark.parametrize("name", NAMES)
def test_a_hook_must_be_a_method(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Defined: {name} must be a method, not int"):
        define(False, **{name: 7})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain job", "async job"])
def test_an_async_hook_must_have_somebody_who_awaits_it(name: str, is_async: bool) -> None:
    async def hook(self: Any, *args: Any) -> None: ...

    if is_async and name not in ("before_enqueue", "after_enqueue"):
        define(is_async, **{name: hook})
        return
    with pytest.raises(ConfigError, match=f"Defined: {name} must be a plain def"):
        define(is_async, **{name: hook})


@pytest.mark.parametrize("kind", [staticmethod, classmethod], ids=lambda each: each.__name__)
def test_a_hook_may_be_static_or_of_the_class(kind: Callable[..., Any], told: Told) -> None:
    def hook(*args: Any) -> None:
        told.append(args[-1])

    owner = define(False, before_perform=kind(lambda *args: told.append("before")), on_failure=kind(hook))
    run(owner, args=(), kwargs={})
    assert told == ["before"]


def test_a_hook_that_is_none_is_none() -> None:
    """A subclass can do without a hook of its base."""
    owner: Any = define(False, before_perform=None)
    assert owner.call().definition.hooks is None


def test_hooks_are_inherited_and_a_function_has_none(plain: type[Job], told: Told) -> None:
    @job
    def alone() -> None: ...

    run(type("Heir", (plain,), {}))
    assert which(told) == RUN
    assert alone.definition.hooks is None
