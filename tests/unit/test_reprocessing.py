"""Asking again: assets that are older than a step get it with all others; those that never came so far are left."""

from __future__ import annotations

import pytest

from domain.asset import asset_stream
from domain.errors import InvalidInput
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from tests.support.factories import OWNER, append, metadata, processed, quarantined, renditions, uploaded, validated
from tests.support.fakes import MemoryVault

OLD_LIFE = (uploaded(), validated(), metadata(), [renditions(), processed()])  # before there were fingerprints


def test_all_means_also_those_that_are_older_than_the_step() -> None:
    with MemoryVault() as vault:
        append(vault.store, asset_stream(OWNER, "old"), *OLD_LIFE)
        append(vault.store, asset_stream(OWNER, "bad"), uploaded(), [quarantined(), processed("quarantined")])
        catch_up(vault)  # type: ignore[arg-type]
        chosen = Selection(everything=True)
        assert reprocess(vault, "fingerprint", chosen, "new", dry=True) == ["old"]  # type: ignore[arg-type]
        assert reprocess(vault, "fingerprint", chosen, "new") == ["old"]  # type: ignore[arg-type]
        assert reprocess(vault, "fingerprint", chosen, "new") == []  # type: ignore[arg-type] - asked for already


def test_an_asset_that_is_named_and_never_came_so_far_is_a_wrong_call() -> None:
    with MemoryVault() as vault:
        append(vault.store, asset_stream(OWNER, "bad"), uploaded(), [quarantined(), processed("quarantined")])
        catch_up(vault)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="has not come to fingerprint"):
            reprocess(vault, "fingerprint", Selection(assets=("bad",)), "new")  # type: ignore[arg-type]
