"""Report: the account in words and tables for people, as one document for programs.

May be in here: layout and wording. May not: judging (account.py), Redis, processes.
"""

from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from resque.dev.torture.account import Account, Fault, Recovery

_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The run itself."""

    server: str
    prefix: str
    seed: int
    began: float
    seconds: float
    """From the first settled job to the last."""
    was_interrupted: bool
    is_drained: bool
    risks: list[str]
    troubles: list[str]
    """What else went wrong: processes that ended by themselves, a drain that took too long."""
    faults: list[Fault]


def is_good(account: Account, ran: Ran) -> bool:
    """Whether the run proves what it is there to prove. An early end by Ctrl-C may leave jobs in the queues."""
    return account.is_good and (ran.is_drained or ran.was_interrupted)


def document(account: Account, ran: Ran) -> dict[str, Any]:
    """Everything, for programs. Ids are whole; times are seconds."""
    found = asdict(account)
    recovery = {"all": found.pop("recovery"), **found.pop("by_kind")}
    faults = [
        {
            "kind": fault.kind,
            "what": fault.what,
            "at": round(fault.began - ran.began, 3),
            "seconds": round(fault.ended - fault.began, 3),
            "held": len(fault.held),
        }
        for fault in ran.faults
    ]
    return {
        "ok": is_good(account, ran),
        "server": ran.server,
        "prefix": ran.prefix,
        "seed": ran.seed,
        "seconds": round(ran.seconds, 3),
        "jobs_per_second": round(account.counted / ran.seconds, 1),
        "interrupted": ran.was_interrupted,
        "drained": ran.is_drained,
        **found,
        "problems": account.problems(),
        "troubles": ran.troubles,
        "risks": ran.risks,
        "recovery": recovery,
        "faults": faults,
    }


def jobs_table(account: Account) -> Table:
    """What became of the jobs."""
    table = _table("what", "jobs", "")
    died = f"{account.crashed:,} of them because their worker was killed three times" if account.crashed else ""
    arrived = f"{account.arrived:,} of them had arrived" if account.unknown else ""
    near = len(account.unexplained)
    explained = f"{account.run_twice - near:,} of them where a fault was near" if account.run_twice else ""
    rows = (
        ("accepted", account.accepted, "by the journals of the producers"),
        ("done", account.done, "by the journals of the jobs"),
        ("failed", account.failed, died or "all on purpose"),
        ("left", account.left, "still waiting or in flight" if account.left else ""),
        ("lost", len(account.lost), ""),
        ("counted", account.counted, "by Redis"),
        ("counted twice", account.counted_twice + len(account.failed_twice), ""),
        ("run twice", account.run_twice, explained),
        ("unknown enqueues", account.unknown, arrived),
        ("not enqueued", account.refused, "and the producer was told so" if account.refused else ""),
    )
    for name, number, note in rows:
        table.add_row(name, f"{number:,}", note)
    return table


def faults_table(account: Account, faults: list[Fault]) -> Table:
    """What was done, and how soon what the killed had held ran again."""
    table = _table("fault", "times", "held", "ran again", "p50", "p99")
    for kind, recovery in account.by_kind.items():
        times = sum(fault.kind == kind for fault in faults)
        table.add_row(kind, f"{times:,}", *(_cells(recovery) if recovery.held else ("", "", "", "")))
    table.add_row("all kills", "", *_cells(account.recovery))
    return table


def notes(account: Account) -> list[str]:
    """What is no fault of Resque's but worth a look, a line each."""
    found = []
    if account.unexplained:
        ids = ", ".join(account.unexplained[:_EXAMPLES])
        found.append(
            f"{len(account.unexplained):,} ran twice where no fault was near ({ids}): this machine or the network "
            "paused for longer than the lease?"
        )
    if account.strangers:
        ids = ", ".join(account.strangers[:_EXAMPLES])
        found.append(f"{len(account.strangers):,} ran that no producer has written down ({ids})")
    return found


def _cells(recovery: Recovery) -> tuple[str, str, str, str]:
    return (f"{recovery.held:,}", f"{recovery.started:,}", _time(recovery.p50), _time(recovery.p99))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE, show_header=columns[0] == "fault")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and column else "left", overflow="fold")
    return table
