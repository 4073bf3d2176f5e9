"""Every named crash point, every fault that can meet it: nothing is lost, and nothing counts twice.

By default a seeded sample (RESQUE_TEST_SEED chooses another one), with RESQUE_TORTURE=1 every combination.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from resque.dev.server import Server
from resque.store.scripts import Dialect, Script, names
from tests.fault_proxy import drop_reply
from tests.leftovers import Spawner, is_gone
from tests.processes import crash_points
from tests.processes.crash_points import Case, Hold, HoldingProxy, HoldInProcess, until_reached
from tests.processes.harness import TORTURE, Look, Team, look, wait_for
from tests.processes.jobs import Patient, Spread, Stand, Trace

LEASE = 1.0
STOPPED = LEASE * 1.6
"""Longer than the lease and the time for which its end is watched."""
BATCH = 10
SETTINGS = {"processes": 1, "lease": LEASE, "drain": 4, "socket_timeout": 6, "poll": 0.2}


class Trial:
    """One case: a team behind a proxy that is led to the point, the account of all jobs, and the fault."""

    def __init__(self, case: Case, spawn: Spawner, server: Server, folder: Path, redis: Any, dialect: Dialect) -> None:
        self.point, self.fault = case.point, case.fault
        self.redis, self.server, self.dialect = redis, server, dialect
        self._spawn, self._folder = spawn, folder
        self.proxy = HoldingProxy("127.0.0.1", server.port)
        self.accepted: list[str] = []
        self.expected_failures: set[str] = set()
        self.may_fail: set[str] = set()
        self.overlapped: set[str] = set()
        """Jobs that were in flight during a fault: they alone may run twice."""
        self.in_line: list[str] = []
        """Those that waited when processes were killed: nobody may overtake them."""
        self.fault_ends = 0.0
        """Until then a look is one during the fault."""
        self.others: Team | None = None
        for name in names():  # else the first call of a script would carry its text instead of its digest
            redis.script_load(Script(name).text(dialect))

    # jobs -----------------------------------------------------------------------------------------------------------

    def push(self, *calls: Any) -> list[str]:
        """Enqueue past the proxy."""
        ids = [handle.id for handle in self.team.app.enqueue_many(*calls)]
        self.accepted += ids
        return ids

    def push_mixed(self, count: int) -> None:
        """Short ones, some slow ones among them (so that others are released), some that raise."""
        ids = self.push(*(Trace.call(n, 0.15 if n % 20 == 12 else 0.002, n % 10 == 5) for n in range(count)))
        self.expected_failures |= set(ids[5::10])

    def look(self) -> Look:
        """Where everything is now. At every moment each push is in exactly one place, and every list has a lease."""
        found = look(self.redis)
        if time.monotonic() < self.fault_ends:
            self.overlapped |= set(found.held)
        spread = found.total - len(self.accepted)
        may_spread = self.point.scene == "spread" and spread >= 0 and spread % BATCH == 0
        assert spread == 0 or may_spread, f"lost or doubled: {found}"
        assert not found.unleased
        return found

    def overlap(self) -> Look:
        """A look during a fault."""
        found = self.look()
        self.overlapped |= set(found.held)
        return found

    # the way to the point -------------------------------------------------------------------------------------------

    def lead_there(self) -> Hold:
        """Play the scene until somebody stands at the point."""
        stand = self._folder / "stand"
        stand.mkdir()
        environment = {"RESQUE_REDIS_URL": self.proxy.url}
        if self.point.place == "event":
            environment["TEST_STAND_AT"] = self.point.at
        self.hold: Hold = HoldInProcess(stand)
        is_birth = self.point.scene == "birth"
        if is_birth:
            self._arm()
        more = {"drain": 0.3} if self.point.scene == "overrun" else {}
        self.team = self._team(url=self.proxy.url, environment=environment, is_awaited=not is_birth, **more)
        getattr(self, f"scene_{self.point.scene}")()
        until_reached(self.hold)
        return self.hold

    def scene_work(self) -> None:
        self._arm()
        self.push_mixed(100)

    def scene_spread(self) -> None:
        self._arm()
        _, spread, *_ = self.push(
            Trace.call(0), Spread.call(list(range(100, 100 + BATCH))), *(Trace.call(n) for n in range(1, 20))
        )
        self.may_fail = {spread}

    def scene_stand(self) -> None:
        calls = [Trace.call(n, 0.002) for n in range(60)]
        self.push(*calls[:30], Stand.call(self.point.at == "end"), *calls[30:])

    def scene_idle(self) -> None:
        hold = self._arm()
        self.push(Trace.call(0))
        wait_for(hold.seen.is_set, what="the next wait begins")
        self.push(*(Trace.call(n, 0.002) for n in range(1, 30)))

    def scene_doubt(self) -> None:
        lost = self.proxy.on(Script("reserve").sha(self.dialect).encode(), drop_reply(), after=3)
        self._arm()
        self.push_mixed(100)
        assert lost.wait()

    def scene_long(self) -> None:
        self.hold_the_door()
        self._arm()

    def scene_death(self) -> None:
        self.hold_the_door()
        self._arm()
        (victim,) = self.team.worker_pids()
        self.freeze([victim])
        self.overlap()
        self.kill([victim])

    def scene_birth(self) -> None:
        self.push_mixed(40)

    def scene_end(self) -> None:
        self._arm()
        self.push(*(Trace.call(n, 0.005) for n in range(200)))
        wait_for(lambda: self.look().processed > 10, what="work has begun")
        self.team.supervisor.send_signal(signal.SIGTERM)

    def scene_overrun(self) -> None:
        self.overlapped.add(self.hold_the_door())  # when its time is over it is released as it runs, and runs again
        self._arm()
        self.team.supervisor.send_signal(signal.SIGTERM)

    def hold_the_door(self) -> str:
        """One job runs until the end of the fault; what was reserved with it has gone back. Returns its id."""
        *_, patient = self.push(*(Trace.call(n) for n in range(10)), Patient.call())
        self.push(*(Trace.call(n) for n in range(10, 30)))
        wait_for(lambda: self.look().held == [patient] and self.look().waiting, what="it runs alone")
        wait_for(lambda: patient.encode() in self.redis.lrange("begun", 0, -1), what="it has begun")
        return patient

    def _arm(self) -> Any:
        if self.point.is_in_the_conversation:
            pattern = self.point.pattern(self.dialect)
            self.hold = self.proxy.hold(pattern, self.point.place, self.point.after)
        return self.hold

    def _team(self, **more: Any) -> Team:
        environment = {"TEST_STAND": str(self._folder / "stand")} | more.pop("environment", {})
        return Team(self._spawn, self.server, self._folder, self.redis, environment=environment, **SETTINGS | more)

    # the fault ------------------------------------------------------------------------------------------------------

    def strike(self) -> None:
        """Do what the case says, see that it hit, and let go whoever still stands at the point."""
        verb = {"kill": self._kill, "stop": self._stop, "exit": self._exit}[self.fault.verb]
        verb()
        self.redis.set("door", "open")

    def _kill(self) -> None:
        everyone = self.pids("supervisor", "scheduler", "worker")
        victims = self.pids(*self.fault.whom)
        assert len(victims) == len(self.fault.whom)
        self.freeze(everyone)
        found = self.overlap()
        if self.point.place != "late":  # a late reserve takes some out of the line: they are recovered, and come first
            self.in_line = found.waiting
        self.kill(victims)
        if "supervisor" in self.fault.whom:
            for pid in everyone:
                wait_for(lambda pid=pid: is_gone(pid), 10, "all die with their supervisor")
        self.thaw(everyone)
        if self.point.place == "late":
            crash_points.pause(LEASE / 4)  # somebody may have recovered already what this request is about
        self.hold.let_go()

    def _stop(self) -> None:
        victims = self.pids(*self.fault.whom)
        assert len(victims) == len(self.fault.whom)
        self.freeze(victims)
        began = time.monotonic()
        self.others = self._team()  # meanwhile others work, and take over what they can
        while time.monotonic() < began + STOPPED:
            self.overlap()
            crash_points.pause(0.02)
        assert all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in victims)
        self.fault_ends = time.monotonic() + LEASE  # until then a supervisor that woke up may still be without leases
        self.hold.let_go()
        self.thaw(victims)

    def _exit(self) -> None:
        assert isinstance(self.hold, HoldInProcess)
        pid, everyone = self.hold.pid(), self.pids("supervisor", "scheduler", "worker")
        self.freeze(everyone)
        self.overlap()
        self.hold.let_go(f"exit {self.fault.code}")
        self.thaw([pid])
        wait_for(lambda: is_gone(pid), 10, "it has ended itself")
        self.thaw(everyone)

    def pids(self, *roles: str) -> list[int]:
        found = []
        for role in roles:
            if role == "supervisor":
                found.append(self.team.supervisor.pid)
            elif role == "worker":
                found += self.team.worker_pids()
            else:
                found.append(self.team.scheduler_pid())
        return found

    def freeze(self, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            wait_for(lambda pid=pid: psutil.Process(pid).status() == psutil.STATUS_STOPPED, 5, f"{pid} stopped")

    def thaw(self, pids: list[int]) -> None:
        for pid in pids:
            if not is_gone(pid):
                os.kill(pid, signal.SIGCONT)

    def kill(self, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait_for(lambda pid=pid: is_gone(pid), 5, f"process {pid} gone")

    # afterwards -----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Whoever lives goes on; where nobody does, a fresh team. Everything is drained, and new jobs run."""
        if self.point.scene in ("end", "overrun"):
            assert self.team.supervisor.wait(25) is not None
        if self.others is None and self.team.supervisor.poll() is not None:
            self.others = self._team()
        self._drain()
        self.push(*(Trace.call(n) for n in range(1000, 1003)))
        self._drain()

    def _drain(self) -> None:
        def is_drained() -> bool:
            found = self.look()
            return not found.waiting and not found.held

        wait_for(is_drained, 40, "everything is done")

    def check(self) -> None:
        """The invariants of the protocol, on what has run."""
        begun = Counter(id.decode() for id in self.redis.lrange("begun", 0, -1))
        ended = {id.decode() for id in self.redis.lrange("ended", 0, -1)}
        failed = [record["id"] for record in self.team.failed()]
        pushed = set(self.accepted)
        assert pushed <= ended | self.may_fail, f"lost: {pushed - ended}"
        assert self.look().processed == len(pushed | set(begun)), "each push is counted once"
        assert len(failed) == len(set(failed)), "a failure is recorded once"
        assert self.expected_failures <= set(failed) <= self.expected_failures | self.may_fail
        twice = {id for id, times in begun.items() if times > 1}
        assert twice <= self.overlapped, "only what overlapped the fault may run twice"
        waited = set(self.in_line)
        assert [id for id in begun if id in waited] == self.in_line, "nobody overtakes"

    def close(self) -> None:
        self.hold.let_go()
        self.proxy.stop()


@pytest.fixture
def trial(
    request: pytest.FixtureRequest, spawn: Spawner, server: Server, tmp_path: Path, redis: Any, leg: str
) -> Iterator[Trial]:
    trial = Trial(request.param, spawn, server, tmp_path, redis, "legacy" if leg == "redis62" else "modern")
    trial.proxy.start()
    yield trial
    trial.close()


@pytest.mark.parametrize("trial", crash_points.every() if TORTURE else crash_points.sample(), indirect=True, ids=str)
def test_a_crash_point(trial: Trial) -> None:
    """Somebody stands at the point, the fault strikes, others carry on."""
    trial.lead_there()
    trial.strike()
    trial.recover()
    trial.check()
