"""Chaos: the faults, drawn from a seeded deck, one after the other, each with a note of what it touched.

May be in here: what is done to whom. May not: when the run ends, what the faults did to the jobs (account.py).

    kill worker      SIGKILL of a worker process, one that holds jobs where there is one
    kill supervisor  SIGKILL of a supervisor: its workers die with it, another one is started
    freeze           SIGSTOP of a supervisor, or of it and all its workers, until its leases have ended; then SIGCONT
    drain            SIGTERM of a supervisor, as in a deploy; another one is started
    cut              CLIENT KILL of all connections of one of our own processes
    restart server   SIGKILL of the embedded server; it is started again with its append-only file

Who is to be killed is stopped first and asked what it holds: a stopped process changes nothing any more.
"""

import random
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
from redis import RedisError

from resque import clock
from resque.dev.server import Server
from resque.dev.torture import connections, crew
from resque.dev.torture.account import SUPERVISOR, WORKER, Fault
from resque.dev.torture.crew import Crew
from resque.dev.torture.space import Space

FREEZE, DRAIN, CUT, SERVER = "freeze", "drain", "cut", "restart server"
_DECK = (WORKER, WORKER, SUPERVISOR, FREEZE, DRAIN, CUT, CUT)
_FAIR_GAME = 1.0
_EXIT = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who there is to be hurt, and how long it takes."""

    crew: Crew
    space: Space
    server: Server | None
    """The embedded one; a server of somebody's own is never touched."""
    can_cut: bool
    lease: float
    drain: float
    pause: Callable[[float], None]
    """Waits; less long when somebody wants to end it all. What has begun is always undone, and noted."""


class Chaos:
    """Strikes when it is told to."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene = scene
        self._order = random.Random(seed)
        self._chance = random.Random(seed)  # for who is hit: how often that is drawn depends on what goes on
        self._strikes: dict[str, Callable[[], Fault | None]] = {
            WORKER: self._kill_worker,
            SUPERVISOR: self._kill_supervisor,
            FREEZE: self._freeze,
            DRAIN: self._drain,
            CUT: self._cut,
            SERVER: self._restart_server,
        }
        self._deck = [WORKER]
        self.faults: list[Fault] = []

    def strike(self) -> Fault | None:
        """One fault; None when it found nobody. The first is a killed worker, then each kind comes round."""
        if not self._deck:
            deck = [kind for kind in _DECK if kind != CUT or self._scene.can_cut]
            self._deck = [*deck, *([SERVER] * 2 if self._scene.server is not None else [])]
            self._order.shuffle(self._deck)
        fault = self._strikes[self._deck.pop(0)]()
        if fault is not None:
            self.faults.append(fault)
        return fault

    def next_in(self, every: float) -> float:
        """Seconds until the next strike: `every` on average."""
        return self._order.uniform(0.5, 1.5) * every

    def _kill_worker(self) -> Fault | None:
        """For a second it looks for one that holds something; then anyone will do."""
        end = clock.monotonic() + _FAIR_GAME
        while victim := self._any_worker():
            held = self._freeze_and_ask([victim])
            try:
                if held or clock.monotonic() > end:
                    began = clock.monotonic()
                    crew.kill([victim])
                    what = f"killed worker process {victim.pid}, which held {_jobs(len(held))}"
                    return _fault(WORKER, what, began, {victim.pid}, held)
            finally:
                crew.thaw([victim])
            clock.sleep(0.005)
        return None

    def _kill_supervisor(self) -> Fault | None:
        """For a second it waits until they hold something."""
        number = self._any_supervisor()
        family = self._scene.crew.family(number)
        if not family:
            return None
        end = clock.monotonic() + _FAIR_GAME
        try:
            while not (held := self._freeze_and_ask(family)) and clock.monotonic() < end:
                crew.thaw(family)
                clock.sleep(0.005)
                family = self._scene.crew.family(number) or family
            pids = {process.pid for process in family}
            began = clock.monotonic()
            family[0].kill()
            crew.await_end(family)
            what = f"killed supervisor {family[0].pid} with all its processes, which held {_jobs(len(held))}"
            return _fault(SUPERVISOR, what, began, pids, held)
        finally:
            crew.kill(family)  # where children do not die with their parent, and whatever went wrong
            self._scene.crew.supervisors[number].wait()
            self._scene.crew.restart(number)

    def _freeze(self) -> Fault | None:
        """Longer than its leases last and others watch them (0.4 of it, looking four times a lease)."""
        number = self._any_supervisor()
        family = self._scene.crew.family(number)
        if not family:
            return None
        alone = self._chance.random() < 0.5
        seconds = self._scene.lease * 2
        began = clock.monotonic()
        frozen = family[:1] if alone else family
        try:
            crew.freeze(frozen)
            self._scene.pause(seconds)
        finally:
            crew.thaw(frozen)
        whom = f"supervisor {family[0].pid}" + ("" if alone else " and all its processes")
        return _fault(FREEZE, f"froze {whom} for {seconds:.1f} s", began, {process.pid for process in family})

    def _drain(self) -> Fault | None:
        number = self._any_supervisor()
        family = self._scene.crew.family(number)
        if not family:
            return None
        process = self._scene.crew.supervisors[number]
        began = clock.monotonic()
        try:
            process.send_signal(signal.SIGTERM)
            while process.poll() is None and clock.monotonic() < began + self._scene.drain + _EXIT:
                clock.sleep(0.02)
            took = clock.monotonic() - began
            is_late = process.poll() is None
            how = f"did not end within {took:.1f} s of its TERM" if is_late else f"ended {took:.1f} s after its TERM"
            what = f"supervisor {process.pid} {how}; another one took its place"
            return _fault(DRAIN, what, began, {each.pid for each in family})
        finally:
            crew.kill(family)
            process.wait()
            self._scene.crew.restart(number)

    def _cut(self) -> Fault | None:
        pids = [process.pid for number in self._numbers() for process in self._scene.crew.family(number)]
        pids += self._scene.crew.producer_pids()
        self._chance.shuffle(pids)
        began = clock.monotonic()
        with suppress(RedisError):
            for pid in pids:
                if killed := connections.cut(self._scene.space.redis, [pid]):
                    return _fault(CUT, f"cut {_count(killed, 'connection')} of process {pid}", began, {pid})
        return None

    def _restart_server(self) -> Fault | None:
        server = self._scene.server
        assert server is not None
        began = clock.monotonic()
        try:
            server.kill()
            self._scene.pause(self._chance.uniform(0.1, 0.8))
        finally:
            server.start()
        took = clock.monotonic() - began
        return _fault(SERVER, f"killed the server; it answered again after {took:.1f} s", began, None)

    # who ---------------------------------------------------------------------------------------------------------

    def _numbers(self) -> range:
        return range(len(self._scene.crew.supervisors))

    def _any_supervisor(self) -> int:
        return self._chance.choice(self._numbers())

    def _any_worker(self) -> psutil.Process | None:
        """One of our own that is registered in Redis: the registry alone might name a stranger."""
        try:
            registered = self._scene.space.worker_pids()
        except RedisError:
            return None
        ours = [each for number in self._numbers() for each in self._scene.crew.family(number)[1:]]
        workers = [each for each in ours if each.pid in registered and not crew.is_gone(each)]
        return self._chance.choice(workers) if workers else None

    def _freeze_and_ask(self, processes: Sequence[psutil.Process]) -> tuple[str, ...]:
        """Stop them; the jobs that they have in flight."""
        crew.freeze(processes)
        try:
            return self._scene.space.held({process.pid for process in processes})
        except RedisError:
            return ()


def _fault(kind: str, what: str, began: float, pids: Collection[int] | None, held: tuple[str, ...] = ()) -> Fault:
    touched = None if pids is None else frozenset(pids)
    return Fault(kind=kind, what=what, began=began, ended=clock.monotonic(), pids=touched, held=held)


def _jobs(number: int) -> str:
    return _count(number, "job")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
