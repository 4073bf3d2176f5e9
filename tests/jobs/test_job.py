"""The two equal doors: a class with perform and a decorated function."""

import abc
import asyncio
import copy
import inspect
import pydoc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from resque.errors import BadArguments, BadQueueName, ConfigError, DuplicateJob
from resque.jobs import door, registry
from resque.jobs.definition import Call
from resque.jobs.door import Handle
from resque.jobs.job import Job, job

R = TypeVar("R")


@dataclass(frozen=True)
class Receipt:
    """What this file's door gives back."""

    id: str
    queue: str
    job: str


class Book:
    """A door that keeps a book of what went through, and by which entrance."""

    def __init__(self) -> None:
        self.calls: list[Call[Any]] = []
        self.entrances: list[str] = []

    def enqueue(self, call: Call[R], /) -> Handle[R]:
        return self._write("enqueue", [call])[0]

    async def aenqueue(self, call: Call[R], /) -> Handle[R]:
        return self._write("aenqueue", [call])[0]

    def enqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        return tuple(self._write("enqueue_many", calls))

    async def aenqueue_many(self, calls: Sequence[Call[R]], /) -> Sequence[Handle[R]]:
        return tuple(self._write("aenqueue_many", calls))

    def _write(self, entrance: str, calls: Sequence[Call[R]]) -> list[Handle[R]]:
        self.entrances.append(entrance)
        self.calls.extend(calls)
        return [Receipt(str(len(self.calls)), call.options.queue, call.definition.name) for call in calls]


@pytest.fixture
def book() -> Book:
    opened = Book()
    door.default.fill(opened)
    return opened


def as_class() -> Any:
    class Greet(Job):
        queue = "mail"
        aliases = ("OldGreet",)
        alone = True

        def perform(self, name: str, *, loud: bool = False) -> str:
            """Say it."""
            return name.upper() if loud else name

    return Greet


def as_function() -> Any:
    @job(queue="mail", name="Greet", aliases=("OldGreet",), alone=True)
    def greet(name: str, *, loud: bool = False) -> str:
        """Say it."""
        return name.upper() if loud else name

    return greet


both = pytest.mark.parametrize("make", [as_class, as_function], ids=["class", "function"])
Make = Callable[[], Any]


@both
def test_both_doors_define_and_register_the_same_job(make: Make) -> None:
    greet = make()
    definition = registry.default.find("Greet")
    assert definition is not None
    assert definition is registry.default.find("OldGreet")
    assert definition is greet.using().definition
    assert (definition.options.queue, definition.alone, definition.is_async) == ("mail", True, False)
    assert definition.invoke(["ann"], {"loud": True}) == "ANN"


@both
def test_enqueue_sends_one_call_and_returns_the_handle(make: Make, book: Book) -> None:
    handle = make().enqueue("ann", loud=True)
    assert handle == Receipt("1", "mail", "Greet")
    (call,) = book.calls
    assert (call.args, call.kwargs, call.options.queue, call.definition.name) == (
        ("ann",),
        {"loud": True},
        "mail",
        "Greet",
    )
    assert book.entrances == ["enqueue"]


@both
def test_aenqueue_and_aenqueue_many_are_the_awaited_twins(make: Make, book: Book) -> None:
    greet = make()

    async def main() -> None:
        assert await greet.aenqueue("ann") == Receipt("1", "mail", "Greet")
        assert await greet.aenqueue_many([("bob",), ("eve",)]) == [
            Receipt("3", "mail", "Greet"),
            Receipt("3", "mail", "Greet"),
        ]
        with pytest.raises(BadArguments):
            await greet.aenqueue()
        with pytest.raises(BadArguments):
            await greet.aenqueue_many([()])

    asyncio.run(main())
    assert book.entrances == ["aenqueue", "aenqueue_many"]
    assert [call.args for call in book.calls] == [("ann",), ("bob",), ("eve",)]


@both
def test_enqueue_many_goes_through_the_door_once_in_order(make: Make, book: Book) -> None:
    handles = make().using(queue="slow").enqueue_many((name,) for name in ["ann", "bob"])
    assert isinstance(handles, list)
    assert [handle.queue for handle in handles] == ["slow", "slow"]
    assert book.entrances == ["enqueue_many"]
    assert [(call.args, call.kwargs) for call in book.calls] == [(("ann",), {}), (("bob",), {})]


@both
def test_a_wrong_call_among_many_is_named_and_nothing_is_sent(make: Make, book: Book) -> None:
    with pytest.raises(BadArguments, match="number 2 of enqueue_many: Greet: too many positional"):
        make().enqueue_many([("ann",), ("bob", "eve"), ("joe",)])
    assert book.entrances == []


@both
@pytest.mark.parametrize("row", ["ann", 1, {"name": "ann"}, None])
def test_enqueue_many_takes_tuples_and_takes_no_text_apart(make: Make, book: Book, row: Any) -> None:
    with pytest.raises(
        BadArguments, match=rf"Greet: enqueue_many takes tuples .* number 2 is of type {type(row).__name__}"
    ):
        make().enqueue_many([("ann",), row])
    assert book.entrances == []


@both
def test_a_call_that_does_not_fit_is_refused_before_anything_is_sent(make: Make, book: Book) -> None:
    greet = make()
    for attempt in (greet.enqueue, greet.call, greet.using(queue="slow").enqueue):
        with pytest.raises(BadArguments, match=r"Greet: missing a required argument: 'name'"):
            attempt()
        with pytest.raises(BadArguments, match="queue"):
            attempt("ann", queue="slow")
        with pytest.raises(BadArguments, match="self"):
            attempt("ann", self=1)
    assert book.entrances == []


@both
def test_call_is_the_job_with_arguments_and_needs_no_door(make: Make) -> None:
    call = make().call("ann", loud=True)
    assert isinstance(call, Call)
    assert (call.args, call.kwargs, call.options.queue) == (("ann",), {"loud": True}, "mail")


@both
def test_using_is_a_copy_that_can_be_chained(make: Make, book: Book) -> None:
    greet = make()
    slow = greet.using(queue="slow")
    slower = slow.using(queue="slower")
    assert [each.enqueue("ann").queue for each in (slower, slow, greet, slow.using())] == [
        "slower",
        "slow",
        "mail",
        "slow",
    ]
    assert slow.options.alone is True
    for name in ("options", "queue"):
        with pytest.raises(AttributeError):
            setattr(slow, name, slower.options)


@both
def test_using_refuses_wrong_names_and_wrong_queues(make: Make) -> None:
    greet = make()
    with pytest.raises(ConfigError, match="did you mean 'queue'"):
        greet.using(quue="slow")
    with pytest.raises(BadQueueName):
        greet.using(queue="a b")
    with pytest.raises(TypeError):
        greet.using("slow")


@both
def test_without_an_app_enqueue_says_what_to_do(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"resque\.configure"):
        make().enqueue("ann")


def test_a_class_job_can_be_called_plainly_and_enqueued_from_an_object(book: Book) -> None:
    greet = as_class()
    assert greet().perform("ann", loud=True) == "ANN"
    assert book.calls == []
    assert greet().enqueue("ann").queue == "mail"


def test_a_decorated_function_stays_that_function() -> None:
    greet = as_function()
    assert greet("ann", loud=True) == "ANN"
    assert greet.__name__ == "greet"
    assert greet.__doc__ == "Say it."
    assert str(inspect.signature(greet)) == "(name: str, *, loud: bool = False) -> str"


def test_a_decorated_coroutine_function_stays_one(book: Book) -> None:
    @job
    async def twice(n: int) -> int:
        return 2 * n

    assert asyncio.run(twice(2)) == 4
    assert twice.definition.is_async
    assert twice.enqueue(2).job == "twice"
    assert twice.options.queue == "default"


def test_names_of_a_function_s_parameters_do_not_collide_with_ours(book: Book) -> None:
    @job
    def odd(self: int, function: int, *, args: int, owner: int) -> int:
        return self + function + args + owner

    kwargs = {"self": 1, "function": 2, "args": 3, "owner": 4}
    assert odd(**kwargs) == 10
    odd.enqueue(**kwargs)
    assert book.calls[0].kwargs == kwargs
    assert odd.definition.invoke([], kwargs) == 10


def test_a_decorated_function_is_copied_as_functions_are() -> None:
    """By the name under which it is found in its module."""
    assert copy.deepcopy(shared) is shared
    assert globals()[shared.__reduce__()] is shared
    assert shared(1) == 1


@job(name="SharedOfTestJob")
def shared(n: int) -> int:
    return n


def test_defaults_of_a_class() -> None:
    class Bare(Job):
        def perform(self) -> None: ...

    definition = Bare.using().definition
    assert (definition.name, definition.aliases, definition.alone) == ("Bare", (), False)
    assert definition.options.queue == "default"
    assert definition.owner is Bare


def test_a_subclass_is_a_job_of_its_own() -> None:
    """It inherits queue and alone, and neither name nor aliases."""

    class Parent(Job):
        queue = "mail"
        name = "TheParent"
        aliases = ("Elder",)
        alone = True

        def perform(self) -> str:
            return type(self).__name__

    class Child(Parent): ...

    child = Child.using().definition
    assert (child.name, child.aliases, child.alone, child.options.queue) == ("Child", (), True, "mail")
    assert child.invoke([], {}) == "Child"
    parent = registry.default.find("Elder")
    assert parent is not None
    assert parent is registry.default.find("TheParent")
    assert parent.invoke([], {}) == "Parent"


def test_a_base_without_perform_is_no_job_and_says_so() -> None:
    class ReportBase(Job):
        queue = "reports"

    assert registry.default.find("ReportBase") is None
    for name in ("enqueue", "aenqueue", "enqueue_many", "aenqueue_many", "call", "using"):
        with pytest.raises(ConfigError, match="ReportBase has no perform"):
            getattr(ReportBase, name)

    class Report(ReportBase):
        def perform(self) -> None: ...

    assert Report.using().options.queue == "reports"


def test_an_abstract_class_is_no_job_until_it_is_whole() -> None:
    class Export(Job, abc.ABC):
        @abc.abstractmethod
        def rows(self) -> list[int]: ...

        def perform(self) -> list[int]:
            return self.rows()

    class OrderExport(Export):
        def rows(self) -> list[int]:
            return [1]

    assert registry.default.find("Export") is None
    assert OrderExport.using().definition.invoke([], {}) == [1]


def test_documentation_tools_can_look_at_jobs_and_bases() -> None:
    assert not hasattr(Job, "enqueue")
    assert "perform" in pydoc.render_doc(Job)
    assert "Say it." in pydoc.render_doc(as_class())


def test_two_jobs_of_one_name_are_refused() -> None:
    as_function()
    with pytest.raises(DuplicateJob, match="'Greet'"):
        as_class()


def test_a_job_defined_again_replaces_its_older_self() -> None:
    as_class()
    newer = as_class()
    assert registry.default.find("Greet") is newer.using().definition


def test_a_class_that_could_never_run_is_refused_where_it_is_written() -> None:
    with pytest.raises(BadQueueName):
        type("A", (Job,), {"queue": "a b", "perform": lambda self: None})
    with pytest.raises(BadQueueName):
        type("A", (Job,), {"queue": "a b"})
    with pytest.raises(ConfigError, match="wire name"):
        type("A", (Job,), {"name": "a-b", "perform": lambda self: None})
    with pytest.raises(ConfigError, match="alone must be True or False"):
        type("A", (Job,), {"alone": "yes", "perform": lambda self: None})
    with pytest.raises(ConfigError, match="__init__ must take no arguments"):
        type("A", (Job,), {"__init__": lambda self, x: None, "perform": lambda self: None})
    assert registry.default.find("A") is None


def test_class_keywords_reach_other_bases() -> None:
    class Base:
        def __init_subclass__(cls, **kwargs: Any) -> None:
            cls.seen = kwargs  # type: ignore[attr-defined]

    class Mixed(Job, Base, flavour="x"):
        def perform(self) -> None: ...

    assert Mixed.seen == {"flavour": "x"}  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        type("Wrong", (Job,), {"perform": lambda self: None}, flavour="x")


@pytest.mark.parametrize(
    "wrong", ["mail", 5, Receipt, Receipt("1", "q", "j").__eq__], ids=["text", "number", "class", "method"]
)
def test_the_decorator_refuses_what_is_no_function(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="@job is for functions"):
        job(wrong)


def test_the_decorator_refuses_a_job_and_a_function_without_a_usable_name() -> None:
    with pytest.raises(ConfigError, match="is a job already"):
        job(as_function())
    with pytest.raises(ConfigError, match="wire name"):
        job(lambda: None)
    assert job(name="Named")(lambda: 5).definition.invoke([], {}) == 5


def test_options_of_the_decorator_are_checked_when_it_is_written() -> None:
    with pytest.raises(BadQueueName):
        job(queue="a b")
    with pytest.raises(TypeError):
        job(quue="mail")  # type: ignore[call-overload]


def test_a_bound_job_shows_what_it_is() -> None:
    said = "Greet JobOptions(queue='mail', alone=True)>"
    assert repr(as_function()) == f"<FunctionJob {said}"
    assert repr(as_function().using(queue="q")) == f"<Bound {said.replace('mail', 'q')}"
