"""Every exception that Resque raises, grouped by what the caller does next.

    ResqueError
    ├── ConfigError            mend the settings, then start again
    │   ├── WireMismatch         this namespace belongs to another wire direction: set wire= explicitly
    │   ├── AppNotFound          the module given with -A cannot be imported
    │   └── DuplicateJob         two jobs with one wire name: rename one, or give it name=
    ├── JobError               mend the call; nothing was sent
    │   ├── BadArguments         the arguments do not fit perform's signature, or not its annotated types
    │   ├── Unserializable       an argument would not come back from JSON the same
    │   ├── PayloadTooLarge      put the data elsewhere and pass a reference
    │   └── BadQueueName         the name would not survive as a Redis key
    ├── EnqueueError           decide whether to repeat
    │   ├── NotEnqueued          nothing was stored: safe to repeat
    │   ├── EnqueueUnknown       sent, but no answer came: it may or may not be stored (has .job_id)
    │   └── NotUnique            another job stands for it (has .job_id), and its Unique says "raise"
    ├── StoreError             what Redis said, or that it said nothing
    │   ├── Unreachable          no connection, or it broke: reconnect, then look what is true
    │   ├── Unavailable          the server is there but cannot serve now (LOADING, BUSY, OOM …): try later
    │   ├── Demoted              the server is no longer a primary: drop the connection, resolve again
    │   └── Refused              the server will not do this for us (rights, wrong type): tell a person
    ├── Unreadable             a payload that cannot be read (has .reason); kept whole in failed
    ├── UnknownJob             a payload names a job that is not registered
    ├── JobTimeout             raised inside a job whose time is over; recorded when it did not heed that
    ├── JobKilled              an operator ended the job (recorded)
    ├── ToldError              what a job raised in a process of its own, as text (recorded)
    └── WorkerDied             the process that ran a job died (recorded, never raised into a job)

Catch `ResqueError` to catch them all. The message of each says what to do next.
"""

from collections.abc import Mapping, Sequence


class ResqueError(Exception):
    """The root: everything that Resque raises on purpose."""


class ConfigError(ResqueError):
    """A setting is wrong or missing."""


class WireMismatch(ConfigError):
    """The namespace in Redis is used in another wire direction than ours."""


class AppNotFound(ConfigError):
    """A module with jobs cannot be imported."""


class DuplicateJob(ConfigError):
    """A second job claims a wire name."""


class JobError(ResqueError):
    """The call is wrong; nothing was sent."""


class BadArguments(JobError, TypeError):
    """The arguments do not fit perform."""


class Unserializable(JobError, ValueError):
    """An argument would not come back from JSON as it was."""


class PayloadTooLarge(JobError, ValueError):
    """The encoded job is above the limit."""


class BadQueueName(JobError, ValueError):
    """A queue name that Redis keys cannot hold safely."""


class EnqueueError(ResqueError):
    """Not every job is known to be stored. Job ids, sorted into what is known of them:"""

    def __init__(
        self, message: str, *, stored: Sequence[str] = (), unknown: Sequence[str] = (), missing: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.stored = tuple(stored)
        """Surely stored (the others of an enqueue_many)."""
        self.unknown = tuple(unknown)
        """Sent, but no answer came."""
        self.missing = tuple(missing)
        """Surely not stored: safe to repeat."""


class NotEnqueued(EnqueueError):
    """The jobs in `missing` were not stored; it is safe to repeat them."""


class EnqueueUnknown(EnqueueError):
    """The jobs in `unknown` were sent but the server's answer was lost: they may be stored or not."""

    @property
    def job_id(self) -> str:
        """The id of the (first) job that is in doubt."""
        return self.unknown[0]


class NotUnique(EnqueueError):
    """A job of which there may be one only was not stored. `taken`: its id -> the id of the job that stands for it."""

    def __init__(self, message: str, *, taken: Mapping[str, str], stored: Sequence[str] = ()) -> None:
        super().__init__(message, stored=stored, missing=tuple(taken))
        self.taken = dict(taken)

    @property
    def job_id(self) -> str:
        """The id of the job that stands for the (first) one that was not stored."""
        return next(iter(self.taken.values()))


class StoreError(ResqueError):
    """Something is wrong between us and Redis."""

    sent = True
    """Whether the command may have reached the server."""


class Unreachable(StoreError):
    """No connection to Redis, or it broke."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class Unavailable(StoreError):
    """Redis is there but cannot serve the command now."""


class Demoted(StoreError):
    """The server has become a replica."""


class Refused(StoreError):
    """Redis answered with an error that will not go away by itself."""


class Unreadable(ResqueError, ValueError):
    """A payload that strict reading refuses."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownJob(ResqueError, LookupError):
    """No registered job has this wire name."""


class WorkerDied(ResqueError):
    """The process that ran the job died."""


class JobTimeout(ResqueError, TimeoutError):
    """A job ran longer than its `timeout`. Catch it to clean up; a job that goes on is killed with its process."""


class JobKilled(ResqueError):
    """An operator ended the job."""


class ToldError(ResqueError):
    """What a job raised in a process of its own: the text that this process told, never an object of that class.

    kind: the name of the class. text: its message. backtrace: "file.py:12:in perform", innermost first.
    """

    def __init__(self, kind: str, text: str, backtrace: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.backtrace = list(backtrace)
