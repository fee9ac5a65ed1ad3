"""Cursors: where a query goes on, as an opaque word that is good for that query alone.

The check is over the query's scope, so that a cursor of another owner, another range or another order is refused. It
holds no secret: the partition that is read always comes from the caller, never from the cursor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from domain.errors import InvalidInput

_CHECK_BYTES = 8

Scope = tuple[str, str, str | None, str, str | None, bool]
"""Projection, partition, index, low, high, descending."""


def issue(scope: Scope, key: str, index_key: str) -> str:
    """A cursor behind the row with this primary key and this key in the queried index."""
    place = msgspec.json.encode((key, index_key))
    return base64.urlsafe_b64encode(_check(scope, place) + place).decode().rstrip("=")


def read(scope: Scope, cursor: str) -> tuple[str, str]:
    """Primary key and index key that a cursor names; `InvalidInput` when it is not one of this query's."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    check, place = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if not place or check != _check(scope, place):
        raise InvalidInput("this cursor is not one of this query's: begin again without one")
    return msgspec.json.decode(place, type=tuple[str, str])


def _check(scope: Scope, place: bytes) -> bytes:
    return hashlib.sha256(msgspec.json.encode(scope) + b"\n" + place).digest()[:_CHECK_BYTES]
