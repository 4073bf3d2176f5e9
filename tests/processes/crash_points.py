"""Crash points: the moments at which a process may be hit, how it is made to stand there, and what may hit it.

May be in here: points, the places where they lie, faults, which of them meet. May not: what must hold afterwards
(test_crash_points.py).

A point lies in one of five places. The first three are in the conversation with Redis, seen from a proxy:

    unsent      a request is held on its way, and lost after the fault
    late        the same, but it arrives after the fault: what a dead worker has sent is executed all the same
    unanswered  it was executed, its reply is held, and delivered after the fault to whoever still lives
    event       a process has just emitted an event of resque.events: its subscriber, the test's own, does not return
    job         a job stands still

So the product has no hooks for tests. Whoever stands at a point stands there until the fault has struck.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resque.store.scripts import Dialect, Script, names
from tests.fault_proxy import Action, FaultProxy, Trigger, call, drop_request
from tests.processes.harness import wait_for

LONGEST = 60.0
"""Nobody stands still for longer, whatever happens to the test."""
SAMPLE, SEED = 10, int(os.environ.get("RESQUE_TEST_SEED", "7"))

COMMANDS = {
    "push": b"LPUSH\r\n$17\r\nresque:queue:work\r",
    "wait": b"\nBLMOVE\r",
    "register": b"SADD\r\n$14\r\nresque:workers\r",
    "leave": b"SREM\r\n$14\r\nresque:workers\r",
    "reread": b"\nLRANGE\r",
}
"""What is no script, as it stands in a request."""


@dataclass(frozen=True)
class Point:
    """`who` stands there; `scene` leads there; `at`: a script, one of COMMANDS, an event, or where in the job."""

    who: str
    scene: str
    place: str
    at: str
    after: int = 0
    """So many requests of the kind pass before."""

    def __str__(self) -> str:
        return f"{self.at}-{self.place}" if self.who != "scheduler" else f"recovery-{self.at}-{self.place}"

    @property
    def is_in_the_conversation(self) -> bool:
        return self.place in ("unsent", "late", "unanswered")

    def pattern(self, dialect: Dialect) -> bytes:
        """Some bytes of its request."""
        return Script(self.at).sha(dialect).encode() if self.at in names() else COMMANDS[self.at]


def _in_turn(who: str, scene: str, at: str, after: int = 0) -> list[Point]:
    return [Point(who, scene, place, at, after) for place in ("unsent", "late", "unanswered")]


POINTS = [
    *_in_turn("worker", "spread", "push"),
    Point("worker", "spread", "event", "job.enqueued"),
    *_in_turn("worker", "work", "reserve", after=3),
    *_in_turn("worker", "idle", "wait"),
    Point("worker", "stand", "job", "start"),
    Point("worker", "stand", "job", "end"),
    *_in_turn("worker", "work", "finish", after=2),
    Point("worker", "work", "event", "job.finished"),
    *_in_turn("worker", "work", "fail"),
    Point("worker", "work", "event", "job.failed"),
    *_in_turn("worker", "work", "release"),
    Point("worker", "work", "event", "job.released"),
    *_in_turn("worker", "doubt", "reread"),
    Point("worker", "doubt", "event", "worker.rereading"),
    *_in_turn("scheduler", "death", "adopt"),
    *_in_turn("scheduler", "death", "release"),
    Point("scheduler", "death", "event", "job.recovered"),
    *_in_turn("supervisor", "long", "renew", after=1),
    Point("supervisor", "death", "event", "worker.died"),
    *_in_turn("worker", "birth", "register"),
    Point("worker", "birth", "event", "worker.started"),
    Point("supervisor", "end", "event", "supervisor.stopping"),
    Point("worker", "end", "event", "worker.draining"),
    Point("worker", "overrun", "unsent", "release"),
    Point("worker", "overrun", "unanswered", "release"),
    *_in_turn("worker", "end", "leave"),
    Point("worker", "end", "event", "worker.stopped"),
]


@dataclass(frozen=True)
class Fault:
    """What is done, and to which processes. `exit`: whoever stands there ends itself with this code."""

    verb: str
    whom: tuple[str, ...] = ()
    code: int = 0

    def __str__(self) -> str:
        return f"{self.verb}_{self.code}" if self.verb == "exit" else "_".join([self.verb, *self.whom])


@dataclass(frozen=True)
class Case:
    """One point, one fault."""

    point: Point
    fault: Fault

    def __str__(self) -> str:
        scene = "overrun-" if self.point.scene == "overrun" else ""
        return f"{scene}{self.point}-{self.fault}"


def every() -> list[Case]:
    """All combinations that make sense."""
    return [Case(point, fault) for point in POINTS for fault in _faults(point)]


def sample() -> list[Case]:
    """Some of them, each kind of fault about equally often, no point twice."""
    chance, chosen = random.Random(SEED), dict[str, Case]()
    cases = every()
    chance.shuffle(cases)
    kinds = sorted({(case.fault.verb, case.fault.whom) for case in cases})
    while len(chosen) < SAMPLE:
        kind = kinds[len(chosen) % len(kinds)]
        new = (c for c in cases if (c.fault.verb, c.fault.whom) == kind and str(c.point) not in chosen)
        case = next(new)
        chosen[str(case.point)] = case
    return list(chosen.values())


def _faults(point: Point) -> Iterator[Fault]:
    child = "scheduler" if point.who == "scheduler" else "worker"
    yield Fault("kill", ("supervisor",))
    yield Fault("stop", ("supervisor",))
    if point.at != "worker.died":  # there is no worker just then
        yield Fault("kill", (child,))
        yield Fault("kill", (child, "supervisor"))
        yield Fault("stop", (child,))
    if point.place == "job":
        yield from (Fault("exit", code=code) for code in (0, 1, 4))
    elif point.place == "event":
        yield Fault("exit", code=1)


class Hold:
    """Keeps somebody at a point. `reached()` asks, `let_go()` ends it."""

    def reached(self) -> bool:
        """Whether somebody stands there now, or has stood there."""
        raise NotImplementedError

    def let_go(self, order: str = "go") -> None:
        """The fault has struck."""
        raise NotImplementedError


class HoldInProcess(Hold):
    """At an event, or in a job: see launch.stand_still."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reached(self) -> bool:
        return self.pid() > 0

    def pid(self) -> int:
        """Who stands there; 0: nobody."""
        here = self._folder / "here"
        text = here.read_text() if here.exists() else ""
        return int(text) if text.endswith("\n") else 0

    def let_go(self, order: str = "go") -> None:
        draft = self._folder / "draft"
        draft.write_text(order)
        draft.rename(self._folder / "order")


class HoldInConversation(Hold):
    """The first request with `pattern`, after some, or its reply."""

    def __init__(self, pattern: bytes, place: str, after: int) -> None:
        self.pattern, self.place, self.after = pattern, place, after
        self.seen = threading.Event()
        """The request was seen: it is held itself, or its reply will be."""
        self._reached = threading.Event()
        self._go = threading.Event()

    def takes(self, request: bytes) -> bool:
        """Whether this request is the one; counts it."""
        if self.seen.is_set() or self.pattern not in request:
            return False
        self.after -= 1
        return self.after < 0

    def stand(self) -> None:
        """In a thread of the proxy: returns when the test lets it go."""
        self._reached.set()
        self._go.wait(LONGEST)

    def reached(self) -> bool:
        return self._reached.is_set()

    def let_go(self, order: str = "go") -> None:
        self._go.set()


class HoldingProxy(FaultProxy):
    """A fault proxy that can hold one request, or its reply, until it is told to go on."""

    _held: HoldInConversation | None = None

    def hold(self, pattern: bytes, place: str, after: int) -> HoldInConversation:
        """Hold the next such request (`unsent`, `late`), or its reply (`unanswered`)."""
        self._held = hold = HoldInConversation(pattern, place, after)
        return hold

    def action_for(self, request: bytes, commands: int) -> tuple[Action, Trigger | None]:
        held = self._held
        with self._lock:
            is_the_one = held is not None and held.takes(request)
            if held is None or not is_the_one:
                held = None
            else:
                held.seen.set()
        if held is not None and held.place == "unanswered":
            return call(held.stand), None
        if held is not None:
            held.stand()
            if held.place == "unsent":
                return drop_request(), None
        return super().action_for(request, commands)


def until_reached(hold: Hold, seconds: float = 30.0) -> None:
    """A point that nobody reaches is an error: then nothing was tested."""
    wait_for(hold.reached, seconds, "the crash point is reached")


def pause(seconds: float) -> None:
    """Let time pass at a point: the fault is that it does."""
    time.sleep(seconds)
