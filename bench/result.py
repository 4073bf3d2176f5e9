"""One line of the table."""

from dataclasses import dataclass


@dataclass
class Result:
    """What was measured, how much, of what; what we aim at; and what one must know to read it."""

    what: str
    value: float
    unit: str
    aim: str = ""
    note: str = ""


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]
