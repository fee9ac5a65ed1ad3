"""From the environment to the totals: copies for the web are made when asked for, and what they save is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from domain.asset import asset_stream
from domain.errors import InvalidInput
from domain.events import RenditionsGenerated
from photovault.auditing import describe
from photovault.config import RenditionOptions, Settings
from photovault.importer import import_files
from photovault.runtime import Runtime, catch_up
from photovault.vault import Vault
from tests.unit.media.pictures import noise, quarters, save


def test_the_environment_says_which_copies_are_made() -> None:
    assert RenditionOptions.of({}) == RenditionOptions()
    assert RenditionOptions.of({"PHOTOVAULT_OPTIMISE": "off"}) == RenditionOptions()
    said = {"PHOTOVAULT_OPTIMISE": "WebP, avif,webp", "PHOTOVAULT_KEEP_COPYRIGHT": "1"}
    assert RenditionOptions.of(said) == RenditionOptions(("webp", "avif"), keep_copyright=True)
    for wrong in ({"PHOTOVAULT_OPTIMISE": "gif"}, {"PHOTOVAULT_KEEP_COPYRIGHT": "yes"}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            RenditionOptions.of(wrong)


def worked(vault: Vault, path: Path) -> RenditionsGenerated:
    """Import and process one file; the event that its renditions left."""
    [asset] = import_files(vault, [path]).assets
    Runtime(vault).run()
    catch_up(vault)
    recorded = vault.store.load(asset_stream("me", asset)).events
    return next(r.event for r in recorded if isinstance(r.event, RenditionsGenerated))


def library(vault: Vault) -> dict[str, int]:
    """The counters of the owner's library."""
    _, table = vault.generations.active("library")
    return dict(vault.views.totals(table, "me")["library"])


def test_what_a_copy_saves_is_in_the_event_and_in_the_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOVAULT_OPTIMISE", "jpeg,webp")
    exif = Image.Exif()
    exif[0x8298] = "(c) A. Photographer"
    path = save(tmp_path, "a.jpg", noise(1200, 900), quality=97, exif=exif)
    monkeypatch.setenv("PHOTOVAULT_KEEP_COPYRIGHT", "1")
    with Vault(Settings.of({}, tmp_path / "home"), create=True) as vault:
        event = worked(vault, path)
        copies = {r.format: r for r in event.renditions if r.name == "web"}
        assert set(copies) == {"jpeg", "webp"}
        smallest = min(r.size_bytes for r in copies.values())
        assert event.original_bytes == path.stat().st_size
        assert event.saved_bytes == path.stat().st_size - smallest > 0
        assert "less for the web" in describe(event)
        with Image.open(vault.locate(copies["jpeg"].blob)) as picture:
            assert picture.size == (1200, 900)
            assert dict(picture.getexif()) == {0x8298: "(c) A. Photographer"}
        counted = library(vault)
        assert counted["web_bytes"] == sum(r.size_bytes for r in copies.values())
        assert counted["saved_bytes"] == event.saved_bytes


def test_without_the_option_nothing_is_copied_and_nothing_is_saved(tmp_path: Path) -> None:
    with Vault(Settings.of({}, tmp_path / "home"), create=True) as vault:
        event = worked(vault, save(tmp_path, "a.jpg", quarters(800, 600), quality=97))
        assert {r.name for r in event.renditions} == {"small", "medium", "large"}
        assert (event.saved_bytes, event.original_bytes > 0) == (0, True)
        assert "saved_bytes" not in library(vault)
