"""Why a child died: wait statuses in words, and what the kernel's counters say of memory (privileges.py)."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from resque import clock
from resque.jobs.limits import Limits
from resque.worker import privileges
from resque.worker.privileges import OomCounter, why_died
from tests.worker.forked import forked

M = 1024**2
MOUNT = "36 25 0:31 {root} {point} rw,nosuid shared:9 - {kind} none rw{more}\n"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exit code 0"),
        (3 << 8, "exit code 3"),
        (signal.SIGKILL, "signal 9 (SIGKILL)"),
        (signal.SIGSEGV, "signal 11 (SIGSEGV)"),
        (signal.SIGSEGV | 0x80, "signal 11 (SIGSEGV)"),  # with a core file
        (signal.SIGXCPU, "signal 24 (SIGXCPU)"),
        (50, "signal 50 (without a name)"),
    ],
)
def test_a_status_in_words(status: int, text: str) -> None:
    assert why_died(status) == text
    assert why_died(status, is_oom=False, limits=Limits()) == text


def test_memory_is_blamed_for_a_kill_alone() -> None:
    assert why_died(signal.SIGKILL, is_oom=True) == "signal 9 (SIGKILL), likely out of memory"
    assert why_died(signal.SIGSEGV, is_oom=True) == "signal 11 (SIGSEGV)"
    assert why_died(256, is_oom=True) == "exit code 1"


def test_the_limit_of_processor_time_is_named() -> None:
    text = "signal 24 (SIGXCPU), it has used its 60 s of cpu"
    assert why_died(signal.SIGXCPU, limits=Limits(cpu="1m")) == text


class Machine:
    """A /proc/self and a cgroup tree, made of files."""

    def __init__(self, top: Path) -> None:
        self.proc, self.tree = top / "proc", top / "sys fs"
        self.proc.mkdir()

    def live_in(self, cgroup: str, *, kind: str, root: str = "/", more: str = "") -> None:
        (self.proc / "cgroup").write_text(cgroup)
        point = str(self.tree).replace(" ", "\\040")
        self.proc.joinpath("mountinfo").write_text(
            "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + MOUNT.format(root=root, point=point, kind=kind, more=more)
        )

    def count(self, file: str, kills: int) -> None:
        place = self.tree / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"low 0\nhigh 0\nmax 9\noom 7\noom_kill {kills}\noom_group_kill 5\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: time[0])
    return time


V2 = "0::/system.slice/shop.service\n"
V1 = "9:name=systemd:/x\n4:cpuset,memory:/docker/abc\n0::/\n"


@pytest.mark.parametrize(
    ("cgroup", "kind", "root", "file"),
    [
        (V2, "cgroup2", "/", "system.slice/shop.service/memory.events"),
        (V2, "cgroup2", "/system.slice/shop.service", "memory.events"),
        (V2, "cgroup2", "/", "system.slice/memory.events"),  # the controller is off further down
        ("0::/\n", "cgroup2", "/", "memory.events"),  # in a container
        (V1, "cgroup", "/", "docker/abc/memory.oom_control"),
        (V1, "cgroup", "/docker/abc", "memory.oom_control"),
    ],
    ids=["v2", "v2 mounted part", "v2 above", "v2 namespace", "v1", "v1 mounted part"],
)
def test_finds_the_counter_of_its_own_cgroup(machine: Machine, cgroup: str, kind: str, root: str, file: str) -> None:
    machine.live_in(cgroup, kind=kind, root=root, more=",memory" if kind == "cgroup" else "")
    machine.count(file, 2)
    counter = OomCounter(machine.proc)
    assert counter.claim() is False
    machine.count(file, 3)
    assert counter.claim() is True
    assert counter.claim() is False


@pytest.mark.parametrize(
    ("cgroup", "kind", "root", "more"),
    [
        (V2, "cgroup2", "/user.slice", ""),
        ("0::/../other\n", "cgroup2", "/", ""),
        (V1, "cgroup", "/docker/ab", ",memory"),
        (V1, "cgroup", "/", ",cpu"),
        (V1, "cgroup2", "/", ""),
        ("", "cgroup2", "/", ""),
        ("rubbish\n\n:\n", "cgroup2", "/", ""),
    ],
    ids=["another part", "outside", "alike", "another controller", "v1 without its mount", "none", "rubbish"],
)
def test_never_guesses(machine: Machine, cgroup: str, kind: str, root: str, more: str) -> None:
    machine.live_in(cgroup, kind=kind, root=root, more=more)
    for file in ("memory.events", "memory.oom_control", "docker/abc/memory.events"):
        machine.count(file, 1)
    counter = OomCounter(machine.proc)
    assert counter.claim() is None
    counter.look()


def test_no_proc_at_all(tmp_path: Path) -> None:
    assert OomCounter(tmp_path).claim() is None


def test_a_kernel_that_does_not_count(machine: Machine) -> None:
    machine.live_in(V1, kind="cgroup", more=",memory")
    machine.count("docker/abc/memory.oom_control", 1)
    (machine.tree / "docker/abc/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    assert OomCounter(machine.proc).claim() is None


def test_a_counter_that_goes_away_is_no_trouble(machine: Machine) -> None:
    machine.live_in("0::/\n", kind="cgroup2")
    machine.count("memory.events", 1)
    counter = OomCounter(machine.proc)
    (machine.tree / "memory.events").unlink()
    assert counter.claim() is None
    machine.count("memory.events", 9)
    assert counter.claim() is False  # what happened in between is not known


def test_each_kill_is_claimed_once_and_only_while_it_is_fresh(machine: Machine, now: list[float]) -> None:
    machine.live_in("0::/\n", kind="cgroup2")
    machine.count("memory.events", 0)
    counter = OomCounter(machine.proc)
    machine.count("memory.events", 2)
    counter.look()
    now[0] += 9
    assert [counter.claim() for _ in range(3)] == [True, True, False]
    machine.count("memory.events", 3)
    counter.look()
    now[0] += 11  # a program of a job, which nobody reports
    assert counter.claim() is False


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has cgroups")
def test_a_real_kill_is_counted() -> None:
    """A process that takes more than its cgroup has, where we may make a cgroup."""
    file = privileges._counter_file(Path("/proc/self"))
    if file is None or os.geteuid() != 0:
        pytest.skip("no memory cgroup, or not root")
    group = file.parent / f"resque-test-{os.getpid()}"
    limit = group / ("memory.max" if file.name == "memory.events" else "memory.limit_in_bytes")
    try:
        group.mkdir()
        limit.write_text(str(48 * M))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no cgroup of our own: {error}")

    def life() -> str:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        counter = OomCounter()
        before = counter.claim()
        hog = os.fork()
        if hog == 0:
            Path("/proc/self/oom_score_adj").write_text("1000")
            held = [bytearray(b"x" * M) for _ in range(300)]
            os._exit(len(held) % 100)
        status = os.waitpid(hog, 0)[1]
        return f"{before} {why_died(status, is_oom=counter.claim())} {counter.claim()}"

    try:
        assert forked(life).said == "False signal 9 (SIGKILL), likely out of memory False"
    finally:
        group.rmdir()
