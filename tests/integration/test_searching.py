"""Search in a whole vault: live writing, replay, a lost index, and the policy on what is shown."""

from __future__ import annotations

import sqlite3
import struct
from datetime import date
from pathlib import Path

import pytest

from domain.events import AssetEmbedded, AssetTagged
from domain.recognition import ModelUse, Tag
from photovault.config import Settings
from photovault.rebuilding import rebuild
from photovault.runtime import catch_up
from photovault.searching import search, suggest
from photovault.vault import Vault
from projections.search import Search
from tests.support.factories import append, metadata, place, renditions, run, sha, uploaded, validated

TODAY = date(2026, 11, 24)


def _tagged(*names: str) -> AssetTagged:
    tags = tuple(Tag(name, "object", 0.9, "m 1") for name in names)
    return AssetTagged(run=run("tags"), tags=tags, models=(ModelUse("m", "1"),))


def _fill(vault: Vault) -> None:
    for ident, tags in {"a1": ("dog", "beach"), "a2": ("cat",), "a3": ("dog",)}.items():
        blob = vault.blobs.put(struct.pack("<2e", 1.0, 0.0))
        embedded = AssetEmbedded(
            run=run("embed"), vector=blob, dimensions=2, words_sha256=sha(ident), model=ModelUse("t", "1")
        )
        events = [[uploaded(f"{ident}.jpg")], [validated()], [metadata()], [place()], [renditions()], [_tagged(*tags)]]
        append(vault.store, f"me#asset#{ident}", *events, [embedded])
    append(vault.store, "bert#asset#b1", [uploaded()], [validated()], [_tagged("dog", "secret")])
    catch_up(vault)


def _found(vault: Vault, text: str) -> list[str]:
    return [item["asset"] for item in search(vault, text, TODAY, lexical=True).items]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def test_what_is_appended_is_found_by_its_owner_alone(home: Path) -> None:
    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
        assert set(_found(vault, "dog place:rome")) == {"a1", "a3"}
        assert _found(vault, "dog beach")[0] == "a1"
        assert _found(vault, "secret") == []
        assert set(_found(vault, "like:a1")) == {"a2", "a3"}
        assert suggest(vault, "do", 5) == ["dog"]
    with Vault(Settings(home, "bert", 1)) as vault:
        assert _found(vault, "dog") == ["b1"]


def test_a_replay_builds_an_index_that_finds_the_same(home: Path) -> None:
    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
        before = {text: _found(vault, text) for text in ("dog", "cat", "dog beach", "june", "like:a1", "2024")}
        result = rebuild(vault, ["search"], on_progress=lambda *_: None)
        assert result.switched
        assert vault.generations.active("search")[1].generation == 2
        assert {text: _found(vault, text) for text in before} == before


def test_an_index_that_was_lost_is_filled_from_the_rows(home: Path) -> None:
    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
        before = _found(vault, "dog")
    for file in home.glob("search.db*"):
        file.unlink()
    with Vault(Settings(home, "me", 1)) as vault:
        assert _found(vault, "dog") == before != []


def test_an_index_of_another_schema_is_filled_anew(home: Path) -> None:
    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
        before = _found(vault, "dog")
    with sqlite3.connect(home / "search.db") as old:
        old.execute("PRAGMA user_version=999")
        old.execute("ALTER TABLE s1_docs DROP COLUMN month")
    old.close()
    with Vault(Settings(home, "me", 1)) as vault:
        assert _found(vault, "dog") == before != []


def test_a_row_never_claims_what_the_index_does_not_have(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
        append(vault.store, "me#asset#a2", [_tagged("zebra")])

        def killed(*_: object, **__: object) -> int:
            raise OSError("no space left")

        with monkeypatch.context() as broken:
            broken.setattr(vault.index, "put", killed)
            with pytest.raises(OSError, match="no space"):
                catch_up(vault)
        [row] = vault.views.get(vault.generations.active("search")[1], [("me", "a2")])
        assert row is not None
        assert Search().decode(row.data).document.tags == ("cat",)
        catch_up(vault)
        assert _found(vault, "zebra") == ["a2"]


def test_what_the_policy_withholds_is_found_without_its_pictures(home: Path) -> None:
    from domain.scanning import Serving

    with Vault(Settings(home, "me", 1), create=True) as vault:
        _fill(vault)
    with Vault(Settings(home, "me", 1, serving=Serving(unscanned=False))) as vault:
        items = search(vault, "dog", TODAY, lexical=True).items
        assert len(items) == 2
        assert all(item["withheld"] and not item["renditions"] for item in items)
