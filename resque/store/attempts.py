"""Attempts: the errors of a job's earlier attempts, kept while it is retried.

May be in here: their form, reading them. May not: what an error says (whoever writes them), writing them: `later` in
settle.py adds one, and whatever ends the job removes them; `fail` takes them into its record.

The form, under the job's id in the hash `attempts:q`: at most 10 JSON objects, the oldest first, with a line feed
between them. JSON has no line feed inside a string and msgspec writes none elsewhere, so a script can cut and join them
without reading JSON, and a comma in the place of each line feed makes the inside of a JSON list.
"""

from resque.store.keys import Keys
from resque.store.operation import Operation

KEEP = 10
"""So many errors of one job are kept, the newest."""


def of(keys: Keys, queue: str, id: str) -> Operation[list[bytes]]:
    """The errors of a job's earlier attempts, each a JSON object, the oldest first; [] where there are none."""
    return Operation("HGET", (keys.attempts(queue),), (id,), lambda reply: parse(reply or b""))


def parse(text: bytes) -> list[bytes]:
    """The objects in a field of the hash.

    >>> parse(b'{"error":"first"}\\n{"error":"second"}')
    [b'{"error":"first"}', b'{"error":"second"}']
    """
    return [line for line in text.split(b"\n") if line]
