"""Every error that PhotoVault raises on purpose, in one tree.

PhotoVaultError               a message for a person: what went wrong, what to do
├── InvalidInput              the caller's words are off (the command line exits 2)
│   ├── InvalidToken          an append token that this store never issued for this stream
│   ├── InvalidEvent          an event that does not satisfy its own schema
│   └── CommitTooLarge        one decision with more bytes of events than a commit may hold
├── NotFound                  no such asset, view, stream or blob
├── ConflictError             somebody else appended first; carries the winner's commit
├── HistoryDamaged            the hash chain does not hold; names stream and commit
├── UnreadableEvent           stored bytes that no known schema version explains; the stream is parked
├── ViewUnavailable           a projection has no active generation, or it is mid-switch
├── MediaRejected             the file itself is at fault: a retry can't help
├── ScanFailed                the malware scanner did not come to a verdict
├── ShareClosed               a link that does not show its pictures to this visitor now; says why
├── NotDelivered              a message that was surely not sent; says whether a retry may help
├── DeliveryUnknown           a message that may have been sent, or not
├── ServicePaused             a service that costs money may not be asked any more this month
└── MediaFailed               the decoder did not finish: crashed, out of time, out of memory
    ├── DecoderCrashed
    ├── DecoderKilled
    ├── DecoderTimeout
    └── DecoderOutOfMemory
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.commits import Commit

__all__ = [
    "CommitTooLarge",
    "ConflictError",
    "DecoderCrashed",
    "DecoderKilled",
    "DecoderOutOfMemory",
    "DecoderTimeout",
    "DeliveryUnknown",
    "HistoryDamaged",
    "InvalidEvent",
    "InvalidInput",
    "InvalidToken",
    "MediaFailed",
    "MediaRejected",
    "NotDelivered",
    "NotFound",
    "PhotoVaultError",
    "ScanFailed",
    "ServicePaused",
    "ShareClosed",
    "UnreadableEvent",
    "ViewUnavailable",
    "WorkerDied",
]


class PhotoVaultError(Exception):
    """Base of all errors that are raised on purpose; `str(error)` is meant for a person."""


class InvalidInput(PhotoVaultError):
    """The caller asked for something that can't be meant."""


class InvalidToken(InvalidInput):
    """The append token was not issued by this store for this stream."""


class InvalidEvent(InvalidInput):
    """The event does not satisfy its schema; nothing was written."""


class CommitTooLarge(InvalidInput):
    """The events of one append are larger than a commit may be; nothing was written."""


class NotFound(PhotoVaultError):
    """What was named does not exist, or belongs to another owner."""


class ConflictError(PhotoVaultError):
    """Another writer appended at this place first.

    Attributes:
        winner: the commit that is there now, so that a caller need not read it again.
    """

    def __init__(self, winner: Commit) -> None:
        super().__init__(
            f"commit {winner.number} of stream {winner.stream} was written by {winner.actor} first: "
            "load the stream again and decide anew"
        )
        self.winner = winner


class HistoryDamaged(PhotoVaultError):
    """The history was changed, cut or added to after it was written.

    Attributes:
        stream: the stream in question.
        number: the first commit that does not hold.
    """

    def __init__(self, stream: str, number: int, what: str) -> None:
        super().__init__(f"stream {stream}, commit {number}: {what}")
        self.stream = stream
        self.number = number
        self.what = what


class UnreadableEvent(PhotoVaultError):
    """Stored bytes can't be read as any known version of their event type."""


class ViewUnavailable(PhotoVaultError):
    """The projection has no generation that may be read yet."""


class MediaRejected(PhotoVaultError):
    """The file itself is at fault, so that a retry can't help.

    Attributes:
        code: a stable word for programs: `not_media`, `truncated`, `corrupt`, `too_large`, `too_many_pixels`,
            `too_many_frames`, `too_long`, `too_deep`, `polyglot`, `unsupported`, `empty`.
        reason: a sentence for a person.
    """

    max_attempts = 1

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ScanFailed(PhotoVaultError):
    """The scanner gave no verdict, so that nobody knows whether the file is harmless.

    Attributes:
        retryable: whether another attempt may help; it does not where the file is over the scanner's own limits.
        engine: name and version of the scanner, when it came as far as to say so.
        signatures: version of its signatures, likewise.
    """

    def __init__(
        self, reason: str, *, retryable: bool = True, engine: str | None = None, signatures: str | None = None
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.engine = engine
        self.signatures = signatures


class ShareClosed(PhotoVaultError):
    """A link does not show its pictures to this visitor now.

    Attributes:
        reason: `password_needed`, `button_needed`, or a reason of `domain.share_events.ShareDenied`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotDelivered(PhotoVaultError):
    """A message was surely not sent: whoever should have taken it said so, or was never reached.

    Attributes:
        retryable: whether another attempt may help.
        refused: why the address itself may not be written to any more (`bounce`, `opted_out`), if that is so.
    """

    def __init__(self, reason: str, *, retryable: bool, refused: str | None = None) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.refused = refused


class DeliveryUnknown(PhotoVaultError):
    """The way to the mail server or service broke after the message was handed over: it may have been sent."""


class ServicePaused(PhotoVaultError):
    """A service that costs money may not be asked: the cap of the month is reached. A step that meets it is skipped."""


class MediaFailed(PhotoVaultError):
    """The decoder did not come to an end; whether the file or the machine is at fault is not known.

    Attributes:
        max_attempts: how often it makes sense to try in all.
    """

    max_attempts = 2


class DecoderCrashed(MediaFailed):
    """The decoder's process ended by itself (for example by a segmentation fault)."""


class DecoderKilled(MediaFailed):
    """The decoder's process was killed from outside (SIGKILL: an operator, or the kernel short of memory)."""

    max_attempts = 5


class WorkerDied(PhotoVaultError):
    """The process that worked on a step ended without a word, several times."""

    max_attempts = 1


class DecoderTimeout(MediaFailed):
    """The decoder took longer than it may and was stopped."""


class DecoderOutOfMemory(MediaFailed):
    """The decoder asked for more memory than it may have."""
