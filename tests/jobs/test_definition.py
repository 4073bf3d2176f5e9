"""One job before it runs: its names, what is refused, checking and performing."""

import abc
import asyncio
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from resque.errors import BadArguments, ConfigError
from resque.jobs.definition import Call, Definition, is_performable
from resque.jobs.options import JobOptions

Calls = list[tuple[Sequence[Any], dict[str, Any]]]


def add(a: int, b: int = 1) -> int:
    return a + b


class Counter:
    """Says which object perform ran on."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def perform(self, a: int, b: str = "x", *, c: dt.date | None = None) -> tuple[Any, ...]:
        return (a, b, c)


def define(owner: Callable[..., Any], **more: Any) -> Definition:
    return Definition(owner, **{"name": "Shop", **more})


def with_perform(perform: Any) -> type:
    return type("Made", (), {"perform": perform})


@pytest.mark.parametrize(
    "name", ["A", "_a", "ProcessOrder", "Shop::Order", "shop.orders.Process", "a9", "A" + "b" * 199]
)
def test_good_wire_names(name: str) -> None:
    assert define(add, name=name).name == name


@pytest.mark.parametrize(
    "name", ["", "9a", ".a", ":a", "a b", "a-b", "a/b", "<lambda>", "Größe", "a\n", "A" + "b" * 200, None, 5, b"A"]
)
def test_bad_wire_names_are_refused_and_say_where_and_how(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"test_definition\.add: .*give it name='\.\.\.'"):
        define(add, name=name)
    with pytest.raises(ConfigError, match="wire name"):
        define(add, aliases=(name,))


def test_aliases_are_kept_in_order_once_and_without_the_name() -> None:
    assert define(add, aliases=["B", "A", "B", "Shop"]).aliases == ("B", "A")


@pytest.mark.parametrize("aliases", ["OldName", None, 5])
def test_aliases_that_are_no_collection_of_names_are_refused(aliases: Any) -> None:
    with pytest.raises(ConfigError, match=r"aliases must be a tuple of names"):
        define(add, aliases=aliases)


def test_what_a_definition_knows() -> None:
    function = define(add, options=JobOptions(queue="q", alone=True))
    assert (function.owner, function.is_async, function.alone, function.options.queue) == (add, False, True, "q")
    assert function.source == f"{__name__}.add"
    assert define(add).options == JobOptions()
    assert repr(function) == f"<Definition Shop of {__name__}.add>"


def test_a_constructor_with_arguments_is_refused() -> None:
    class Takes:
        def __init__(self, client: object = None) -> None: ...

        def perform(self) -> None: ...

    class Inherits(Takes): ...

    for owner in (Takes, Inherits):
        with pytest.raises(ConfigError, match="__init__ must take no arguments"):
            define(owner)


def test_a_perform_with_a_yield_is_refused() -> None:
    """Calling it would make a generator that nobody runs."""

    def generator(self: Any) -> Iterator[int]:
        yield 1

    async def agenerator(self: Any) -> Any:
        yield 1

    for perform in (generator, agenerator):
        with pytest.raises(ConfigError, match="perform has a yield"):
            define(with_perform(perform))
        with pytest.raises(ConfigError, match="perform has a yield"):
            define(perform)


@pytest.mark.parametrize("perform", [None, 5, "run", property(lambda self: 1), functools.partial(add, 1)])
def test_a_perform_that_is_no_method_is_refused(perform: Any) -> None:
    with pytest.raises(ConfigError, match="perform must be a method"):
        define(with_perform(perform))


def test_check_takes_what_fits_and_names_what_does_not() -> None:
    job = define(Counter)
    good: Calls = [((1,), {}), ((1, "a"), {}), ((), {"a": 1}), ((1,), {"c": None}), (("any type",), {})]
    for args, kwargs in good:
        job.check(args, kwargs)
    bad: Calls = [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"x": 1}), ((1,), {"self": 1})]
    for args, kwargs in bad:
        with pytest.raises(BadArguments, match=r"^Shop: .*perform takes \(a: int, b: str = 'x'"):
            job.check(args, kwargs)


def test_invoke_makes_one_object_for_each_run_and_none_for_bad_arguments() -> None:
    job, before = define(Counter), Counter.made
    assert job.invoke([1], {}) == (1, "x", None)
    assert job.invoke([1, "a"], {}) == (1, "a", None)
    assert Counter.made == before + 2
    bad: Calls = [([], {}), (["1"], {}), ([True], {}), ([1, "a", 1], {}), ([1], {"c": "no"}), ([1], {"self": 1})]
    for args, kwargs in bad:
        with pytest.raises(BadArguments):
            job.invoke(args, kwargs)
    assert Counter.made == before + 2


def test_invoke_converts_by_position_and_by_name() -> None:
    assert define(Counter).invoke([], {"a": 1, "c": "2026-11-24"}) == (1, "x", dt.date(2026, 11, 24))


def test_invoke_of_a_perform_without_annotations_checks_the_count_and_passes_all_as_it_is() -> None:
    job = define(with_perform(lambda self, a, b=None, *, c=3: (a, b, c)))
    value = {"x": [1]}
    assert job.invoke([value], {})[0] is value
    assert job.invoke([1, 2], {"c": 4}) == (1, 2, 4)
    for args, kwargs in [([], {}), ([1, 2, 3], {}), ([1], {"d": 1}), ([1], {"self": 1})]:
        with pytest.raises(BadArguments):
            job.invoke(args, kwargs)


def test_invoke_of_a_perform_without_parameters() -> None:
    job = define(with_perform(lambda self: "done"))
    assert job.invoke([], {}) == "done"
    assert job.invoke((), {}) == "done"
    with pytest.raises(BadArguments, match="too many positional"):
        job.invoke([1], {})


def test_keyword_only_and_open_parameters_reach_perform() -> None:
    def perform(self: Any, *more: int, must: str, **rest: float) -> tuple[Any, ...]:
        return (more, must, rest)

    job = define(with_perform(perform))
    assert job.invoke([1, 2], {"must": "x", "other": 1}) == ((1, 2), "x", {"other": 1.0})
    with pytest.raises(BadArguments, match="must"):
        job.invoke([1, 2], {})
    with pytest.raises(BadArguments, match="self"):
        job.invoke([], {"must": "x", "self": 1})


def test_argument_names_of_ours_do_not_collide_with_those_of_a_job() -> None:
    """Whatever a perform calls its parameters, they reach it."""

    def perform(this: Any, *, self: int, args: int, kwargs: int, job: int, owner: int) -> int:
        return self + args + kwargs + job + owner

    kwargs = {"self": 1, "args": 2, "kwargs": 3, "job": 4, "owner": 5}
    job = define(with_perform(perform))
    job.check((), kwargs)
    assert job.invoke([], kwargs) == 15


def test_an_error_of_the_job_passes_through_as_it_is() -> None:
    def perform(self: Any, a: int) -> None:
        raise TypeError("from inside")

    with pytest.raises(TypeError, match="from inside") as caught:
        define(with_perform(perform)).invoke([1], {})
    assert not isinstance(caught.value, BadArguments)


def test_a_coroutine_function_gives_a_coroutine_that_runs() -> None:
    async def perform(self: Any, a: int) -> int:
        return a + 1

    job = define(with_perform(perform))
    assert job.is_async
    assert asyncio.run(job.invoke([1], {})) == 2
    assert not define(Counter).is_async


def test_static_and_class_methods_may_be_performs() -> None:
    static = define(with_perform(staticmethod(lambda a: ("static", a))))
    by_class = define(with_perform(classmethod(lambda cls, a: (cls.__name__, a))))
    assert static.invoke([1], {}) == ("static", 1)
    assert by_class.invoke([1], {}) == ("Made", 1)
    for job in (static, by_class):
        with pytest.raises(BadArguments):
            job.invoke([1, 2], {})


def test_a_decorated_perform_takes_what_the_function_under_it_takes() -> None:
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return ("logged", function(*args, **kwargs))

        return wrapper

    @logged
    def perform(self: Any, day: dt.date) -> dt.date:
        return day

    job = define(with_perform(perform))
    assert job.invoke(["2026-11-24"], {}) == ("logged", dt.date(2026, 11, 24))
    with pytest.raises(BadArguments):
        job.check((), {})


def test_textual_annotations_may_name_what_is_inside_the_class_that_has_perform() -> None:
    class Base:
        class Input(msgspec.Struct):
            x: int

        def perform(self, value: "Input") -> Any:
            return value

    class Derived(Base):
        Input = int  # type: ignore[assignment]

    for owner in (Base, Derived):
        assert define(owner).invoke([{"x": 1}], {}) == Base.Input(1)


def test_annotations_are_looked_at_once_and_not_before_the_first_run() -> None:
    def perform(self: Any, a: "Here") -> Any:  # type: ignore[name-defined] # noqa: F821
        return a

    owner = with_perform(perform)
    job = define(owner)
    job.check((1,), {})
    owner.Here = dt.date  # type: ignore[attr-defined]
    assert job.invoke(["2026-11-24"], {}) == dt.date(2026, 11, 24)
    del owner.Here  # type: ignore[attr-defined]
    assert job.invoke(["2026-11-25"], {}) == dt.date(2026, 11, 25)


def test_only_classes_with_a_finished_perform_can_be_performed() -> None:
    class Without: ...

    class Abstract(abc.ABC):
        @abc.abstractmethod
        def perform(self) -> None: ...

    class Half(abc.ABC):
        @abc.abstractmethod
        def rows(self) -> None: ...

        def perform(self) -> None:
            self.rows()

    class Whole(Half):
        def rows(self) -> None: ...

    assert [is_performable(each) for each in (Without, Abstract, Half, Whole, Counter)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_call_cannot_be_changed_and_a_copy_can() -> None:
    call: Call[int] = Call(define(add), (1,), {}, JobOptions())
    with pytest.raises(AttributeError):
        call.args = (2,)  # type: ignore[misc]
    changed = msgspec.structs.replace(call, options=JobOptions(queue="slow"))
    assert (changed.args, changed.options.queue, call.options.queue) == ((1,), "slow", "default")
