"""duplicates: which other assets of the owner show the same picture. The same bytes are known since `validate`."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.events import Event, LookalikesFound
from domain.likeness import ALGORITHM
from steps import Ports


def find_duplicates(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Put the asset's own hashes into the index, then search it: of two assets at least the second finds the first."""
    fingerprint = asset.fingerprint
    assert fingerprint is not None  # the step follows FingerprintComputed
    if fingerprint.algorithm != ALGORITHM or (fingerprint.pixels, fingerprint.phash) == (None, None):
        return [LookalikesFound(run=attempt.run())]
    found = ports.lookalikes.near(asset.stream, fingerprint.pixels, fingerprint.phash)
    return [LookalikesFound(run=attempt.run(), matches=found.matches, more=found.more)]
