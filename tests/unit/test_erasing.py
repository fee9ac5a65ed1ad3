"""Erasure: what is left of an erased asset, wherever the eraser was killed; and that all else goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.asset import asset_stream, fold
from domain.asset import trash as trash_of
from domain.asset import upload as upload_of
from domain.blobs import BLOB_FIELDS, blobs_of
from domain.errors import NotFound, UnreadableEvent
from domain.events import ERASED, EVENTS, AssetErased, AssetUploaded
from events_schema.codec import EventCodec
from events_schema.contract import FOLDER
from photovault.erasing import DOUBTED, UNDER_WAY, erase, finish
from photovault.importer import find_files, import_files
from photovault.keeping import restore, trash
from photovault.rebuilding import at_moment
from photovault.sealing import seal, verify_history
from projections import PROJECTIONS
from projections.verify import compare, digest
from tests.support.factories import (
    OWNER,
    append,
    erased,
    fake_photo,
    metadata,
    renditions,
    reprocess,
    trashed,
    uploaded,
    validated,
)
from tests.support.fakes import MemoryVault, active_rows, work
from tests.support.specs import Projected, given


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[MemoryVault]:
    for name in ("secret_a", "secret_b"):
        (tmp_path / f"{name}.jpg").write_bytes(fake_photo(name))
    with MemoryVault() as vault:
        import_files(vault, find_files([tmp_path]))  # type: ignore[arg-type]
        work(vault)
        yield vault


def streams(vault: MemoryVault) -> list[str]:
    return sorted({commit.stream for commit in vault.everything() if "#asset#" in commit.stream})


def stored(vault: MemoryVault) -> bytes:
    """All that the history's items hold, and the keys that are left."""
    bodies = b"".join(vault.store.body_of(commit) for commit in vault.everything())
    return bodies + b"".join(key for _, key in vault.keys.everything() if key)


def name_of(vault: MemoryVault, stream: str) -> str:
    event = vault.store.load(stream).events[0].event
    assert isinstance(event, AssetUploaded)
    return event.file_name


def equal(vault: MemoryVault) -> bool:
    history = vault.everything
    wanted = digest(PROJECTIONS, vault.store, sorted(history(), key=lambda c: (c.stream, c.number)))
    return all(
        compare(p, vault.table(p.name), want, vault.store, vault.views, lambda: iter(history())).equal
        for p, want in zip(PROJECTIONS, wanted, strict=True)
    )


class TestHistory:
    def test_no_name_or_path_is_stored_in_the_clear(self, vault: MemoryVault) -> None:
        assert name_of(vault, streams(vault)[0]).startswith("secret_")
        assert b"secret_" not in stored(vault)

    def test_what_was_erased_says_so_and_nothing_else(self, vault: MemoryVault) -> None:
        one, other = streams(vault)
        name = name_of(vault, other)
        erase(vault, one, "asked", "person:anna")
        work(vault)
        events = [each.event for each in vault.store.load(one).events]
        assert isinstance(events[0], AssetUploaded)
        assert (events[0].file_name, events[0].path, events[0].blob) == (ERASED, None, ERASED)
        assert events[-1] == AssetErased(why="asked")
        assert fold(one, vault.store.load(one).events).state == "erased"
        assert name_of(vault, other) == name

    def test_the_hash_chain_and_the_seals_hold_as_before(self, vault: MemoryVault) -> None:
        seal(vault.store, vault.blobs, vault.clock())  # type: ignore[arg-type]
        erase(vault, streams(vault)[0], "asked", "person:anna")
        commits = sorted(vault.everything(), key=lambda c: (c.stream, c.number))
        found = verify_history(vault.store, vault.blobs, commits)  # type: ignore[arg-type]
        assert found.intact
        assert found.seals == 1

    def test_a_key_that_was_lost_is_not_taken_for_one_that_was_destroyed(self, vault: MemoryVault) -> None:
        with MemoryVault() as other:
            codec = EventCodec(keys=other.keys)
            commit = next(iter(vault.commits.read(streams(vault)[0])))
            with pytest.raises(UnreadableEvent, match="restore the keys"):
                codec.decode(commit, commit.body)

    def test_what_comes_after_holds_nothing_personal(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        erase(vault, one, "asked", "person:anna")
        append(vault.store, one, uploaded("secret_again"))
        assert b"secret_" not in stored(vault)


class TestFiles:
    def test_all_its_files_are_gone_and_no_other(self, vault: MemoryVault) -> None:
        one, other = streams(vault)
        mine = {key for each in vault.store.read(one) for key in blobs_of(each.event)}
        others = {key for each in vault.store.read(other) for key in blobs_of(each.event)}
        assert mine - others
        done = erase(vault, one, "asked", "person:anna")
        assert not (mine - others) & vault.blobs.data.keys()
        assert others <= vault.blobs.data.keys()
        assert done.blobs == len(mine - others)

    def test_what_may_be_another_asset_s_too_waits(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        key = next(iter(blobs_of(vault.store.load(one).events[0].event)))
        vault.blobs.put(vault.blobs.get(key))
        erase(vault, one, "asked", "person:anna")
        assert vault.blobs.get(key)
        assert [entry.name for entry in vault.checkpoints.list(DOUBTED)] == [key]

    def test_every_field_of_the_contract_that_holds_a_blob_is_known(self) -> None:
        def fields(schema: Any) -> Iterator[str]:
            for name, field in schema.get("properties", {}).items():
                about = field.get("description", "")
                if about.startswith(("Blob ", "Key of the bytes", "Blob of")):
                    yield name
            for part in schema.get("$defs", {}).values():
                yield from fields(part)

        found = {
            name
            for cls in EVENTS
            for name in fields(json.loads((FOLDER / cls.__name__ / f"{cls.VERSION}.json").read_text()))
        }
        assert found <= BLOB_FIELDS
        assert "blob" in found


class TestViews:
    def test_no_row_is_left_and_a_replay_finds_the_same(self, vault: MemoryVault) -> None:
        one, other = streams(vault)
        ident = one.rpartition("#")[2]
        erase(vault, one, "asked", "person:anna")
        work(vault)
        rows = active_rows(vault)
        assert not [key for view in rows.values() for key in view if ident in key[1]]
        assert other.rpartition("#")[2] in str(rows["gallery"])
        assert rows["library"][OWNER, "total library/assets"] == 1
        assert equal(vault)

    def test_the_past_is_shown_without_it(self, vault: MemoryVault) -> None:
        before = vault.clock()
        one = streams(vault)[0]
        erase(vault, one, "asked", "person:anna")
        projection, table, views = at_moment(vault, "gallery", int(before.timestamp() * 1e6))  # type: ignore[arg-type]
        shown = [projection.decode(row.data).file_name for row in views.query(table, OWNER).rows]
        assert sorted(shown) == sorted([ERASED, name_of(vault, streams(vault)[1])])

    @pytest.mark.parametrize("projection", [p for p in PROJECTIONS if p.category == "asset"], ids=lambda p: p.name)
    def test_in_every_view_however_its_events_are_delivered(self, projection: Any) -> None:
        life = [[uploaded()], [validated()], [metadata()], [renditions()], [trashed()], [erased()]]
        Projected(projection).given("a1", *life).then_keys()


class TestKilledAnywhere:
    def test_between_the_event_and_the_files(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        vault.checkpoints.save(UNDER_WAY, one, b"1", expected=None)
        append(vault.store, one, erased())
        assert name_of(vault, one).startswith("secret_")
        erase(vault, one, "asked", "person:anna")
        assert name_of(vault, one) == ERASED
        assert list(vault.checkpoints.list(UNDER_WAY)) == []

    def test_before_the_event_nothing_was_erased(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        vault.checkpoints.save(UNDER_WAY, one, b"1", expected=None)
        finish(vault, one, erase(vault, asset_stream(OWNER, "nobody"), "asked", "person:anna"))
        assert name_of(vault, one).startswith("secret_")
        assert vault.keys.get(one)

    def test_twice_is_once(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        erase(vault, one, "asked", "person:anna")
        events = vault.store.load(one).version
        assert erase(vault, one, "asked", "person:anna").assets == []
        assert vault.store.load(one).version == events


class TestRules:
    def test_what_was_taken_out_of_the_trash_stays(self, vault: MemoryVault) -> None:
        one = streams(vault)[0]
        trash(vault, one, "blurred")  # type: ignore[arg-type]
        restore(vault, one, "not so bad")  # type: ignore[arg-type]
        assert erase(vault, one, "trash_expired", "upkeep").assets == []
        assert name_of(vault, one).startswith("secret_")

    def test_nothing_happens_to_an_erased_asset_any_more(self) -> None:
        asset = given(uploaded(), validated(), erased())
        asset.when_ends(renditions()).then_nothing()
        asset.when(trash_of, "again").then_nothing()
        asset.when(upload_of, uploaded("other.jpg")).then_nothing()
        assert given(uploaded(), erased(), reprocess("validate")).asset.due() == {}

    def test_its_file_does_not_come_back_with_an_import(self, vault: MemoryVault, tmp_path: Path) -> None:
        for one in streams(vault):
            erase(vault, one, "asked", "person:anna")
        work(vault)
        blobs = set(vault.blobs.data)
        report = import_files(vault, find_files([tmp_path]))  # type: ignore[arg-type]
        assert report.added == 0
        assert [r.reason for r in report.refusals] == ["it was erased on 2026-05-01, and does not come back"] * 2
        assert set(vault.blobs.data) == blobs

    def test_nobody_can_read_what_another_stream_sealed(self, vault: MemoryVault) -> None:
        one, other = streams(vault)
        first = next(iter(vault.commits.read(one)))
        with pytest.raises(UnreadableEvent, match="not sealed with this key"):
            vault.store.events_of(
                type(first)(**{f: getattr(first, f) for f in first.__struct_fields__} | {"stream": other})
            )


def test_a_key_that_never_was_is_said() -> None:
    with MemoryVault() as vault, pytest.raises(NotFound, match="restore the keys"):
        vault.keys.get("anna#asset#nobody")
