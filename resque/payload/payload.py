"""The shape of what travels, and its trailer.

May be in here: the fields of a payload and how `tries`, its last field, is cut off and put on, on bytes.
May not: JSON parsing, limits (strict.py), Redis, clocks.

On the wire, in this order; all but `class` and `args` only when used:

    {"class":"ProcessOrderJob","args":[123],"kwargs":{…},"meta":{…},"sig":"…","tries":{"id":"…","attempt":1,"crashes":0}}

`tries` is the only part that is ever rewritten, so that everything before it (closed with `}`) can be signed byte for
byte. It counts only as the very last bytes and exactly as written here. In a valid JSON object those bytes can be
nothing but its last field: a string that held them would have to be closed after them. A foreign field named `tries` of
any other form or place means nothing.
"""

import re
from typing import Annotated, Any

import msgspec

MAX_COUNT = 999_999_999
"""Counts are written with at most nine digits, so that the length of a trailer is bounded."""

TRAILER_BYTES = 160
"""More than the longest trailer: a payload at the size limit may grow by so much when it is put back."""

TRAILER_MARK, TRAILER_MARK_AT = b'"crashes":', -21
"""What every trailer has in its last 21 bytes (the longest end is '"crashes":999999999}}'): a cheap first test."""

_WHITE = b" \t\r\n"
_TRAILER = re.compile(
    rb'"tries":\{(?:"id":"([0-9A-Fa-f-]{1,64})",)?"attempt":([1-9][0-9]{0,8}),"crashes":(0|[1-9][0-9]{0,8})\}\}\Z'
)
_TRIES_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")


Moment = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970; a datetime can hold it."""


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the enqueuer stamped on a job; fixed from then on. The bounds hold for reading, not for building."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    queue: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    enqueued_at: Moment
    due_at: Moment | None = None
    """When a delayed job was to run."""
    expires_at: Moment | None = None
    """Not started later."""
    deadline_at: Moment | None = None
    """No attempt is begun later."""
    lock: Annotated[str, msgspec.Meta(pattern=r"^(?:start|done|ttl):[0-9a-f]{32}\Z")] | None = None
    """The digest of its lock, and when that is freed."""


class Tries(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a job was tried: `attempt` from 1, `crashes` of its worker from 0. `id` only if meta has none."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f-]{1,64}\Z")] | None = None
    # A factory's value is no default to msgspec: the counts are always written, only a missing id is not.
    attempt: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = msgspec.field(default_factory=lambda: 1)
    crashes: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] = msgspec.field(default_factory=lambda: 0)


FIRST = Tries()
"""A job that has not been tried yet."""


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job as it travels. Read one with `codec.decode`, write one with `codec.encode`."""

    job: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = msgspec.field(name="class")
    args: list[Any]
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    meta: Meta | None = None
    sig: str | None = None
    tries: Tries | None = None

    @property
    def id(self) -> str | None:
        """The job's id: from meta, else from tries, else None (a foreign payload that was never put back)."""
        if self.meta is not None:
            return self.meta.id
        return self.tries.id if self.tries is not None else None

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.tries.attempt if self.tries is not None else 1

    @property
    def crashes(self) -> int:
        """How many workers died while they ran it."""
        return self.tries.crashes if self.tries is not None else 0


def mark_of(raw: bytes) -> int:
    """The mark of a payload in the memory that forked processes share: never 0, and the same in all of them.

    `hash(bytes)` is seeded anew for each program, but a fork takes the seed along.
    """
    return hash(raw) or 1


def is_id(text: str) -> bool:
    """Whether `text`, of a good length, may be a job's id. It goes into logs and terminals: printable ASCII only."""
    return text.isascii() and text.isprintable()


def split(raw: bytes) -> tuple[bytes, Tries | None]:
    """The payload without its trailer, closed with `}`, and the trailer; `(raw, None)` when it has none. Never raises.

    >>> split(b'{"class":"A","args":[],"tries":{"attempt":2,"crashes":1}}')
    (b'{"class":"A","args":[]}', Tries(id=None, attempt=2, crashes=1))
    """
    if raw.find(TRAILER_MARK, TRAILER_MARK_AT) < 0:
        return raw, None
    found = _TRAILER.search(raw, max(0, len(raw) - TRAILER_BYTES))
    if found is None:
        return raw, None
    before = raw[: found.start()]
    if before.endswith(b","):
        before = before[:-1]
    elif before.strip(_WHITE) != b"{":
        return raw, None
    name = found[1].decode() if found[1] is not None else None
    return before + b"}", Tries(name, int(found[2]), int(found[3]))


def join(raw: bytes, tries: Tries) -> bytes | None:
    """`raw` with `tries` as its trailer instead of any it has; None when `raw` is not `{…}`. Never raises.

    White space after the last `}` goes, every other byte before the trailer stays. An id that is not hex and dashes is
    left out (it can only come from a meta, which keeps it); counts are cut to 1…999,999,999.
    """
    body = split(raw.rstrip(_WHITE))[0].rstrip(_WHITE)
    if not body.endswith(b"}") or not body.lstrip(_WHITE).startswith(b"{"):
        return None
    body = body[:-1]
    comma = b"" if body.strip(_WHITE) == b"{" else b","
    name = b'"id":"%b",' % tries.id.encode() if tries.id is not None and _TRIES_ID.fullmatch(tries.id) else b""
    attempt = min(max(tries.attempt, 1), MAX_COUNT)
    crashes = min(max(tries.crashes, 0), MAX_COUNT)
    return b'%b%b"tries":{%b"attempt":%d,"crashes":%d}}' % (body, comma, name, attempt, crashes)
