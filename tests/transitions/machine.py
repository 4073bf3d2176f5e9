"""A model of one namespace in plain Python: what each transition should return and leave behind.

May be in here: the model, reading a real namespace in the model's form, the laws that both must keep. May not: Redis
commands that change anything, the choice of steps (test_machine.py).

All lists are written from the front to the back. A payload that went back with another trailer is its old bytes and a
plus sign, so that every copy can be traced to its push.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resque.store.keys import Keys
from resque.store.reserve import BATCH_BYTES, LARGEST_ENTRY

QUEUES = ("a", "b:c")
WORKERS = ("host~0a1b2c3d:1", "host~0a1b2c3d:2")
RECOVERERS = ("host~99999999:3", "host~99999999:4")
MEMBERS = (*WORKERS, *RECOVERERS)
MINUTE = 28_000_000
STATS = ("processed", "failed", "purged", "discarded")

Place = tuple[str, str]
"""A queue and a member: an in-flight list, or a lease."""


@dataclass(frozen=True)
class Between:
    """A lease end that was written just now, by the server's clock: known within two bounds (ms)."""

    earliest: float
    latest: float


def origin(payload: bytes) -> bytes:
    """The bytes that were pushed, whatever was added to them on the way."""
    return payload.rstrip(b"+")


def record_of(number: int, payload: bytes) -> bytes:
    """A failure record. Records with one number and one payload are equal, byte for byte."""
    return b"%d|" % number + payload


def payload_of(record: bytes) -> bytes:
    return record.split(b"|", 1)[1]


class Model:
    """The state, and each transition as a method: it changes the state and returns what the real one should."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.waiting: dict[str, list[bytes]] = {q: [] for q in QUEUES}
        self.oversize: dict[str, list[bytes]] = {q: [] for q in QUEUES}
        self.inflight: dict[Place, list[bytes]] = {(q, w): [] for q in QUEUES for w in MEMBERS}
        self.leases: dict[Place, float | Between] = {}
        self.failed: list[bytes] = []
        self.names: set[str] = set()
        self.paused: set[str] = set()
        self.broken: set[str] = set()
        """Keys that somebody has made a string of: `queue:a`, `failed`."""
        self.counts: Counter[str] = Counter()
        """The counters, by the rest of their key: `stat:processed`, `metrics:a:28000000 done`."""
        self.pushed: Counter[bytes] = Counter()
        self.ended: Counter[bytes] = Counter()
        """Done, purged, discarded, or removed with its queue by Ruby."""
        self.requeued = 0
        self.removed = 0
        self.excused: set[Place] = set()
        """Lists whose lease somebody has deleted, until the audit comes by."""
        self.nameless: set[str] = set()
        """The same for queues whose name is missing."""
        self.first_reserved: dict[str, list[int]] = {q: [] for q in QUEUES}
        self.seen: set[bytes] = set()

    # in ---------------------------------------------------------------------------------------------------------
    def enqueue(self, queue: str, payloads: Sequence[bytes], *, named: bool = True) -> bool:
        """Whether it is accepted. `named` is False for a push by hand."""
        if named:
            self.name(queue)
        if f"queue:{queue}" in self.broken:
            return False
        self.waiting[queue] += payloads
        self.pushed.update(map(origin, payloads))
        if not named and queue not in self.names:
            self.nameless.add(queue)
        return True

    def name(self, queue: str) -> None:
        self.names.add(queue)
        self.nameless.discard(queue)

    # waiting -> in-flight ---------------------------------------------------------------------------------------
    def reserve(self, queues: Sequence[str], worker: str, want: int, lease: Between) -> list[tuple[Any, ...]]:
        """Rows of (queue, length, payloads, in trouble, paused)."""
        rows: list[tuple[Any, ...]] = []
        budget = BATCH_BYTES
        for queue in queues:
            if want < 1 or budget < 1:
                break
            broken = f"queue:{queue}" in self.broken
            if self.is_paused(queue):
                rows.append((queue, -2, [], False, True))
            elif not broken and self.waiting[queue]:
                self.leases[queue, worker] = lease
                self.excused.discard((queue, worker))
                got, budget = self._take(queue, worker, want, budget)
                want -= len(got)
                if got:
                    rows.append((queue, len(self.inflight[queue, worker]), got, False, False))
            if broken:
                rows.append((queue, -1, [], True, False))
        return rows

    def _take(self, queue: str, worker: str, want: int, budget: int) -> tuple[list[bytes], int]:
        got: list[bytes] = []
        waiting = self.waiting[queue]
        while waiting and len(got) < want and budget > 0:
            raw = waiting.pop(0)
            if len(raw) > LARGEST_ENTRY:
                self.oversize[queue].append(raw)
                continue
            budget -= len(raw)
            got.append(raw)
            self._hold(queue, worker, raw)
        return got, budget

    def wait(self, queue: str, worker: str, lease_end: int) -> tuple[bytes | None, bool, int]:
        """(payload, in trouble, how many of the two pause keys exist)."""
        self.leases[queue, worker] = float(lease_end)
        self.excused.discard((queue, worker))
        pauses = (queue in self.paused) + ("*" in self.paused)
        if f"queue:{queue}" in self.broken or not self.waiting[queue]:
            return None, f"queue:{queue}" in self.broken, pauses
        raw = self.waiting[queue].pop(0)
        self._hold(queue, worker, raw)
        return raw, False, pauses

    def is_paused(self, queue: str) -> bool:
        return bool(self.paused & {queue, "*"})

    def _hold(self, queue: str, worker: str, raw: bytes) -> None:
        self.inflight[queue, worker].append(raw)
        raw = origin(raw)
        if raw.startswith(b'{"class":"Own"') and raw not in self.seen:
            self.seen.add(raw)
            self.first_reserved[queue].append(int(raw.split(b"[")[1].split(b"]")[0]))

    # in-flight -> … ---------------------------------------------------------------------------------------------
    def finish(self, place: Place, payloads: Sequence[bytes]) -> tuple[int, int]:
        """(how many were ours, how many are left)."""
        ours = [raw for raw in payloads if self._drop(place, raw)]
        self.ended.update(map(origin, ours))
        self._count(place, len(ours), "done")
        return len(ours), len(self.inflight[place])

    def fail(self, place: Place, entries: Sequence[tuple[bytes, bytes]]) -> tuple[int, int, bool]:
        """Entries are (payload, record); the third answer: whether `failed` is broken."""
        broken = "failed" in self.broken
        if broken:
            return 0, len(self.inflight[place]), any(raw in self.inflight[place] for raw, _ in entries)
        records = [record for raw, record in entries if self._drop(place, raw)]
        self.failed += records
        self._count(place, len(records), "failed")
        if records:
            for name in ("stat:failed", f"stat:failed:{place[1]}:-"):
                self.counts[name] += len(records)
        return len(records), len(self.inflight[place]), False

    def release(self, place: Place, entries: Sequence[tuple[bytes, bytes]]) -> tuple[int, int, bool]:
        """Entries are (payload, what takes its place or nothing)."""
        held, ours, trouble = self.inflight[place], 0, False
        for raw, other in reversed(entries):
            if raw not in held:
                continue
            if f"queue:{place[0]}" in self.broken:
                trouble = True
                continue
            self.waiting[place[0]].insert(0, other or raw)
            del held[len(held) - 1 - held[::-1].index(raw)]
            ours += 1
        return ours, len(held), trouble

    def adopt(
        self, place: Place, recoverer: str, seen: float | None, count: int, times: tuple[Between, Between]
    ) -> tuple[list[bytes], int] | None:
        """(payloads, how many are left), or None when the lease has changed. `times`: a new lease, and now."""
        queue, _ = place
        if seen is not None and self.leases.get(place) != seen:
            return None
        moved: list[bytes] = []
        lost = self.inflight[place]
        if lost:
            self.leases[queue, recoverer] = times[0]
            self.excused.discard((queue, recoverer))
            for _ in range(min(count, len(lost))):
                moved.insert(0, lost.pop())
                self.inflight[queue, recoverer].insert(0, moved[0])
        if not lost and place in self.leases:
            self.leases[place] = times[1]
        return moved, len(lost)

    def forget(self, place: Place, seen: float) -> int:
        if self.leases.get(place) != seen or self.inflight[place]:
            return 0
        del self.leases[place]
        return 1

    def audit(self, lease: Between) -> None:
        """The whole round: names of all lists, leases of all lists in flight."""
        for queue, waiting in self.waiting.items():
            if waiting:
                self.name(queue)
        for place, held in self.inflight.items():
            if held:
                self.name(place[0])
                self.leases.setdefault(place, lease)
        self.excused.clear()

    def _drop(self, place: Place, raw: bytes) -> bool:
        """LREM from the front: the oldest copy goes."""
        if raw not in self.inflight[place]:
            return False
        self.inflight[place].remove(raw)
        return True

    def _count(self, place: Place, ours: int, field: str) -> None:
        if ours:
            for name in ("stat:processed", f"stat:processed:{place[1]}:-", f"metrics:{place[0]}:{MINUTE} {field}"):
                self.counts[name] += ours

    # out of failed, out of waiting ------------------------------------------------------------------------------
    def take_record(self, record: bytes, position: int) -> bool:
        """Remove a record, the copy that is next to the hint's end. `position` 0 is the newest."""
        native = self.keys.wire == "native"
        listed = self.failed[::-1] if native else list(self.failed)
        hint = position if native else -position - 1
        if record not in listed:
            return False
        right = False
        if -len(listed) <= hint < len(listed) and listed[hint] == record:
            right = hint < 0 or hint > len(listed) / 2
        index = len(listed) - 1 - listed[::-1].index(record) if right else listed.index(record)
        del listed[index]
        self.failed = listed[::-1] if native else listed
        return True

    def requeue(self, record: bytes, position: int, queue: str) -> int | None:
        """None: refused, since the queue is broken."""
        if record not in self.failed:
            return 0
        self.name(queue)
        if f"queue:{queue}" in self.broken:
            return None
        self.take_record(record, position)
        self.waiting[queue].append(payload_of(record))
        self.requeued += 1
        return 1

    def discard(self, record: bytes, position: int) -> int:
        if not self.take_record(record, position):
            return 0
        self.counts["stat:discarded"] += 1
        self.ended[origin(payload_of(record))] += 1
        return 1

    def purge(self, queue: str) -> int:
        dropped = len(self.waiting[queue])
        if dropped:
            self.counts["stat:purged"] += dropped
        self._drop_waiting(queue)
        return dropped

    def ruby_removes(self, queue: str) -> None:
        """Ruby's remove_queue: the name and what waits, whatever is in flight."""
        self.removed += len(self.waiting[queue])
        self._drop_waiting(queue)
        self.broken.discard(f"queue:{queue}")
        self.names.discard(queue)
        self.nameless.add(queue)

    def _drop_waiting(self, queue: str) -> None:
        self.ended.update(map(origin, self.waiting[queue]))
        self.waiting[queue] = []


def state_of(model: Model) -> dict[str, Any]:
    """What `read` gives when the server agrees with the model. Lease ends may be `Between`."""
    state: dict[str, Any] = {f"inflight:{q}:{w}": held for (q, w), held in model.inflight.items()}
    state |= {f"queue:{q}": waiting for q, waiting in model.waiting.items()}
    state |= {f"oversize:{q}": aside for q, aside in model.oversize.items()}
    state |= dict.fromkeys(model.broken, "broken")
    state |= {f"leases:{q} {w}": lease for (q, w), lease in model.leases.items()}
    state |= dict(model.counts) | {"failed": "broken" if "failed" in model.broken else model.failed}
    state |= {"queues": sorted(model.names), "paused": sorted(model.paused)}
    return {key: value for key, value in state.items() if value not in ([], 0)}


def read(redis: Any, keys: Keys) -> dict[str, Any]:
    """The whole namespace in the form of `state_of`, in two trips. A key that nobody should have written is in it."""
    names = sorted(key.decode().removeprefix("resque:") for key in redis.keys("*"))
    with redis.pipeline(transaction=False) as trip:
        for name in names:
            key = f"resque:{name}"
            match name.split(":")[0]:
                case "inflight" | "oversize" | "queue" | "failed":
                    trip.lrange(key, 0, -1)
                case "leases":
                    trip.zrange(key, 0, -1, withscores=True)
                case "metrics":
                    trip.hgetall(key)
                case "queues":
                    trip.smembers(key)
                case _:
                    trip.get(key)
        answers = trip.execute(raise_on_error=False)
    state: dict[str, Any] = {}
    for name, answer in zip(names, answers, strict=True):
        state |= _in_form(name, answer, keys)
    pauses = [name.removeprefix("paused:") for name in state if name.startswith("paused:")]
    pauses += ["*"] if state.pop("pause-all-workers", None) else []
    state = {name: value for name, value in state.items() if not name.startswith("paused:")}
    return state | ({"paused": sorted(pauses)} if pauses else {})


def _in_form(name: str, answer: Any, keys: Keys) -> dict[str, Any]:
    kind = name.split(":")[0]
    if isinstance(answer, Exception):
        return {name: "broken"}
    match kind:
        case "inflight" | "oversize" | "queue" | "failed":
            return {name: answer if keys.direction.front == "LEFT" else answer[::-1]}
        case "leases":
            return {f"{name} {member.decode()}": score for member, score in answer}
        case "metrics":
            return {f"{name} {field.decode()}": int(value) for field, value in answer.items()}
        case "queues":
            return {name: sorted(member.decode() for member in answer)}
        case "stat":
            return {name: int(answer)}
    return {name: answer}


def agree(model: Model, state: dict[str, Any]) -> None:
    """Compare, and learn the exact ends of the leases that were just written."""
    for place, lease in model.leases.items():
        score = state.get(f"leases:{place[0]} {place[1]}")
        if isinstance(lease, Between) and score is not None:
            assert lease.earliest <= score <= lease.latest, f"{place}: the lease ends {score}, not within {lease}"
            model.leases[place] = score
    expected = state_of(model)
    wrong = {key for key in {*state, *expected} if state.get(key) != expected.get(key)}
    assert not wrong, {key[:60]: (str(state.get(key))[:200], str(expected.get(key))[:200]) for key in sorted(wrong)}


def laws(model: Model, state: dict[str, Any]) -> None:
    """What must hold of the server's own state, whatever the model thinks of single transitions."""
    lists = {key: value for key, value in state.items() if isinstance(value, list) and key not in ("queues", "paused")}
    resting = Counter(
        origin(payload_of(raw) if key == "failed" else raw) for key, value in lists.items() for raw in value
    )
    assert resting + model.ended == model.pushed, "each accepted push is in exactly one place"
    live = sum(len(value) for key, value in lists.items() if key != "failed")
    counted = state.get("stat:processed", 0) + state.get("stat:purged", 0)
    assert counted + live + model.removed == model.pushed.total() + model.requeued, "each push counts at most once"
    for queue, member in model.inflight:
        if f"inflight:{queue}:{member}" in lists and (queue, member) not in model.excused:
            assert f"leases:{queue} {member}" in state, f"{member} holds jobs of {queue} without a lease"
    for queue in QUEUES:
        if queue not in model.nameless and any(
            key.startswith((f"queue:{queue}", f"inflight:{queue}:")) for key in lists
        ):
            assert queue in state.get("queues", []), f"{queue} has jobs and no name"
    for queue, numbers in model.first_reserved.items():
        assert numbers == sorted(numbers), f"{queue} was not reserved first in, first out: {numbers}"
