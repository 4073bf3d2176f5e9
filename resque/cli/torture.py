"""`resque torture`: prove on your own server that nothing is lost.

May be in here: options, which server it is. May not: the torture (dev/torture/).
"""

import random
from typing import Any

import click

from resque import config, durations
from resque.cli import options
from resque.cli.exits import USAGE, Failed
from resque.config import Settings
from resque.dev.torture import run
from resque.dev.torture.run import Plan

_COUNT = click.IntRange(1, 1000)


@click.command("torture", short_help="Kill workers under load and prove that nothing is lost.")
@click.option("--seconds", default="60", metavar="TIME", help="How long jobs come in and faults go on (60).")
@click.option("--workers", type=_COUNT, default=4, metavar="N", help="Worker processes, under two supervisors (4).")
@click.option("--producers", type=_COUNT, default=2, metavar="N", help="Processes that enqueue (2).")
@click.option("--rate", type=click.FloatRange(1), default=200.0, metavar="N", help="Jobs a second, of all (200).")
@click.option("--chaos-every", default="3s", metavar="TIME", help="A fault about every so often (3s); 0: none.")
@click.option("--lease", default="3s", metavar="TIME", help="The workers' lease: short, to see recoveries (3s).")
@click.option("--seed", type=int, metavar="N", help="The same faults in the same order (default: drawn, and printed).")
@click.option("--keep", is_flag=True, help="Keep the keys, the journals, and the embedded server.")
@options.as_json
@options.shared
def command(seconds: str, chaos_every: str, lease: str, seed: int | None, **others: Any) -> None:
    """Kill workers under load and prove that nothing is lost.

    Without a URL it runs on a server of its own. With one (--redis-url, RESQUE_REDIS_URL or the settings file) it runs
    there, under a prefix of its own that it removes at the end; nothing else is touched.

    Exit code 0: nothing lost, nothing counted twice. 1: something was. 3: the server cannot be reached.
    """
    given, settings = options.arguments(), options.settings()
    plan = Plan(
        seconds=_seconds("--seconds", seconds, least=1),
        chaos_every=_seconds("--chaos-every", chaos_every),
        lease=_seconds("--lease", lease, least=0.5),
        seed=random.randrange(1_000_000) if seed is None else seed,
        is_embedded=not _is_named(settings),
        given={name: given.get(name) for name in ("redis_url", "prefix", "wire")},
        **others,
    )
    click.get_current_context().exit(run.main(plan))


def _is_named(settings: Settings) -> bool:
    """Whether anybody has said where Redis is."""
    is_said = options.arguments().get("redis_url") or config.environment("RESQUE_REDIS_URL")
    return bool(is_said) or settings.redis_url != Settings().redis_url


def _seconds(option: str, text: str, *, least: float = 0) -> float:
    try:
        found = durations.seconds(text)
    except ValueError as error:
        raise Failed(f"{option}: {error}", code=USAGE) from None
    if found < least:
        raise Failed(f"{option} must be at least {least:g} s", code=USAGE)
    return found
