"""Every key, and which end of a list is the front."""

import inspect
import re

import pytest

from resque.store.identity import identity
from resque.store.keys import Direction, Keys

W, ID = "host~0a1b:77", "host~0a1b:77:mail,default"


def test_in_the_native_wire_jobs_come_in_left_and_go_out_right() -> None:
    """The BRPOP side."""
    ends = Direction("RIGHT", "LEFT", push_back="LPUSH", push_front="RPUSH", from_front=-1, from_back=1)
    assert Keys("resque", "native").direction == ends
    assert Keys().direction == ends


def test_in_the_ruby_wire_jobs_come_in_right_and_go_out_left() -> None:
    """WIRE 1: RPUSH to the tail, LPOP from the head."""
    ends = Direction("LEFT", "RIGHT", push_back="RPUSH", push_front="LPUSH", from_front=1, from_back=-1)
    assert Keys("resque", "ruby").direction == ends


TABLE = {
    "queues": ((), "p:queues"),
    "queue": (("mail",), "p:queue:mail"),
    "paused": (("mail",), "p:paused:mail"),
    "pause_all": ((), "p:pause-all-workers"),
    "oversize": (("mail",), "p:oversize:mail"),
    "delayed": (("mail",), "p:delayed:mail"),
    "payloads": (("mail",), "p:payloads:mail"),
    "attempts": (("mail",), "p:attempts:mail"),
    "lock": (("mail", "dac0ff26"), "p:lock:mail:dac0ff26"),
    "cancelled": (("mail",), "p:cancelled:mail"),
    "cron": ((), "p:cron"),
    "cron_disabled": ((), "p:cron-disabled"),
    "cron_runs": (("mail", "nightly:report"), "p:cron:mail:nightly:report"),
    "inflight": (("mail", W), "p:inflight:mail:host~0a1b:77"),
    "leases": (("mail",), "p:leases:mail"),
    "workers": ((), "p:workers"),
    "worker": ((ID,), "p:worker:host~0a1b:77:mail,default"),
    "worker_started": ((ID,), "p:worker:host~0a1b:77:mail,default:started"),
    "worker_info": ((ID,), "p:worker:host~0a1b:77:mail,default:info"),
    "worker_command": ((ID,), "p:worker:host~0a1b:77:mail,default:command"),
    "failed": ((), "p:failed"),
    "stat": (("processed",), "p:stat:processed"),
    "metrics": (("mail", 28_000_000), "p:metrics:mail:28000000"),
    "marker": ((), "p:wire"),
    "duty": (("audit",), "p:duty:audit"),
    "audit_pattern": ((), "p:[diq]*:*"),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_key_is_called(name: str) -> None:
    """The same in both wires: the marker alone says which it is."""
    arguments, expected = TABLE[name]
    assert getattr(Keys("p", "native"), name)(*arguments) == expected
    assert getattr(Keys("p", "ruby"), name)(*arguments) == expected


def test_the_table_above_is_complete() -> None:
    makers = {name for name, _ in inspect.getmembers(Keys, inspect.isfunction) if not name.startswith(("_", "parse"))}
    assert makers == set(TABLE)


def test_a_workers_own_counters() -> None:
    assert Keys("p").stat("failed", ID) == "p:stat:failed:host~0a1b:77:mail,default"


def test_every_key_is_documented() -> None:
    for name in TABLE:
        assert inspect.getdoc(getattr(Keys, name))


# as Ruby calls them ---------------------------------------------------------------------------------------------------

RUBY = [  # recorded from resque 3.0.0: golden/03a, 05, 13a
    ("queues", Keys().queues()),
    ("queue:default", Keys().queue("default")),
    ("workers", Keys().workers()),
    ("worker:vm:12369:high,low", Keys().worker("vm:12369:high,low")),
    ("worker:vm:12369:high,low:started", Keys().worker_started("vm:12369:high,low")),
    ("stat:processed", Keys().stat("processed")),
    ("stat:failed", Keys().stat("failed")),
    ("stat:processed:vm:12369:high,low", Keys().stat("processed", "vm:12369:high,low")),
    ("stat:failed:vm:12369:high,low", Keys().stat("failed", "vm:12369:high,low")),
    ("failed", Keys().failed()),
    ("pause-all-workers", Keys().pause_all()),
]


@pytest.mark.parametrize(("ruby", "ours"), RUBY, ids=[ruby for ruby, _ in RUBY])
def test_shared_keys_are_called_as_ruby_calls_them(ruby: str, ours: str) -> None:
    assert ours == f"resque:{ruby}"


THEIRS = re.compile(
    r"resque:((timestamps|persistent_schedules|schedules|resque-retry|failure-resque-retry|status|_statuses|_kill"
    r"|lonely_job|loners|failed_queues|workers:heartbeat|pruning_dead_workers_in_progress)(:|$)"
    r"|delayed:(\d+|last_enqueued_at)$|delayed_queue_schedule$|lock:.*-\[.*\]$)"
)


def test_keys_of_ours_that_ruby_does_not_have_hide_none_of_its_own() -> None:
    """resque-scheduler, resque-retry and the plugins (WIRE 7 to 9) write into the same namespace."""
    for name, (arguments, _) in TABLE.items():
        assert not THEIRS.match(getattr(Keys(), name)(*arguments)), name


@pytest.mark.parametrize(
    "key",
    [
        "resque:delayed:1795485321",
        "resque:delayed:last_enqueued_at",
        "resque:delayed_queue_schedule",
        "resque:lock:Mail-[1, {:a=>2}]",
        "resque:lock:A::B-[]",
        "resque:schedules",
    ],
)
def test_a_key_that_ruby_writes(key: str) -> None:
    """`delayed:<time>` and `lock:<class>-<args>` are much like ours: a queue that is called like a time meets one."""
    assert THEIRS.match(key)


# read back ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["mail", "a:b", "a:b:c", ":", "a:", ":a", "q~1:2", "inflight", "übung", "host~1:2"])
def test_queue_and_worker_are_read_back_from_an_inflight_key(queue: str) -> None:
    """A queue's name may hold colons; a member's has exactly one."""
    keys = Keys("my:ns")
    for member in (W, identity("0a1b", 5, "*").member):
        assert keys.parse_inflight(keys.inflight(queue, member)) == (queue, member)


@pytest.mark.parametrize(
    "key",
    [
        "resque:inflight:",
        "resque:inflight:q",
        "resque:inflight:q:host",
        "resque:inflight::host:1",
        "resque:inflight:q::1",
        "resque:inflight:q:host:",
        "resque:queue:a:b:1",
        "other:inflight:q:host:1",
        "resque:inflightq:a:b:1",
        "",
    ],
)
def test_a_key_that_is_no_inflight_list_reads_as_none(key: str) -> None:
    assert Keys().parse_inflight(key) is None


@pytest.mark.parametrize("queue", ["mail", "a:b", ":", "queue:x"])
def test_a_queue_is_read_back_from_its_key(queue: str) -> None:
    keys = Keys("my:ns")
    assert keys.parse_queue(keys.queue(queue)) == queue


@pytest.mark.parametrize("key", ["resque:queue:", "resque:queues", "other:queue:q", "resque:inflight:q:h:1", ""])
def test_a_key_that_is_no_queue_reads_as_none(key: str) -> None:
    assert Keys().parse_queue(key) is None
