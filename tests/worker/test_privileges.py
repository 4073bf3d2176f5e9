"""Limits that a job tries to break, rights that it tries to get back: each in a forked child, all of it bounded."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from resque import config
from resque.errors import ConfigError
from resque.jobs.limits import Limits
from resque.worker import privileges
from resque.worker.privileges import apply_limits, become, die_with_parent, is_root, no_new_privileges
from tests.worker.forked import forked

M = 1024**2
PR_GET_PDEATHSIG = 2

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def mapped() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def plain_user() -> None:
    if is_root():
        become("nobody")


# limits ---------------------------------------------------------------------------------------------------------


def hog() -> str:
    held = []
    for _ in range(64):  # 4 GB of address space that is never touched
        held.append(bytes(64 * M))
    return f"took {len(held)}"


@linux
def test_memory() -> None:
    def life() -> str:
        apply_limits(Limits(memory=mapped() + 256 * M))
        return hog()

    assert forked(life).said.startswith("MemoryError")
    assert forked(hog).said == "took 64"


@linux
def test_memory_below_what_is_mapped_already_is_refused_before_anything_is_limited() -> None:
    def life() -> str:
        with pytest.raises(ConfigError, match=r"limit memory: 16M is less than the \d+M of address space"):
            apply_limits(Limits(memory="16M", files=8))
        return hog() + str(resource.getrlimit(resource.RLIMIT_NOFILE) == before)

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert forked(life).said == "took 64True"


def spin() -> str:
    end = time.monotonic() + 6
    while time.monotonic() < end:
        pass
    return "never stopped"


def test_cpu() -> None:
    def life() -> str:
        apply_limits(Limits(cpu="1s"))
        return spin()

    fate = forked(life)
    assert (fate.said, fate.signal) == ("", signal.SIGXCPU)
    assert privileges.why_died(fate.status, limits=Limits(cpu=1)) == "signal 24 (SIGXCPU), it has used its 1 s of cpu"


def test_cpu_of_a_job_that_ignores_the_warning() -> None:
    def life() -> str:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        apply_limits(Limits(cpu="1s"))
        return spin()

    fate = forked(life)
    assert (fate.said, fate.signal) == ("", signal.SIGKILL)


def test_waiting_is_no_cpu_time() -> None:
    def life() -> str:
        apply_limits(Limits(cpu="1s"))
        time.sleep(1.1)
        return "rested"

    assert forked(life).said == "rested"


def test_files() -> None:
    def life() -> str:
        apply_limits(Limits(files=64))
        taken = []
        with suppress(OSError):
            for _ in range(500):
                taken.append(os.open("/dev/null", os.O_RDONLY))
        return str(max(taken))

    assert forked(life).said == "63"


def test_file_size(tmp_path: Path) -> None:
    file = tmp_path / "big"

    def life() -> None:
        apply_limits(Limits(file_size="1M"))
        with file.open("wb", buffering=0) as big:
            for _ in range(100):
                big.write(b"x" * 100_000)

    assert forked(life).said.startswith(f"OSError: [Errno {errno.EFBIG}]")
    assert file.stat().st_size == M


def test_a_program_that_a_job_starts_has_the_limits_too(tmp_path: Path) -> None:
    def life() -> str:
        apply_limits(Limits(file_size="4K"))
        program = ["dd", "if=/dev/zero", f"of={tmp_path}/big", "bs=4096", "count=9"]
        return str(subprocess.run(program, capture_output=True, check=False, timeout=5).returncode != 0)

    assert forked(life).said == "True"
    assert (tmp_path / "big").stat().st_size == 4096


def fork_many(*steps: Callable[[], None]) -> str:
    """After these steps. At most 50 processes, which do nothing and are gone when this ends."""
    for step in steps:
        step()
    children = []
    try:
        for _ in range(50):
            pid = os.fork()
            if pid == 0:
                signal.alarm(8)
                signal.pause()
            children.append(pid)
    except OSError as error:
        return f"{errno.errorcode[error.errno or 0]} after {len(children)}"
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return f"forked {len(children)}"


@linux
def test_processes_of_a_plain_user() -> None:
    def life() -> str:
        plain_user()
        apply_limits(Limits(processes=10))
        return fork_many()

    said, number = forked(life).said.rsplit(" ", 1)
    assert said == "EAGAIN after"
    assert int(number) < 10
    assert forked(lambda: fork_many(plain_user)).said == "forked 50"


@linux
@as_root
def test_root_is_exempt_from_the_limit_of_processes() -> None:
    """As documented: a pids cgroup (TasksMax, pids_limit) is what helps there."""
    assert forked(lambda: fork_many(lambda: apply_limits(Limits(processes=1)))).said == "forked 50"


ALL = Limits(memory="8G", cpu="60s", files=64, file_size="1M", processes=1000)
EACH = {
    "RLIMIT_AS": (8 * 1024 * M, 8 * 1024 * M),
    "RLIMIT_CPU": (60, 61),
    "RLIMIT_NOFILE": (64, 64),
    "RLIMIT_FSIZE": (M, M),
    "RLIMIT_NPROC": (1000, 1000),
    "RLIMIT_CORE": (0, 0),
}


@linux
@pytest.mark.parametrize("name", EACH)
def test_no_limit_can_be_raised_again(name: str) -> None:
    which = getattr(resource, name)

    def life() -> str:
        plain_user()
        apply_limits(ALL)
        soft, hard = resource.getrlimit(which)
        try:
            resource.setrlimit(which, (hard + 1, hard + 1))
        except ValueError:
            return f"{soft} {hard}"
        return "raised"

    assert forked(life).said == "{} {}".format(*EACH[name])


def test_no_core_file_even_when_nothing_is_limited() -> None:
    def life() -> str:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        apply_limits(Limits())
        return f"{resource.getrlimit(resource.RLIMIT_CORE)} {before == resource.getrlimit(resource.RLIMIT_NOFILE)}"

    assert forked(life).said == "(0, 0) True"


def test_a_limit_from_outside_is_never_raised_not_even_by_root() -> None:
    def life() -> str:
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 30))
        apply_limits(Limits(files=1000, cpu="25s"))
        first = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CPU)
        apply_limits(Limits(cpu="1h"))
        return f"{first} {resource.getrlimit(resource.RLIMIT_CPU)}"

    assert forked(life).said == "((60, 60), (25, 26)) (26, 26)"


# prctl ----------------------------------------------------------------------------------------------------------


@linux
def test_no_new_privileges() -> None:
    def life() -> str:
        before = "NoNewPrivs:\t0" in Path("/proc/self/status").read_text()
        return f"{before} {no_new_privileges()} {'NoNewPrivs:	1' in Path('/proc/self/status').read_text()}"

    assert forked(life).said.split()[1:] == ["True", "True"]


@linux
def test_dies_with_its_parent() -> None:
    """The grandchild holds the pipe: it closes when the grandchild is dead, not only its parent."""
    lived = time.monotonic()

    def life() -> str:
        parent, (ready, tell) = os.getpid(), os.pipe()
        if os.fork() == 0:
            os.write(tell, b"%d" % die_with_parent(parent))
            signal.pause()
        return os.read(ready, 1).decode()

    assert forked(life).said == "1"
    assert time.monotonic() - lived < 5


def test_a_parent_that_is_gone_already_is_told() -> None:
    def life() -> str:
        ready, tell = os.pipe()
        parent = os.fork()
        if parent == 0:
            me = os.getpid()
            if os.fork() == 0:
                while os.getppid() == me:
                    time.sleep(0.001)
                os.write(tell, b"%d" % die_with_parent(me))
            os._exit(0)
        os.waitpid(parent, 0)
        return os.read(ready, 1).decode()

    assert forked(life).said == "0"


@linux
@as_root
def test_a_change_of_user_makes_the_kernel_forget_the_parent() -> None:
    """Why the order in the room's docstring is what it is."""

    def life(order: list[Callable[[], object]]) -> Callable[[], int]:
        def run() -> int:
            import ctypes

            for step in order:
                step()
            found = ctypes.c_int(-1)
            ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(found), 0, 0, 0)
            return found.value

        return run

    steps: list[Callable[[], object]] = [plain_user, lambda: die_with_parent(os.getppid())]
    assert forked(life(steps)).said == "9"
    assert forked(life(steps[::-1])).said == "0"


# user and group -------------------------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize(
    ("user", "group", "gids"),
    [("nobody", None, None), ("65534", None, None), ("nobody", "daemon", None), ("4242", "4343", [4343])],
    ids=["name", "number", "group", "without a name"],
)
def test_becomes_another_user_for_good(user: str, group: str | None, gids: list[int] | None) -> None:
    def life() -> str:
        os.setgroups([0, 1, 2])
        become(user, group)
        for back in (os.setuid, os.seteuid, os.setgid, os.setegid):
            with pytest.raises(PermissionError):
                back(0)
        with pytest.raises(PermissionError):
            os.setgroups([0])
        if gids is not None:
            assert os.getgroups() == gids
        return f"{os.getuid()} {os.getgid() == 0} {is_root()} {0 in os.getgroups()}"

    assert forked(life).said in ("65534 False False False", "4242 False False False")


@as_root
def test_a_secret_of_root_cannot_be_read_any_more(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    assert forked(secret.read_text).said == "s"

    def life() -> str:
        become("nobody")
        return secret.read_text()

    assert forked(life).said.startswith("PermissionError")


def test_a_plain_user_cannot_become_another() -> None:
    def life() -> None:
        plain_user()
        become("root")

    said = forked(life).said
    assert said.startswith("ConfigError: cannot become user 'root': ")
    assert "start as root, or as 'root' at once and without --user" in said


def test_to_become_who_we_are_is_nothing() -> None:
    def life() -> str:
        plain_user()
        become(str(os.getuid()), str(os.getgid()))
        return "still here"

    assert forked(life).said == "still here"


@pytest.mark.parametrize(
    ("user", "group", "message"),
    [
        ("no-such-user", None, "there is no user 'no-such-user' on this machine; name one that `getent passwd` lists"),
        ("-1", None, "there is no user '-1'"),
        ("", None, "there is no user ''"),
        ("4242424", None, "user 4242424 has no name here, so its group is not known; say --group, too"),
        ("99999999999", None, "say --group, too"),
        ("nobody", "no-such-group", "there is no group 'no-such-group' on this machine"),
    ],
)
def test_unknown_users_and_groups(user: str, group: str | None, message: str) -> None:
    assert message in forked(lambda: become(user, group)).said


@as_root
@pytest.mark.parametrize(("user", "group"), [("99999999999", "1"), ("4294967295", "1"), ("1", "99999999999999999999")])
def test_numbers_that_no_user_can_have(user: str, group: str) -> None:
    assert forked(lambda: become(user, group)).said.startswith("ConfigError: cannot become user")


@as_root
def test_a_change_that_does_not_hold_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "setuid", lambda uid: None)
    assert forked(lambda: become("nobody")).said.startswith("ConfigError: did not become user 'nobody' for good")


# environment ----------------------------------------------------------------------------------------------------


def test_the_environment_that_a_job_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESQUE_REDIS_URL", "redis://:hush@localhost")
    monkeypatch.setenv("STRIPE_KEY", "hush")
    monkeypatch.setenv("SHOP_MODE", "eu")

    def life() -> str:
        config.environment_scrub(keep=["SHOP_*"])
        shown = subprocess.run(["env"], capture_output=True, text=True, check=True, timeout=5).stdout
        return f"{'hush' in shown} {'SHOP_MODE=eu' in shown} {'PATH=' in shown} {os.environ.get('STRIPE_KEY')}"

    assert forked(life).said == "False True True None"
    assert os.environ["STRIPE_KEY"] == "hush"
