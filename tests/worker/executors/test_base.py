"""One entry from bytes to how it ended: marks before reading, exact names, no user code for strangers."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resque import clock
from resque.errors import BadArguments, UnknownJob, Unreadable
from resque.jobs.context import current, current_job
from resque.jobs.definition import Definition
from resque.jobs.options import JobOptions
from resque.jobs.outcome import Interrupted, Raised, Returned
from resque.jobs.registry import Registry
from resque.payload.payload import mark_of
from resque.worker.executors.base import HELD_TOO_LONG, Caller, Opener
from resque.worker.executors.deadline import Deadline
from resque.worker.hand import Entry, Hand
from resque.worker.ledger import Ledger, Page

CELL = 1


class Bench:
    """An opener and a caller with cell 1 of 2, and the jobs they know."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.page: Page = Ledger(1, 2).page(0)
        self.hand = Hand("vm~n:1:q", lambda: None, 2)
        self.build()

    def build(self) -> None:
        self.opener = Opener(self.registry, self.page, self.hand)
        self.caller = Caller(self.page, Deadline(is_main=False))

    def define(
        self, function: Callable[..., Any], name: str = "Echo", *, alone: bool = False, aliases: Any = ()
    ) -> None:
        self.registry.add(Definition(function, name=name, aliases=aliases, options=JobOptions(alone=alone)))

    def perform(self, raw: bytes, *, alone: bool = False, age: float = 0.0) -> Entry:
        entry = Entry(raw, "q", self.hand, clock.boottime() - age, alone=alone)
        definition = self.opener.open(entry, CELL)
        if definition is not None:
            self.caller.call(entry, definition, CELL)
        return entry


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()
    current.set(None)  # a caller leaves that to its runner


def raised(entry: Entry) -> BaseException:
    assert isinstance(entry.ended, Raised)
    return entry.ended.error


def test_a_job_runs_with_its_arguments(bench: Bench) -> None:
    seen: list[Any] = []
    bench.define(lambda *args, **kwargs: seen.append((args, kwargs)))
    entry = bench.perform(b'{"class":"Echo","args":[1,"a",[null]],"kwargs":{"k":2.5}}')
    assert entry.ended == Returned()
    assert seen == [((1, "a", [None]), {"k": 2.5})]
    assert entry.job == "Echo"


def test_times_are_written_on_the_entry(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.define(lambda: clock.sleep(0.02))
    before = clock.boottime()
    entry = bench.perform(b'{"class":"Echo","args":[]}')
    assert before <= entry.started_at <= clock.boottime() - 0.02
    assert 0.02 <= entry.seconds < 1


def test_the_mark_is_made_before_the_payload_is_read(bench: Bench) -> None:
    """A payload that kills its reader must be known to the supervisor."""
    marks: list[list[int]] = []

    class Watching(Registry):
        def find(self, name: str) -> Definition | None:
            marks.append(bench.page.started())
            return super().find(name)

    bench.registry = Watching()
    bench.build()
    raw = b'{"class":"Echo","args":[]}'
    bench.define(lambda: marks.append(bench.page.started()))
    bench.perform(raw)
    assert marks == [[mark_of(raw)]] * 2
    assert bench.page.started() == []


class Writes(list[int]):
    """Cells that remember what was written into them."""

    def __init__(self) -> None:
        super().__init__([0, 0])
        self.written: list[tuple[int, int]] = []

    def __setitem__(self, place: Any, mark: Any) -> None:
        self.written.append((place, mark))
        super().__setitem__(place, mark)


@pytest.mark.parametrize("raw", [b"no json", b'{"class":"Echo","args":[]}'])
def test_also_one_that_cannot_be_read_was_marked(bench: Bench, raw: bytes) -> None:
    """It might have killed us just there."""
    cells: Any = Writes()
    bench.page.marks = cells
    bench.build()
    bench.define(lambda: None)
    bench.perform(raw)
    assert cells.written == [(CELL, mark_of(raw)), (CELL, 0)]


@pytest.mark.parametrize("raw", [b"no json", b'{"class":"Unknown","args":[]}', b'{"class":"Echo","args":[1,2,3]}'])
def test_whatever_happens_the_mark_is_taken_away(bench: Bench, raw: bytes) -> None:
    bench.define(lambda: 1 / 0)
    bench.perform(raw)
    assert bench.page.started() == []


def test_only_its_own_mark_is_touched(bench: Bench) -> None:
    bench.page.marks[0] = 77
    bench.define(lambda: None)
    bench.perform(b'{"class":"Echo","args":[]}')
    assert bench.page.started() == [77]


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b'{"class":"Echo","args":[NaN]}', b'{"class":7}', b"\xff"])
def test_an_unreadable_payload_fails_without_user_code(bench: Bench, raw: bytes) -> None:
    seen: list[Any] = []
    bench.define(lambda *args: seen.append(args))
    entry = bench.perform(raw)
    assert isinstance(raised(entry), Unreadable)
    assert raised(entry).__traceback__ is None, "it would only show ourselves"
    assert seen == []
    assert entry.payload is None


@pytest.mark.parametrize("name", ["echo", "ECHO", "Echo2", "os.system", "builtins.print"])
def test_names_are_exact_and_nothing_is_imported(bench: Bench, name: str) -> None:
    bench.define(lambda: None)
    error = raised(bench.perform(b'{"class":"%b","args":[]}' % name.encode()))
    assert isinstance(error, UnknownJob)
    assert name in str(error)
    assert "-A" in str(error)


def test_an_alias_runs_and_counts_under_its_name(bench: Bench) -> None:
    bench.define(lambda: None, "New", aliases=["Old"])
    assert bench.perform(b'{"class":"Old","args":[]}').job == "New"


@pytest.mark.parametrize("args", [b"[]", b"[1,2]", b'["text"]'])
def test_arguments_that_do_not_fit_are_its_failure(bench: Bench, args: bytes) -> None:
    seen: list[int] = []

    def perform(number: int) -> None:
        seen.append(number)

    bench.define(perform)
    assert isinstance(raised(bench.perform(b'{"class":"Echo","args":%b}' % args)), BadArguments)
    assert seen == []


@pytest.mark.parametrize(
    "kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError]
)
def test_whatever_it_raises_is_caught(bench: Bench, kind: type[BaseException]) -> None:
    def perform() -> None:
        raise kind("x")

    bench.define(perform)
    entry = bench.perform(b'{"class":"Echo","args":[]}')
    assert isinstance(raised(entry), kind)
    assert entry.seconds > 0


def test_endless_recursion_is_its_own_failure(bench: Bench) -> None:
    def perform() -> None:
        perform()

    bench.define(perform)
    assert isinstance(raised(bench.perform(b'{"class":"Echo","args":[]}')), RecursionError)


def test_a_job_knows_who_it_is(bench: Bench) -> None:
    seen: list[Any] = []
    bench.define(lambda: seen.append(current_job()))
    bench.perform(b'{"class":"Echo","args":[],"tries":{"id":"0193-ab","attempt":2,"crashes":1}}')
    (found,) = seen
    assert (found.id, found.queue, found.job, found.worker) == ("0193-ab", "q", "Echo", "vm~n:1:q")
    assert (found.attempt, found.crashes, found.enqueued_at) == (2, 1, None)


def test_a_job_from_elsewhere_gets_one_id(bench: Bench) -> None:
    """Asked twice, and in its failure record, it is the same."""
    seen: list[Any] = []
    bench.define(lambda: seen.extend([current_job(), current_job()]))
    entry = bench.perform(b'{"class":"Echo","args":[]}')
    assert seen[0].id == seen[1].id == entry.id
    assert len(entry.id) == 36


def test_a_job_that_must_run_alone_is_handed_back_untouched(bench: Bench) -> None:
    seen: list[int] = []
    bench.define(lambda: seen.append(1), alone=True)
    entry = bench.perform(b'{"class":"Echo","args":[]}')
    assert entry.ended is None
    assert seen == []
    assert bench.page.started() == []
    assert bench.perform(b'{"class":"Echo","args":[]}', alone=True).ended == Returned()
    assert seen == [1]


def test_what_was_held_for_long_is_not_started(bench: Bench) -> None:
    """The machine was suspended: somebody else may have it by now. It is released, not failed."""
    seen: list[int] = []
    bench.define(lambda: seen.append(1))
    entry = bench.perform(b'{"class":"Echo","args":[]}', age=HELD_TOO_LONG + 0.1)
    assert isinstance(entry.ended, Interrupted)
    assert seen == []
    assert bench.perform(b'{"class":"Echo","args":[]}', age=HELD_TOO_LONG - 0.5).ended == Returned()


def test_results_are_not_kept(bench: Bench) -> None:
    """A large one would live as long as the batch."""

    class Large:
        alive = 0

        def __init__(self) -> None:
            Large.alive += 1

        def __del__(self) -> None:
            Large.alive -= 1

    bench.define(lambda: Large())
    entry = bench.perform(b'{"class":"Echo","args":[]}')
    gc.collect()
    assert Large.alive == 0
    assert entry.ended == Returned()
