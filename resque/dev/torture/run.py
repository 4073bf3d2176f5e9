"""Run: the torture from its first step to its last, and everything cleaned up behind it.

May be in here: the order of the steps and what is said about each. May not: how a step is done.
"""

import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from redis import RedisError
from rich.console import Console

from resque import clock
from resque.app import Resque
from resque.dev.demo.interrupts import Interrupted, Interrupts
from resque.dev.server import Server
from resque.dev.torture import connections, journal, report, space
from resque.dev.torture.account import Account, Facts, account
from resque.dev.torture.chaos import Chaos, Scene
from resque.dev.torture.crew import Crew, Launch, TortureFailed
from resque.dev.torture.meter import Meter
from resque.dev.torture.space import Space, State
from resque.errors import Unreachable
from resque.logs import printable

T = TypeVar("T")
_DRAIN: Final = 1.0
_LOOK_EVERY: Final = 0.1
_READY_SECONDS: Final = 60.0
_STANDSTILL: Final = 30.0
_STANDSTILL_LEASES: Final = 6
_LONGEST_DRAIN: Final = 300.0
_CALM: Final = 5
_ANSWER_SECONDS: Final = 30.0
_WIDTH_OF_A_FILE: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for. Times are seconds."""

    seconds: float = 60.0
    workers: int = 4
    producers: int = 2
    rate: float = 200.0
    """Jobs a second, of all producers."""
    chaos_every: float = 3.0
    """0: no faults at all."""
    seed: int = 0
    lease: float = 3.0
    is_embedded: bool = True
    given: Mapping[str, Any]
    """The settings that were given as options: redis_url, prefix, wire."""
    as_json: bool = False
    keep: bool = False


def main(plan: Plan) -> int:
    """Run the torture. Returns 0 if nothing was lost and nothing counted twice, 1 if not, or if it could not be done.

    Ctrl-C (INT, TERM, HUP) ends it early: what was enqueued is still worked off and accounted for; a second one does
    not wait for that. Call it in the main thread.
    Raises Unreachable and other StoreErrors when the server cannot be used, ConfigError for a prefix that is in use.
    """
    console = Console(markup=False, highlight=False, emoji=False, stderr=plan.as_json)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    with Interrupts() as interrupts:
        try:
            return _Torture(console, interrupts, plan).run()
        except Interrupted as error:
            console.print(f"{error}: stopped before it began", soft_wrap=True)
            return error.code
        except (TortureFailed, RedisError) as error:
            console.print(f"FAILED: {printable(str(error))}", style="bold red", soft_wrap=True)
            return 1


class _Torture:
    """One run."""

    def __init__(self, console: Console, interrupts: Interrupts, plan: Plan) -> None:
        self._console = console
        self._interrupts = interrupts
        self._plan = plan
        self._server = Server(appendonly="always", keep=plan.keep) if plan.is_embedded else None
        self._url: str | None = plan.given.get("redis_url")
        self._prefix: str = plan.given.get("prefix") or f"resque-torture-{secrets.token_hex(4)}"
        self._troubles: list[str] = []
        self._was_interrupted = False
        self._state = State(0, 0, 0, 0)
        self._is_good = False

    def run(self) -> int:
        with ExitStack() as stack:
            if self._server is not None:
                stack.callback(self._close_server)
                self._url = self._server.start().url
            self._space = self._open(stack)
            self._folder = Path(tempfile.mkdtemp(prefix="resque-torture-"))
            stack.callback(self._remove_folder)
            self._crew = stack.enter_context(Crew(self._launch()))
            self._start()
            chaos = Chaos(self._scene(), self._plan.seed)
            began = clock.monotonic()
            with Meter(self._console) as meter:
                self._soak(chaos, meter, began)
                self._troubles += self._crew.stop_producers()
                is_drained = self._drain(meter)
            seconds = clock.monotonic() - began
            self._say("Stopping the workers.")
            self._crew.stop_supervisors()
            facts = self._insist(lambda: self._facts(chaos))
            ran = self._ran(chaos, began, seconds, is_drained=is_drained)
            found = account(facts)
            self._is_good = report.is_good(found, ran)
            self._report(found, ran)
        return 0 if self._is_good else 1

    # before ------------------------------------------------------------------------------------------------------

    def _open(self, stack: ExitStack) -> Space:
        """The namespace, proved to be empty and ours to remove from here on."""
        named = {**self._plan.given, "redis_url": self._url, "prefix": self._prefix, "app": None}
        app = Resque(**named)
        stack.callback(app.close)
        opened = Space(app.settings, is_own=not self._plan.given.get("prefix"))
        stack.callback(opened.close)
        opened.check()
        self._version = f"{space.version(opened.redis)} at {space.shown(app.settings)}"
        self._line(f"Torture on {self._version}, under the prefix {self._prefix}", style="bold")
        self._risks = [] if self._server is not None else space.risks(opened.redis)
        for risk in self._risks:
            self._say(f"warning: {printable(risk)}", style="bold yellow")
        opened.claim(app)
        stack.callback(self._remove_keys, opened)
        return opened

    def _launch(self) -> Launch:
        plan = self._plan
        return Launch(
            folder=self._folder,
            prefix=self._prefix,
            redis_url=self._url,
            wire=plan.given.get("wire"),
            workers=plan.workers,
            producers=plan.producers,
            rate=plan.rate,
            lease=plan.lease,
            drain=_DRAIN,
            seed=plan.seed,
        )

    def _start(self) -> None:
        """All workers first, then the producers, until jobs come through: a fault needs somebody to hit."""
        self._crew.start_supervisors()
        plan = self._plan
        self._say(f"Journals and logs are in {self._folder}")
        self._say(
            f"Supervisors: {len(self._crew.shares)}, with worker processes: {plan.workers}. "
            f"Producers: {plan.producers}, together {plan.rate:g} jobs/s, for {plan.seconds:g} s"
        )
        how = f"about every {plan.chaos_every:g} s" if plan.chaos_every else "none"
        self._say(f"Faults: {how}; the same ones again with --seed {plan.seed}")
        self._await("the workers are not ready", lambda: len(self._space.worker_pids()) >= plan.workers)
        self._crew.start_producers()
        self._await("no job has come through", lambda: self._space.state().processed > 0)

    def _await(self, otherwise: str, condition: Callable[[], bool]) -> None:
        """Until it is so. Raises TortureFailed when a process ends or it takes too long."""
        end = clock.monotonic() + _READY_SECONDS
        while not self._insist(condition):
            if fallen := self._crew.fallen():
                raise TortureFailed(f"{fallen[0]}. The log:\n{self._crew.log_end()}")
            if clock.monotonic() > end:
                raise TortureFailed(f"{otherwise}. The log:\n{self._crew.log_end()}")
            self._interrupts.pause(_LOOK_EVERY)

    def _scene(self) -> Scene:
        reason = connections.why_not(self._space.redis)
        if reason:
            self._say(f"No connections are cut: {printable(reason)}")
        return Scene(
            crew=self._crew,
            space=self._space,
            server=self._server,
            can_cut=not reason,
            lease=self._plan.lease,
            drain=_DRAIN,
            pause=self._pause,
        )

    def _pause(self, seconds: float) -> None:
        """For the chaos: it must not be torn out of a fault."""
        with suppress(Interrupted):
            self._interrupts.pause(seconds)

    # under way ---------------------------------------------------------------------------------------------------

    def _soak(self, chaos: Chaos, meter: Meter, began: float) -> None:
        """Until the time is over, or somebody wants it to end."""
        every, end = self._plan.chaos_every, began + self._plan.seconds
        due = clock.monotonic() + chaos.next_in(every) if every else float("inf")
        try:
            while (now := clock.monotonic()) < end:
                if now >= due:
                    fault = chaos.strike()
                    if fault is not None:
                        self._say(f"{fault.began - began:6.1f} s  {fault.what}")
                    due = clock.monotonic() + chaos.next_in(every)
                self._notice_fallen()
                self._look()
                meter.show(f"{clock.monotonic() - began:.0f} s of {self._plan.seconds:g} s: {self._progress(chaos)}")
                self._interrupts.pause(_LOOK_EVERY)
        except Interrupted as error:
            self._was_interrupted = True
            self._say(f"{error}: no more faults and no more jobs; a second one does not wait for those that are left")

    def _drain(self, meter: Meter) -> bool:
        """Until all is settled, nothing moves any more, or somebody interrupts (again). Whether all is settled."""
        seen, calm = self._interrupts.count, 0
        began = moved = clock.monotonic()
        standstill = max(_STANDSTILL, _STANDSTILL_LEASES * self._plan.lease)
        while self._interrupts.count == seen:
            before, is_fresh = self._state, self._look()
            now = clock.monotonic()
            calm = calm + 1 if is_fresh and self._state.is_over else 0
            if calm >= _CALM:  # what moves between two reads is seen nowhere once, not five times
                return True
            if self._state != before or calm:
                moved = now
            if now - moved > standstill or now - began > _LONGEST_DRAIN:
                self._troubles.append(f"not drained after {now - began:.0f} s: {self._state}")
                return False
            self._notice_fallen()
            meter.show(f"waiting for the last ones: {self._state.waiting:,} wait, {self._state.inflight:,} in flight")
            clock.sleep(_LOOK_EVERY)
        self._was_interrupted = True
        return False

    def _look(self) -> bool:
        """Ask how far it is; whether there was an answer. There is none while the server is being killed."""
        try:
            self._state = self._space.state()
        except RedisError:
            return False
        return True

    def _notice_fallen(self) -> None:
        for line in self._crew.fallen():
            self._troubles.append(line)
            self._say(line, style="bold red")

    def _progress(self, chaos: Chaos) -> str:
        state = self._state
        settled = f"{state.processed:,} settled, {state.failed:,} of them failed"
        return f"{settled}, {state.waiting:,} wait, {state.inflight:,} in flight, {len(chaos.faults):,} faults"

    # after -------------------------------------------------------------------------------------------------------

    def _facts(self, chaos: Chaos) -> Facts:
        state = self._space.state()
        return Facts(
            enqueued=journal.read_enqueued(self._folder),
            runs=journal.read_runs(self._folder),
            failed=self._space.failures(),
            left=self._space.left(),
            processed=state.processed,
            failures=state.failed,
            faults=chaos.faults,
            slack=self._plan.lease,
        )

    def _ran(self, chaos: Chaos, began: float, seconds: float, *, is_drained: bool) -> report.Ran:
        return report.Ran(
            server=self._version,
            prefix=self._prefix,
            seed=self._plan.seed,
            began=began,
            seconds=seconds,
            was_interrupted=self._was_interrupted,
            is_drained=is_drained,
            risks=self._risks,
            troubles=self._troubles,
            faults=chaos.faults,
        )

    def _report(self, found: Account, ran: report.Ran) -> None:
        self._line(f"{found.counted:,} jobs in {ran.seconds:.1f} s, {found.counted / ran.seconds:,.0f} jobs/s", "bold")
        self._console.print(report.jobs_table(found))
        if ran.faults:
            self._console.print(report.faults_table(found, ran.faults))
        for line in (*report.notes(found), *ran.troubles):
            self._say(f"note: {printable(line)}", style="yellow")
        problems = found.problems()
        for line in problems:
            self._say(printable(line), style="bold red")
        if self._is_good:
            self._line("Good: nothing was lost, nothing was counted twice.", style="bold green")
        else:
            self._line("NOT GOOD." if problems else "NOT PROVED: there are jobs that did not end.", style="bold red")
        if self._plan.as_json:
            sys.stdout.write(json.dumps(report.document(found, ran), indent=2) + "\n")
            sys.stdout.flush()

    # cleaning up -------------------------------------------------------------------------------------------------

    def _remove_keys(self, opened: Space) -> None:
        """Behind everything else: no process of ours writes any more. An embedded server goes with all it holds."""
        if self._plan.keep:
            self._say(f"Kept: the keys under {self._prefix}:")
        if self._plan.keep or self._server is not None:
            return
        try:
            removed = self._insist(opened.remove)
        except Unreachable as error:
            self._say(f"NOT removed, the server does not answer: the keys under {self._prefix}: ({error})", "bold red")
            return
        self._say(f"Removed {removed.count:,} keys under {self._prefix}:")
        if removed.foreign:
            names = printable(", ".join(removed.foreign[:3]))
            self._say(f"{len(removed.foreign):,} keys there are none of ours and stay: {names}", style="yellow")

    def _remove_folder(self) -> None:
        if self._plan.keep or not self._is_good:
            self._say(f"Kept: the journals and logs in {self._folder}")
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _close_server(self) -> None:
        assert self._server is not None
        self._server.close()
        if self._server.keep and self._server.running:
            server = self._server
            self._say(f"Kept: the server at {server.url} (stop it with: kill {server.pid}) and {server.folder}")
        else:
            self._say("The embedded server and its folder are gone.")

    def _insist(self, ask: Callable[[], T]) -> T:
        """The answer of a server that may be away for a moment. Raises Unreachable after half a minute."""
        end = clock.monotonic() + _ANSWER_SECONDS
        while True:
            try:
                return ask()
            except RedisError as error:
                if clock.monotonic() > end:
                    raise Unreachable(f"no answer from Redis for {_ANSWER_SECONDS:g} s: {error}") from error
            clock.sleep(_LOOK_EVERY)

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, soft_wrap=True)

    def _say(self, text: str, style: str | None = None) -> None:
        self._line(f"   {text}", style)
