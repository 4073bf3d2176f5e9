"""Deadline: the soft end of a runner's job: JobTimeout, raised inside it.

May be in here: how an exception gets into a thread, and that it never gets out of the job it was meant for. May not:
killing (the supervisor does that, for a job that goes on), deciding.

Two ways. The main thread is sent a signal whose handler raises: that also ends a sleep or a read. Other threads are
left an exception that the interpreter raises at their next bytecode (PyThreadState_SetAsyncExc): a thread in C code
hears of it when it comes back.
"""

import ctypes
import signal
import threading
from types import FrameType

from resque import clock
from resque.errors import JobTimeout
from resque.jobs.retry import Cancel

SIGNAL = signal.SIGALRM
_ABSORB_STEP = 0.001
_ANY_TIME = float("inf")


class Cancelled(Cancel):
    """Raised in a running job that somebody has cancelled."""

    def __init__(self) -> None:
        super().__init__("it was cancelled while it ran")


class Deadline:
    """The deadline of one runner, job after job. `arm` and `disarm` on its thread, `strike` on the loop's."""

    def __init__(self, is_main: bool) -> None:
        self._is_main = is_main
        self._lock = threading.Lock()
        self._due = 0.0
        self._has_struck = False
        self._thread = 0
        self._kind: type[Exception] = JobTimeout

    @property
    def due(self) -> float:
        """When to strike, in seconds of boot time; 0 = never."""
        return 0.0 if self._has_struck else self._due

    def arm(self, now: float, seconds: float) -> float:
        """A job begins that may run for so long. Returns when its time is over."""
        self._thread = threading.get_ident()
        self._has_struck, self._kind = False, JobTimeout
        self._due = now + seconds
        return self._due

    def disarm(self, *, has_raised: bool) -> None:
        """The job is over; `has_raised`: by JobTimeout. May raise JobTimeout itself, if it was that close."""
        with self._lock:
            self._due = 0.0
            struck = self._has_struck
        if struck and not has_raised and not self._is_main:
            self._absorb()

    def strike(self, now: float) -> None:
        """Raise JobTimeout in the job, if its time is over."""
        self._strike(now, JobTimeout)

    def interrupt(self, kind: type[Exception]) -> None:
        """Raise this in the job, if it has a timeout: only such a job is guarded against what comes after its end."""
        self._strike(_ANY_TIME, kind)

    def _strike(self, now: float, kind: type[Exception]) -> None:
        with self._lock:
            if not self._due or self._has_struck or now < self._due:
                return
            self._has_struck, self._kind = True, kind
            if not self._is_main:
                _raise_in(self._thread, kind)
        if self._is_main:
            signal.pthread_kill(self._thread, SIGNAL)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The main thread's handler: raises while the job runs, and at no other time."""
        if self._has_struck and self._due:
            self._due = 0.0
            raise self._kind

    def _absorb(self) -> None:
        """It has struck, and what was raised may still be on its way: take it here, not in the next job."""
        try:
            for _ in range(100):
                clock.sleep(_ABSORB_STEP)
        except (JobTimeout, Cancelled):
            return


class Alarm:
    """The same for a process that runs one job in its only thread: the kernel's timer raises the signal."""

    def __init__(self) -> None:
        self._is_armed = False

    def arm(self, now: float, seconds: float) -> float:
        """See Deadline."""
        self._is_armed = True
        signal.signal(SIGNAL, self._on_signal)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return now + seconds

    def disarm(self, *, has_raised: bool) -> None:
        """See Deadline."""
        self._is_armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_armed:
            self._is_armed = False
            raise JobTimeout


def _raise_in(thread: int, kind: type[Exception]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
