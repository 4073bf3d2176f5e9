"""The errors of a job's earlier attempts, as a person reads them.

May be in here: one line for each. May not: where they are kept (store/attempts.py, payload/failure.py).
"""

import json
from collections.abc import Iterable
from typing import Any


def told(errors: Iterable[bytes], *, as_json: bool) -> Any:
    """For JSON what was recorded, else a line for each attempt, the oldest first. Whatever the bytes are.

    >>> told([b'{"attempt":1,"failed_at":"2026/11/24 01:55:21 UTC","exception":"OSError","error":"no"}'], as_json=False)
    ('1: OSError: no (2026/11/24 01:55:21 UTC)',)
    """
    read = [_read(each) for each in errors]
    return read if as_json else tuple(_line(each) for each in read)


def _read(raw: bytes) -> Any:
    text = raw.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _line(seen: Any) -> str:
    if not isinstance(seen, dict):
        return str(seen)
    first = str(seen.get("error") or "").split("\n", 1)[0]
    return f"{seen.get('attempt', '?')}: {seen.get('exception', '?')}: {first} ({seen.get('failed_at', '?')})"
