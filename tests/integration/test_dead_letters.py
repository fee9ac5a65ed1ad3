"""Dead letters: a step whose cause of failure outlasts its attempts is buried, listed with its reason, and redriven."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.asset import asset_stream
from photovault.reprocessing import dead_letters, redrive
from tests.support.factories import OWNER, append, fake_photo, uploaded
from tests.support.fakes import MemoryVault, work


@pytest.fixture
def broken() -> Iterator[MemoryVault]:
    """A vault in which one photo's renditions failed five times, and another photo is well."""
    with MemoryVault() as vault:
        vault.media.misbehave("beach", "render", *[RuntimeError("the disk is on fire") for _ in range(5)])
        for mark in ("beach", "hill"):
            key = vault.blobs.put(fake_photo(mark))
            append(vault.store, asset_stream(OWNER, mark), [uploaded(f"{mark}.jpg", blob=key, sha256=key)])
        work(vault)
        yield vault


def states(vault: MemoryVault) -> dict[str, str]:
    projection, table = vault.generations.active("processing")
    rows = vault.views.query(table, OWNER).rows
    return {row.key: projection.decode(row.data).state for row in rows}


def test_what_fails_for_good_is_buried_alone_with_its_reason(broken: MemoryVault) -> None:
    assert states(broken) == {"beach": "given_up", "hill": "done"}
    (letter,) = dead_letters(broken)
    assert (letter.queue, letter.message.stream) == ("renditions", asset_stream(OWNER, "beach"))
    assert "the disk is on fire" in letter.reason


def test_a_redrive_asks_again_with_an_event_and_empties_the_list(broken: MemoryVault) -> None:
    assert redrive(broken, OWNER) == 1
    assert dead_letters(broken) == []
    work(broken)
    assert states(broken) == {"beach": "done", "hill": "done"}
    types = [type(r.event).__name__ for r in broken.store.load(asset_stream(OWNER, "beach")).events]
    assert types.count("RenditionsGenerated") == 1
    assert types[types.index("ReprocessRequested") - 1] == "AssetProcessed"


def test_a_redrive_of_nothing_does_nothing(broken: MemoryVault) -> None:
    redrive(broken, OWNER)
    work(broken)
    before = broken.commits.last_position()
    assert redrive(broken, OWNER) == 0
    assert broken.commits.last_position() == before
