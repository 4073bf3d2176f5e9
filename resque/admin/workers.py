"""Workers: who there is, and what each does now; Ruby's are shown, too.

May be in here: reading the registry, asking workers to do something. May not: how they are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from resque import clock
from resque.admin import jobs
from resque.admin.console import Console, known
from resque.admin.jobs import JobView
from resque.store import identity, workers
from resque.store.operation import sure

State = Literal["working", "idle", "quiet", "silent"]
"""silent: one of ours without a sign of life for a while; it is pruned soon."""

_ERRORS = (ValueError, RecursionError, MemoryError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One registered worker. What is not known is None: Ruby's workers say less than ours."""

    id: str
    host: str
    pid: int | None
    queues: str
    is_foreign: bool
    state: State
    job: JobView | None = None
    queue: str | None = None
    since: float | None = None
    """When it began with its job, seconds since 1970."""
    started: str | None = None
    """As the worker wrote it: "2026-11-24 01:55:10 +0000"."""
    beat_age: float | None = None
    """Seconds since its last sign of life."""
    rss: int | None = None
    """Bytes."""
    concurrency: int | None = None
    jobs_in_hand: int | None = None
    supervisor: int | None = None
    """The supervisor's process id."""
    version: str | None = None


def every(console: Console) -> list[WorkerView]:
    """All registered workers, sorted by id. A worker that leaves while we look is shown as it was registered."""
    keys = console.keys
    ids = console.run(workers.ids(keys))
    status = console.ask([workers.status(keys, id) for id in ids])
    started = console.ask([workers.started(keys, id) for id in ids])
    info = console.ask([workers.info(keys, id) for id in ids])
    return [
        _view(id, _read_status(known(doing)), _decoded(known(began)), known(beat) or {})
        for id, doing, began, beat in zip(ids, status, started, info, strict=True)
    ]


Order = Literal["quiet", "resume", "stop", "kill"]
"""quiet: take nothing more. resume: go on. stop: let running jobs end and leave. kill: end the process now; what it
held goes back to the queues, blamed for nothing, and another process takes its place."""


def find(console: Console, name: str) -> list[WorkerView]:
    """The workers of ours that `name` means: an id, its `host~nonce:pid`, or a process id."""
    ours = [worker for worker in every(console) if not worker.is_foreign]
    return [w for w in ours if name in (w.id, w.id.removesuffix(f":{w.queues}"), str(w.pid))]


def order(console: Console, worker: WorkerView, what: Order) -> None:
    """Ask a worker; its supervisor obeys within a second. Raises StoreError."""
    _ask_for(console, worker, what)


def kill_job(console: Console, worker: WorkerView, job_id: str) -> None:
    """End one running job: it is in failed then (JobKilled). Its process ends with it, its neighbours go back."""
    _ask_for(console, worker, f"kill-job {job_id}")


def count(console: Console) -> int:
    """How many are registered."""
    return len(console.run(workers.ids(console.keys)))


def _ask_for(console: Console, worker: WorkerView, text: str) -> None:
    sure(console.ask(workers.command(console.claim(), worker.id, text)))


def _view(id: str, status: Mapping[str, Any], started: str | None, info: Mapping[str, bytes]) -> WorkerView:
    host, pid, queues, is_foreign = _parts(id)
    beat = _number(info.get("beat"))
    state: State = "working" if status else "idle" if info or is_foreign else "silent"
    if info.get("state") == b"quiet":
        state = "quiet"
    return WorkerView(
        id=id,
        host=host,
        pid=pid,
        queues=queues,
        is_foreign=is_foreign,
        state=state,
        job=status.get("job"),
        queue=status.get("queue"),
        since=status.get("since"),
        started=started,
        beat_age=None if beat is None else max(0.0, round(clock.now() - beat, 3)),
        rss=_integer(info.get("rss")),
        concurrency=_integer(info.get("concurrency")),
        jobs_in_hand=_integer(info.get("jobs")),
        supervisor=_integer(info.get("supervisor")),
        version=_decoded(info.get("version")),
    )


def _parts(id: str) -> tuple[str, int | None, str, bool]:
    """host, pid, queues, whether it is somebody else's. A malformed id is all host."""
    ours = identity.split(id)
    if ours is not None:
        return ours[0], ours[2], ours[3], False
    parts = id.split(":", 2)
    if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit()):
        return id, None, "", True
    return parts[0], int(parts[1][:18]), parts[2], True


def _read_status(raw: bytes | None) -> dict[str, Any]:
    """What the worker wrote about its job; {} while idle. Whoever writes there may write anything."""
    if not raw:
        return {}
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        queue, at = (msgspec.json.decode(bytes(fields.get(name, b"null"))) for name in ("queue", "run_at"))
    except _ERRORS:
        return {"job": jobs.view(b"")}
    return {
        "job": jobs.view(bytes(fields.get("payload", b""))),
        "queue": queue if isinstance(queue, str) else None,
        "since": _timestamp(at),
    }


def _timestamp(text: object) -> float | None:
    """ "2026-11-24T01:55:14Z" or, from old Rubies, "2026/11/24 01:55:14 UTC" (which is taken for unknown)."""
    try:
        at = datetime.fromisoformat(str(text))
        return at.timestamp() if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _integer(value: bytes | None) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if 0 <= number < 1e18 else None
