"""A TCP proxy between a client and Redis that breaks the conversation exactly where a test wants it broken.

May be in here: forwarding, faults, counters. May not: what a fault means for a job (the tests say that).

    with FaultProxy("127.0.0.1", server.port) as proxy:
        lost = proxy.on(b"EVALSHA", drop_reply())      # the next request with these bytes: executed, its answer is lost
        ...
        assert lost.hits == 1                          # a test that did not hit its fault has tested nothing

It reads RESP: a request is one or more *whole* commands as the client sent them (a pipeline is one request), and the
reply to a request is complete when every command of it has been answered. So "executed, but not answered" is exact,
for pipelines too. A pattern is any part of a request's bytes; b"\\nSET\\r" is the word SET alone (redis-py introduces
itself with CLIENT SETINFO).
"""

import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from resque.dev.server import free_port
from tests.resp import Replies, whole_commands

_LARGE = 4096
_PAUSE = 0.01


@dataclass(frozen=True)
class Action:
    """What happens to a request and its reply. Made by the functions below."""

    kind: str
    amount: float = 0
    function: Callable[[], object] | None = None


PASS = Action("pass")


def drop_reply() -> Action:
    """The server executes the request; its reply is swallowed; then the client's connection is reset."""
    return Action("drop_reply")


def drop_request() -> Action:
    """The server never sees the request; the client's connection is reset."""
    return Action("drop_request")


def blackhole() -> Action:
    """From this request on nothing passes in either direction; both connections stay open."""
    return Action("blackhole")


def stall_reply() -> Action:
    """The server executes this request and those after it; no reply is ever delivered; both connections stay open."""
    return Action("stall_reply")


def half_open() -> Action:
    """The server's side is closed, the request is lost, and the client sees nothing of it."""
    return Action("half_open")


def cut_after(count: int) -> Action:
    """The server executes the request; the client gets the first `count` bytes of the reply, then the end."""
    return Action("cut_after", count)


def delay(seconds: float) -> Action:
    """The server executes the request; the reply is held for so long, then delivered."""
    return Action("delay", seconds)


def call(function: Callable[[], object]) -> Action:
    """The server has executed the request, the proxy holds the whole reply: now `function()`, then it is delivered."""
    return Action("call", function=function)


@dataclass
class Trigger:
    """Does `action` to the next `times` requests that contain `pattern`, after letting `after` of them pass."""

    pattern: bytes
    action: Action
    times: int
    after: int
    hits: int = 0
    struck: threading.Event = field(default_factory=threading.Event)

    def takes(self, request: bytes) -> bool:
        """Whether this request is one to strike; counts it."""
        if self.hits >= self.times or self.pattern not in request:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.hits += 1
        return True

    def wait(self, timeout: float = 10) -> bool:
        """Wait until it has struck for the first time (the request is forwarded, or lost). False after `timeout` s."""
        return self.struck.wait(timeout)


class FaultProxy:
    """Listens on a port of 127.0.0.1 that stays the same through stop() and start().

    mode          what happens to each request that no trigger takes; set it at any time (PASS, blackhole(), …)
    hits          how often each kind of fault struck: proxy.hits["drop_reply"]
    connections   how many were accepted      requests   how many arrived      commands   how many were in them
    """

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self.upstream = (upstream_host, upstream_port)
        self.port = free_port()
        self.hits: Counter[str] = Counter()
        self.connections = self.requests = self.commands = 0
        self._mode = PASS
        self._triggers: list[Trigger] = []
        self._open: list[_Connection] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def mode(self) -> Action:
        return self._mode

    @mode.setter
    def mode(self, action: Action) -> None:
        self._mode = action
        if action.kind == "half_open":  # also connections that wait for a reply right now
            for connection in list(self._open):
                connection.lose_server()

    def on(self, pattern: bytes, action: Action, *, times: int = 1, after: int = 0) -> Trigger:
        """A fault for the next `times` requests that contain `pattern`; the first trigger that matches wins."""
        trigger = Trigger(pattern, action, times, after)
        with self._lock:
            self._triggers.append(trigger)
        return trigger

    def start(self) -> Self:
        """Accept connections (again)."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self._thread(self._accept, self._listener)
        return self

    def stop(self) -> None:
        """Refuse connections and reset the open ones. Raises what a `call(function)` raised."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(); close() alone does not
            self._listener.close()
            self._listener = None
        self.reset_all()
        for thread in self._threads:
            if thread is not threading.current_thread():  # a call(function) may stop the proxy
                thread.join(10)
        self._threads.clear()
        if self._errors:
            raise self._errors.pop(0)

    def reset_all(self) -> None:
        """Reset every open connection now."""
        for connection in list(self._open):
            connection.reset()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self.upstream, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            connection = _Connection(self, client, server)
            self._open.append(connection)
            self._thread(connection.pump_requests)
            self._thread(connection.pump_replies)

    def _thread(self, function: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            try:
                function(*arguments)
            except OSError:
                pass  # the other pump, or a test, has closed the sockets
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=run, name="fault-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def forget(self, connection: "_Connection") -> None:
        """The connection is closed."""
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)

    def action_for_late_reply(self) -> Action | None:
        """What the mode says about a reply whose request passed before the mode was set."""
        if self._mode.kind in ("pass", "drop_request", "half_open"):
            return None
        with self._lock:
            self.hits[self._mode.kind] += 1
        return self._mode

    def action_for(self, request: bytes, commands: int) -> tuple[Action, Trigger | None]:
        """Count the request and decide what becomes of it."""
        with self._lock:
            self.requests += 1
            self.commands += commands
            trigger = next((each for each in self._triggers if each.takes(request)), None)
            action = self._mode if trigger is None else trigger.action
            if action is not PASS:
                self.hits[action.kind] += 1
            return action, trigger


class _Connection:
    """One client and its own connection to the server: two threads, one for each direction."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.action: Action | None = None  # what the latest request's fault does to its reply
        self.deaf = False  # nothing passes any more
        self.ended = False
        self.unanswered = 0
        self.lock = threading.Lock()

    def pump_requests(self) -> None:
        buffer = b""
        try:
            while data := self.client.recv(65536):
                buffer += data
                if len(data) < _LARGE or not self._goes_on():
                    buffer = self._requests(buffer)
            self._requests(buffer)
        finally:
            self.close()

    def pump_replies(self) -> None:
        replies, held = Replies(), b""
        try:
            while data := self.server.recv(65536):
                held += data
                answered = replies.feed(data)
                with self.lock:
                    self.unanswered = max(0, self.unanswered - answered)
                    complete = self.unanswered == 0
                held = self._reply(held, complete)
        finally:
            if not self.deaf:
                self.close()

    def _requests(self, buffer: bytes) -> bytes:
        """Handle the whole commands in `buffer`; returns what is left."""
        end, commands = whole_commands(buffer)
        if end:
            self._request(buffer[:end], commands)
        return buffer[end:]

    def _goes_on(self) -> bool:
        """Clients send a large pipeline in pieces: it is one request, until they pause."""
        return bool(select.select([self.client], [], [], _PAUSE)[0])

    def _request(self, request: bytes, commands: int) -> None:
        action, trigger = self.proxy.action_for(request, commands)
        if not self.deaf:
            self._act(action, request, commands)
        if trigger is not None:
            trigger.struck.set()

    def _act(self, action: Action, request: bytes, commands: int) -> None:
        match action.kind:
            case "drop_request":
                self.reset()
            case "blackhole":
                self.deaf = True
            case "half_open":
                self.lose_server()
            case _:
                with self.lock:
                    if action is not PASS:
                        self.action = action
                    self.unanswered += commands
                try:
                    self.server.sendall(request)
                except OSError:
                    if not self.deaf:  # deaf: lose_server() came in between, which the client must not see
                        raise

    def _reply(self, held: bytes, complete: bool) -> bytes:
        """Do what the fault says with what the server has answered so far; returns what is still held back."""
        if self.action is None:
            self.action = self.proxy.action_for_late_reply()  # the mode was set while the request was under way
        action = self.action or PASS
        if action.kind == "blackhole":
            self.deaf = True
        if self.deaf or action.kind == "stall_reply":
            return b""
        if action.kind == "cut_after" and (complete or len(held) >= action.amount):
            self.client.sendall(held[: int(action.amount)])
            self.close()
            return b""
        if action.kind in ("drop_reply", "cut_after", "delay", "call") and not complete:
            return held
        if action.kind == "drop_reply":
            self.reset()
            return b""
        self.action = None
        if action.kind == "delay":
            time.sleep(action.amount)
        if action.kind == "call" and action.function is not None:
            action.function()
        self.client.sendall(held)
        return b""

    def lose_server(self) -> None:
        """Close the server's side and keep the client's open."""
        self.deaf = True
        _close(self.server)

    def reset(self) -> None:
        """Let both sides see "connection reset by peer"."""
        if self._has_ended():
            return
        self.deaf = True
        for side in (self.client, self.server):
            try:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # The reset leaves when the last user of the socket lets go: wake our thread that waits in recv(),
                # without sending the orderly end that SHUT_WR would send.
                side.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # closed already
            side.close()

    def close(self) -> None:
        """An orderly end for both sides."""
        if self._has_ended():
            return
        _close(self.client)
        _close(self.server)

    def _has_ended(self) -> bool:
        """Whether somebody has ended it before; whoever asks first ends it. (An orderly end would spoil a reset.)"""
        with self.lock:
            before, self.ended = self.ended, True
        if not before:
            self.proxy.forget(self)
        return before


def _close(side: socket.socket) -> None:
    with suppress(OSError):  # not connected any more
        side.shutdown(socket.SHUT_RDWR)
    side.close()
