"""Arguments: do they fit perform's signature, and what do they become before perform sees them.

May be in here: counting and naming arguments, converting JSON forms to annotated types. May not: calling perform,
anything about a job beyond its name in an error. Pydantic is never imported: a type that has `model_validate` is asked.

Both questions are asked for every job that is enqueued or run. So everything is worked out once, as sets and tuples
that are compared as a whole; only a call that does not fit is looked at piece by piece, to say what is wrong with it.
"""

import inspect
import itertools
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any

import msgspec
from msgspec import ValidationError, convert
from msgspec.structs import astuple

from resque.errors import BadArguments, ConfigError

_JSON = (str, int, float, bool, types.NoneType, list, dict)
_MAX_SHAPES = 512
_MAX_REASON = 1000


class Signature:
    """What a function takes, without the receiver (`self`) of a method. Raises ConfigError if that cannot be told.

    fewest, most: how many positional arguments make a complete call without keywords.
    """

    def __init__(self, job: str, function: Callable[..., Any], *, method: bool) -> None:
        self.job = job
        self.function = function
        parameters, receiver = _parameters(job, function, method=method)
        self.positional = [
            p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        ]
        self.named = [p for p in parameters if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
        self.more = next((p for p in parameters if p.kind is Parameter.VAR_POSITIONAL), None)
        self.others = next((p for p in parameters if p.kind is Parameter.VAR_KEYWORD), None)
        self._whole = inspect.Signature([_readable(p) for p in parameters])
        self._receiver = frozenset() if receiver is None else frozenset({receiver})
        self._count()

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise BadArguments unless the call fits. Types are not looked at."""
        if self._least <= len(args) <= self.most:
            filled = min(len(args), len(self.positional))
            names = kwargs.keys()
            if self._needed[filled] <= names and (self._free[filled] >= names or self._as_others(filled, names)):
                return
        raise BadArguments(f"{self.job}: {self._reason(args, kwargs)}; perform takes {self._whole}")

    def _count(self) -> None:
        """Work out, for each number of positional arguments, which names a call must and may have beside them."""
        count = len(self.positional)
        keyword_only = [p for p in self.named if p.kind is Parameter.KEYWORD_ONLY]
        by_name = [p.name for p in self.positional if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        unnamed = count - len(by_name)
        self._least = sum(1 for p in self.positional[:unnamed] if p.default is Parameter.empty)
        self.most = sys.maxsize if self.more else count
        self._needed = [_required(self.positional[i:] + keyword_only) for i in range(count + 1)]
        self._free = [
            frozenset(by_name[max(i - unnamed, 0) :]).union(p.name for p in keyword_only) for i in range(count + 1)
        ]
        self._taken = [self._receiver.union(by_name[: max(i - unnamed, 0)]) for i in range(count + 1)]
        needs_keywords = bool(_required(keyword_only))
        self.fewest = sys.maxsize if needs_keywords else len(_required(self.positional))

    def _as_others(self, filled: int, names: Any) -> bool:
        return self.others is not None and self._taken[filled].isdisjoint(names)

    def _reason(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        try:
            self._whole.bind(*args, **kwargs)
        except TypeError as error:
            reason = str(error)
        else:  # only **kwargs of perform would have taken it
            reason = f"got an unexpected keyword argument {', '.join(map(repr, self._receiver))}"
        return reason if len(reason) <= _MAX_REASON else f"{reason[:_MAX_REASON]}..."


class Conversion:
    """How arguments in their JSON form become what perform's annotations say.

    Made at the first run, not at import: annotations may name what is defined further down in the module. Making it
    never fails: what cannot be resolved, and what cannot come out of JSON (arbitrary classes), counts as Any and is
    passed as it is.

    untyped: nothing is converted, whatever comes.
    shapes: the types of positional arguments (as a tuple) that fit as they are.
    """

    def __init__(self, signature: Signature, names: Mapping[str, Any]) -> None:
        self._signature = signature
        target = {
            p.name: _target(p.annotation, signature.function, names)
            for p in itertools.chain(signature.positional, signature.named, _existing(signature.more, signature.others))
        }
        self._types = tuple(target[p.name] for p in signature.positional)
        self._by_name = {p.name: target[p.name] for p in signature.named}
        self._more = target[signature.more.name] if signature.more else Any
        self._others = target[signature.others.name] if signature.others else Any
        self._rows = [_row_of(self._types[:count]) for count in range(len(self._types) + 1)]
        self._surplus = types.GenericAlias(tuple, (self._more, ...))
        self.untyped = all(kind is Any for kind in target.values())
        self.shapes = _shapes(self._types, signature.fewest)

    def convert(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Check the call and convert it. Raises BadArguments that names the argument."""
        signature, count = self._signature, len(self._types)
        if kwargs or not signature.fewest <= len(args) <= signature.most:
            signature.check(args, kwargs)
        if self.untyped:
            return args, kwargs
        try:
            if len(args) <= count:
                converted = astuple(convert(args, self._rows[len(args)], dec_hook=_validate))
            else:
                converted = astuple(convert(args[:count], self._rows[count], dec_hook=_validate))
                converted += convert(args[count:], self._surplus, dec_hook=_validate)
        except ValidationError:
            raise self._first_misfit(args) from None
        return converted, {
            name: self._convert_named(name, value) for name, value in kwargs.items()
        } if kwargs else kwargs

    def _convert_named(self, name: str, value: Any) -> Any:
        try:
            return convert(value, self._by_name.get(name, self._others), dec_hook=_validate)
        except ValidationError as error:
            raise self._misfit(name, error) from None

    def _first_misfit(self, args: Sequence[Any]) -> BadArguments:
        names = [p.name for p in self._signature.positional]
        for index, value in enumerate(args):
            known = index < len(names)
            try:
                convert(value, self._types[index] if known else self._more, dec_hook=_validate)
            except ValidationError as error:
                return self._misfit(names[index] if known else f"number {index + 1}", error)
        return BadArguments(f"{self._signature.job}: an argument does not fit its annotation")

    def _misfit(self, name: str, error: ValidationError) -> BadArguments:
        reason = str(error)[:_MAX_REASON].replace("`", "").replace(" - at $", " at ")
        return BadArguments(f"{self._signature.job}: argument {name} does not fit its annotation: {reason}")


def _parameters(job: str, function: Callable[..., Any], *, method: bool) -> tuple[list[Parameter], str | None]:
    """The parameters without the receiver, and the receiver's name if a keyword could collide with it."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{job}: what it takes cannot be told: {error}") from None
    if not method:
        return parameters, None
    if not parameters or parameters[0].kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD):
        raise ConfigError(f"{job}: perform must take self as its first parameter")
    if parameters[0].kind is Parameter.VAR_POSITIONAL:
        return parameters, None
    first = parameters.pop(0)
    return parameters, first.name if first.kind is Parameter.POSITIONAL_OR_KEYWORD else None


class _Unquoted(str):
    """A textual annotation that an error message shows without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _readable(parameter: Parameter) -> Parameter:
    if isinstance(parameter.annotation, str):
        return parameter.replace(annotation=_Unquoted(parameter.annotation))
    return parameter


def _required(parameters: Sequence[Parameter]) -> frozenset[str]:
    return frozenset(p.name for p in parameters if p.default is Parameter.empty)


def _existing(*parameters: Parameter | None) -> list[Parameter]:
    return [p for p in parameters if p is not None]


def _row_of(kinds: tuple[Any, ...]) -> type[msgspec.Struct]:
    """What msgspec converts all positional arguments to in one call. It remembers what it knows about a struct; about a
    tuple[...] it thinks anew each time, which takes three times as long."""
    return msgspec.defstruct("Row", [(f"p{index}", kind) for index, kind in enumerate(kinds)], array_like=True)


def _validate(kind: Any, value: Any) -> Any:
    """msgspec asks this for types that it does not know: pydantic's models are made, anything else it will refuse."""
    validate = getattr(kind, "model_validate", None)
    return value if validate is None else validate(value)


def _target(annotation: Any, function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """The type to convert to; Any when there is none, or none that JSON can be converted to."""
    if annotation is Parameter.empty:
        return Any

    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        # One annotation at a time, so that one that cannot be resolved spoils nothing but itself.
        kind = typing.get_type_hints(holder, scope, dict(names), include_extras=True)["value"]
        known = msgspec.inspect.type_info(kind)
    except Exception:  # an annotation is somebody else's code: resolving it may raise anything
        return Any
    return kind if _comes_from_json(known) else Any


def _comes_from_json(info: Any) -> bool:
    """Whether there is no arbitrary class in it.

    Fields of dataclasses and structs are not searched: a class there makes the argument wrong, and the error says
    where; taking the whole for Any would hand perform a dict without a word.
    """
    if isinstance(info, msgspec.inspect.CustomType):
        return hasattr(info.cls, "model_validate")
    if isinstance(info, msgspec.inspect.Type):
        return all(_comes_from_json(getattr(info, field)) for field in info.__struct_fields__)
    if isinstance(info, tuple):
        return all(map(_comes_from_json, info))
    return True


def _shapes(kinds: tuple[Any, ...], fewest: int) -> frozenset[tuple[type, ...]]:
    """Every tuple of JSON types that fits `kinds` as it is, for each count of arguments from `fewest` on."""
    choices = list(itertools.takewhile(lambda choice: choice, map(_as_it_is, kinds)))
    shapes: set[tuple[type, ...]] = set()
    for count in range(fewest, len(choices) + 1) if fewest <= len(choices) else ():
        combinations = 1
        for choice in choices[:count]:
            combinations *= len(choice)
        if len(shapes) + combinations > _MAX_SHAPES:
            break
        shapes.update(itertools.product(*choices[:count]))
    return frozenset(shapes)


def _as_it_is(kind: Any) -> tuple[type, ...]:
    """The JSON types whose values are already what `kind` asks for; () when the value has to be looked at."""
    if kind is Any:
        return _JSON
    if isinstance(kind, type):
        return (kind,) if kind in _JSON else ()
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if (origin is list and inner == (Any,)) or (origin is dict and inner == (str, Any)):
        return (origin,)
    if origin in (typing.Union, types.UnionType):
        choices = [_as_it_is(each) for each in inner]
        return tuple(dict.fromkeys(itertools.chain(*choices))) if all(choices) else ()
    return ()
