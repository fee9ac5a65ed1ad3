"""Sealing: vectors of faces are stored encrypted, so that whoever destroys the key has destroyed them all.

AES-256-GCM: what was changed, or belongs to another asset or owner, does not open.
"""

from __future__ import annotations

import os

__all__ = ["KEY_BYTES", "new_key", "seal", "unseal"]

KEY_BYTES = 32
_NONCE_BYTES = 12


def new_key() -> bytes:
    """A random key."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, data: bytes, bound_to: str) -> bytes:
    """Encrypt; it opens only with the same key and for the same `bound_to`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound_to.encode())


def unseal(key: bytes, sealed: bytes, bound_to: str) -> bytes | None:
    """Decrypt; None when it is not what was sealed with this key for this."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(sealed) <= _NONCE_BYTES:
        return None
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
    except InvalidTag:
        return None
