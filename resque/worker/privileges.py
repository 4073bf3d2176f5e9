"""Privileges: what the process of a job may do and use, and what is known of its death.

May be in here: limits of the kernel, prctl, user and group, wait statuses in words. May not: jobs, what is done about a
death (supervisor.py), the environment (config.py: `environment_scrub`).

The order in a child, before its first thread (prctl speaks for the calling thread and those that it starts later):

    become(user, group)              as long as it still may
    die_with_parent(parent_pid)      a change of user makes the kernel forget it
    no_new_privileges()
    environment_scrub(keep)
    apply_limits(limits)             last: what comes before needs files and memory, too
"""

import ctypes
import grp
import math
import os
import pwd
import re
import resource
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from resque import clock
from resque.errors import ConfigError
from resque.jobs.limits import Limits

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_FRESH = 10.0
"""Seconds in which a death can still belong to a kill that was counted: a large process takes a while to end."""
_CHILDREN = 65536
_LIBC = ctypes.CDLL(None)
if sys.platform == "linux":  # once, here: a process that has just been forked pays for each thing that it does first
    _LIBC.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_OPEN_FILES = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_NAMES = {number.value: number.name for number in signal.Signals}
_ESCAPED = re.compile(r"\\([0-7]{3})")


def apply_limits(limits: Limits) -> None:
    """Put this process and its children under `limits`, for good. Raises ConfigError where they cannot work.

    Hard limits are set with the soft ones, and never above those that are in force: nobody but root can raise them
    again. So as root a job can free itself, and the number of processes is not limited at all.

    memory: what does not fit is a MemoryError in Python, and often the end of the process in C code
    cpu: SIGXCPU, which ends the process; a second later SIGKILL for those that ignore it
    files, file_size: OSError (EMFILE, EFBIG)        processes: OSError (EAGAIN) of fork, RuntimeError of a thread
    """
    if limits.memory is not None:
        _check_memory(limits.memory)
        _lower("memory", resource.RLIMIT_AS, limits.memory)
    if limits.cpu is not None:
        _lower("cpu", resource.RLIMIT_CPU, limits.cpu, more=1)
    if limits.file_size is not None:
        _lower("file_size", resource.RLIMIT_FSIZE, limits.file_size)
    if limits.processes is not None:
        _lower("processes", resource.RLIMIT_NPROC, limits.processes)
    if limits.files is not None:
        _lower("files", resource.RLIMIT_NOFILE, limits.files)
    _lower("core", resource.RLIMIT_CORE, 0)  # a core file holds the arguments of jobs and every key


def no_new_privileges() -> bool:
    """No program started from now on gains rights (setuid, file capabilities). False: the platform cannot do it."""
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(parent_pid: int) -> bool:
    """Be killed when the parent dies. False: it is gone already, and the caller has to leave now.

    The kernel means the *thread* that forked us: a child that was forked by a thread dies when that thread ends.
    Where the platform cannot do it, only the question is answered.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent_pid  # it may have died before we asked to be told


def adopt_orphans() -> bool:
    """Become the parent of whatever our descendants leave behind, also of what has cut itself off from them (a daemon).
    False: the platform cannot do it."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


class Children:
    """The children of this process, which has one thread, as the kernel lists them; none where it does not."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open(f"/proc/{os.getpid()}/task/{os.getpid()}/children", os.O_RDONLY)
        except OSError:
            self._file = None

    def pids(self) -> list[int]:
        """Now."""
        return [] if self._file is None else [int(word) for word in os.pread(self._file, _CHILDREN, 0).split()]


def open_files() -> frozenset[int]:
    """The numbers of all files, sockets and pipes that this process has open above stderr."""
    numbers = (int(name) for name in os.listdir(_OPEN_FILES))  # one of them was the listing itself
    return frozenset(number for number in numbers if number > 2 and _is_open(number))


def is_root() -> bool:
    """Whether this process may do everything on this machine (or in this container)."""
    return os.geteuid() == 0


def become(user: str, group: str | None = None) -> None:
    """Become `user` (a name or a number) with all its groups, for good. Raises ConfigError: unknown, or not allowed.

    Without `group` the user's own is taken. Nothing happens if we are that user already. After an error while the user
    is being changed the process may be half of each: it must end.
    """
    try:
        account = _account(user, group)
        if account.is_ours() and not is_root():
            return
        os.setgroups(account.groups)  # first: without root's rights they could not be changed any more
        os.setgid(account.gid)
        os.setuid(account.uid)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot become user {user!r}: {error}; start as root, or as {user!r} at once and without --user"
        ) from None
    if not account.is_ours() or set(os.getgroups()) != set(account.groups) or _can_be_root_again(account.uid):
        raise ConfigError(f"did not become user {user!r} for good; start as {user!r} at once and without --user")


def why_died(status: int, *, limits: Limits | None = None, is_oom: bool | None = None) -> str:
    """What a wait status says: "exit code 3", "signal 11 (SIGSEGV)", "signal 9 (SIGKILL), likely out of memory".

    `status` is that of os.waitpid, `is_oom` what `OomCounter.claim()` says.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    why = f"signal {-code} ({_NAMES.get(-code, 'without a name')})"
    if -code == signal.SIGKILL and is_oom:
        return f"{why}, likely out of memory"
    if -code == signal.SIGXCPU and limits is not None and limits.cpu is not None:
        return f"{why}, it has used its {limits.cpu} s of cpu"
    return why


class OomCounter:
    """How many processes of our memory cgroup the kernel has killed for want of memory; never guessed.

    A supervisor looks at every turn of its loop, so that a kill that nobody claims (a program that a job had started)
    is not blamed on a death much later.
    """

    def __init__(self, proc: Path = Path("/proc/self")) -> None:
        self._file = _counter_file(proc)
        self._seen = self._read()
        self._unclaimed: list[float] = []

    def look(self) -> None:
        """Note what was counted since the last look. Cheap: one small file is read."""
        count = self._read()
        if count is not None and self._seen is not None:
            self._unclaimed += [clock.monotonic()] * (count - self._seen)
        self._seen = count

    def claim(self) -> bool | None:
        """Whether a death by SIGKILL seen just now is likely one of those; each counts once. None: no cgroup."""
        self.look()
        if self._seen is None:
            return None
        now = clock.monotonic()
        self._unclaimed = [since for since in self._unclaimed if now - since < _FRESH]
        if not self._unclaimed:
            return False
        del self._unclaimed[0]
        return True

    def _read(self) -> int | None:
        for line in _lines(self._file) if self._file is not None else ():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdigit():
                return int(count)
        return None  # no memory cgroup, or a kernel before 4.13


class _Account(NamedTuple):
    uid: int
    gid: int
    groups: list[int]

    def is_ours(self) -> bool:
        """Real, effective and, where it can be seen, saved."""
        if sys.platform == "linux":
            return set(os.getresuid()) == {self.uid} and set(os.getresgid()) == {self.gid}
        else:  # noqa: RET505 — mypy calls what follows the block unreachable
            return {os.getuid(), os.geteuid()} == {self.uid} and {os.getgid(), os.getegid()} == {self.gid}


def _account(user: str, group: str | None) -> _Account:
    try:
        known = pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(user)
    except KeyError:
        if not _is_number(user):
            raise ConfigError(
                f"there is no user {user!r} on this machine; name one that `getent passwd` lists"
            ) from None
        if group is None:
            raise ConfigError(f"user {user} has no name here, so its group is not known; say --group, too") from None
        gid = _gid(group)
        return _Account(int(user), gid, [gid])
    gid = known.pw_gid if group is None else _gid(group)
    return _Account(known.pw_uid, gid, os.getgrouplist(known.pw_name, gid))


def _gid(group: str) -> int:
    if _is_number(group):
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"there is no group {group!r} on this machine; name one that `getent group` lists") from None


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _can_be_root_again(uid: int) -> bool:
    if uid == 0:
        return False  # it was asked for
    try:
        os.setuid(0)
    except OSError:
        return False
    return True


def _prctl(option: int, value: int) -> bool:
    """For this thread. All arguments as unsigned long: the kernel refuses rubbish in their upper halves."""
    if sys.platform == "linux":
        return bool(_LIBC.prctl(option, value, 0, 0, 0) == 0)
    else:  # noqa: RET505 — mypy calls what follows the block unreachable
        return False


def _lower(name: str, which: int, value: int, *, more: int = 0) -> None:
    """Set the soft limit to `value` and the hard one `more` above, neither above the hard limit that is in force."""
    ceiling = resource.getrlimit(which)[1]
    most = math.inf if ceiling == resource.RLIM_INFINITY else ceiling
    soft, hard = (int(min(each, most)) for each in (value, value + more))
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError) as error:
        raise ConfigError(f"limit {name}: this platform does not take {value} ({error}); leave it out") from None


def _check_memory(memory: int) -> None:
    """Below what is mapped already, nothing is taken away, but every later allocation fails, in any line of code."""
    pages = "".join(_lines(Path("/proc/self/statm"))[:1]).split()
    mapped = int(pages[0]) * resource.getpagesize() if pages else 0
    if memory <= mapped:
        raise ConfigError(
            f"limit memory: {memory // 1024**2}M is less than the {mapped // 1024**2}M of address space that the "
            f"process has before its job begins; write more than that, for example '{mapped // 1024**2 + 256}M'"
        )


def _counter_file(proc: Path) -> Path | None:
    """memory.events (v2) or memory.oom_control (v1) of the cgroup that accounts for this process."""
    groups = [line.split(":", 2) for line in _lines(proc / "cgroup") if line.count(":") >= 2]
    old = [path for _, controllers, path in groups if "memory" in controllers.split(",")]
    new = [path for number, controllers, path in groups if number == "0" and not controllers]
    for path in old or new:
        for line in _lines(proc / "mountinfo"):
            mount = _mounted(line, is_old=bool(old))
            if mount is not None:
                found = _nearest(*mount, path, "memory.oom_control" if old else "memory.events")
                if found is not None:
                    return found
    return None


def _mounted(line: str, *, is_old: bool) -> tuple[str, Path] | None:
    """Root within the hierarchy and mount point, if this line of mountinfo is the mount of ours."""
    before, _, after = line.partition(" - ")
    fields, (kind, _, options) = before.split(" "), [*after.split(" "), "", "", ""][:3]
    if len(fields) < 5 or kind != ("cgroup" if is_old else "cgroup2"):
        return None
    if is_old and "memory" not in options.split(","):
        return None
    root, point = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), each) for each in fields[3:5])
    return root, Path(point)


def _nearest(root: str, mount: Path, path: str, name: str) -> Path | None:
    """The file of the cgroup `path`, or of the nearest above that counts memory: that one is in charge of both."""
    if root != "/" and path != root and not path.startswith(root + "/"):
        return None  # another part of the tree than ours is mounted here
    inside = Path(path.removeprefix(root).lstrip("/"))
    if ".." in inside.parts:
        return None  # we were moved out of the namespace that we can see
    for folder in (inside, *inside.parents):
        if (mount / folder / name).is_file():
            return mount / folder / name
    return None


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
