"""Intake: an object in the upload bucket becomes an asset of its owner, or is refused with an event; never neither.

Whose it is says its key: `<owner>/...`, or the default owner where there is one. S3 tells of an object twice, late or
never; ids derive from bucket, key and version, so that telling again changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from adapters.aws.originals import UNVERSIONED, blob_key
from domain.asset import asset_stream
from domain.commits import NEW, VAULT_OWNER, Cause, derive_id, stream_name
from domain.errors import ConflictError
from domain.events import AssetUploaded, Event, UploadRefused
from domain.eventstore import EventStore
from photovault.aws.cloud import is_owner

_MAX_BLOB_KEY = 1024  # domain.events.BlobKey

Code = Literal["no_owner", "key_too_long", "folder"]


class Stored(Struct, frozen=True, kw_only=True):
    """One version of one object, as S3 tells of it."""

    bucket: str
    key: str
    version: str  # "null" in a bucket without versions
    etag: str
    size_bytes: int
    at: datetime  # when it was stored, UTC


class Taken(Struct, frozen=True):
    """What became of an object."""

    stream: str
    new: bool  # False: it was taken in, or refused, before
    refused: Code | None = None


def owner_of(key: str, default: str | None) -> str | None:
    """The owner that a key names by its first folder, else the default one, else None."""
    first, slash, _ = key.partition("/")
    return first if slash and is_owner(first) else default


def place_of(stored: Stored, default: str | None) -> tuple[str, Event]:
    """The stream that an object's first event belongs to, and that event."""
    # Without versions an object may be overwritten under the same version id: its content's tag tells them apart.
    version = stored.version if stored.version != UNVERSIONED else f"{UNVERSIONED}:{stored.etag}"
    ident = derive_id("object", stored.bucket, stored.key, version)
    owner = owner_of(stored.key, default)
    blob = blob_key(stored.key, stored.version)
    if stored.key.endswith("/"):
        return _refused(stored, ident, "folder", "the key ends in a slash: it marks a folder, and holds no file")
    if owner is None:
        reason = "the key begins with no owner's name, and the deployment has no default owner: store it as <owner>/..."
        return _refused(stored, ident, "no_owner", reason)
    if len(blob) > _MAX_BLOB_KEY:
        return _refused(
            stored, ident, "key_too_long", "the key is too long to be recorded: store it under a shorter one"
        )
    uploaded = AssetUploaded(
        file_name=stored.key.rpartition("/")[2],
        size_bytes=stored.size_bytes,
        blob=blob,
        source="s3",
        path=stored.key,
    )
    return asset_stream(owner, ident), uploaded


def take_in(store: EventStore, stored: Stored, default: str | None, actor: str = "intake") -> Taken:
    """Append the object's first event, unless it is there.

    Cost:
        1 append; the same when it was taken in before.
    """
    stream, event = place_of(stored, default)
    refused = event.code if isinstance(event, UploadRefused) else None
    upload_id = derive_id("upload", stream)
    cause = Cause(commit_id=upload_id, actor=actor, correlation_id=upload_id, occurred_at=stored.at)
    try:
        appended = store.append(stream, [event], NEW, cause)
    except ConflictError:  # the stream began in another way: it is there, and that is all that intake wants
        return Taken(stream, False, refused)
    return Taken(stream, not appended.repeated, refused)


def _refused(stored: Stored, ident: str, code: Code, reason: str) -> tuple[str, Event]:
    event = UploadRefused(
        bucket=stored.bucket,
        key=stored.key,
        version_id=stored.version,
        size_bytes=stored.size_bytes,
        code=code,
        reason=reason,
    )
    return stream_name(VAULT_OWNER, "intake", ident), event
