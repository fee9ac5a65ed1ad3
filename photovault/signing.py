"""What links carry and nobody can make up: codes signed with a key that the vault keeps for itself.

The key lies among the vault's own documents, never in an event. When it is lost, or `forget` drops it, sessions end and
the unsubscribe links of old messages work no longer; shares do, as their tokens are random and only hashed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from domain.errors import PhotoVaultError
from domain.ports import Checkpoints

__all__ = ["Signing"]

_KIND, _NAME = "secret", "links"


class Signing:
    """Signs and checks; makes the key when it is first needed. Cost: one read an instance."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._held: bytes | None = None

    def sign(self, purpose: str, *parts: str) -> str:
        """A code of 43 characters (HMAC-SHA256) that is the same whenever purpose and parts are."""
        text = "\x1f".join((purpose, *parts)).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key(), text, "sha256")).decode().rstrip("=")

    def check(self, code: str, purpose: str, *parts: str) -> bool:
        """Whether a code is the one for these; in constant time."""
        return hmac.compare_digest(code.encode(), self.sign(purpose, *parts).encode())

    def visitor(self, share: str, address: str | None) -> str:
        """16 hex digits for a visitor's address, others for each share; empty when there is none."""
        if not address:
            return ""
        return hashlib.sha256(self.sign("visitor", share, address).encode()).hexdigest()[:16]

    def forget(self) -> None:
        """Drop the key: whatever was signed with it is void."""
        self._checkpoints.delete(_KIND, _NAME)
        self._held = None

    def _key(self) -> bytes:
        if self._held is None:
            entry = self._checkpoints.load(_KIND, _NAME) or self._checkpoints.save(
                _KIND, _NAME, secrets.token_bytes(32), expected=0
            )
            entry = entry or self._checkpoints.load(_KIND, _NAME)  # somebody else made it in between
            if entry is None:
                raise PhotoVaultError("the key for links was removed while it was read: try again")
            self._held = entry.value
        return self._held
