"""Import of a history: from files in any order of their commits, proved by hashes, or not at all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from domain.asset import asset_stream
from domain.errors import HistoryDamaged, InvalidInput
from domain.eventstore import verify_chain
from events_schema.lines import Line, from_line, to_line
from photovault.exporting import export_history, import_history, lines_in
from tests.support.factories import append, whole_life
from tests.support.fakes import MemoryVault


@pytest.fixture
def source() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        for i in range(5):
            append(vault.store, asset_stream("anna", f"a{i}"), *whole_life())
        yield vault


@pytest.fixture
def target() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


def lines_of(vault: MemoryVault) -> list[Line]:
    return [from_line(to_line(commit)) for commit in vault.everything()]


def content(vault: MemoryVault) -> dict[tuple[str, int], bytes]:
    return {(commit.stream, commit.number): commit.hash for commit in vault.everything()}


@pytest.mark.parametrize("seed", range(5))
def test_commits_may_come_in_any_order_and_twice(source: MemoryVault, target: MemoryVault, seed: int) -> None:
    lines = lines_of(source) * 2
    random.Random(seed).shuffle(lines)
    done = import_history(target.store, target.blobs, lines)
    assert content(target) == content(source)
    assert done.added == len(lines) // 2
    ordered = sorted(target.everything(), key=lambda commit: (commit.stream, commit.number))
    assert [fault for _, fault in verify_chain(iter(ordered)) if fault] == []


def test_an_import_goes_on_where_another_one_ended(source: MemoryVault, target: MemoryVault) -> None:
    lines = lines_of(source)
    import_history(target.store, target.blobs, lines[: len(lines) // 2])
    import_history(target.store, target.blobs, lines[len(lines) // 2 :])
    assert content(target) == content(source)


def test_a_commit_whose_predecessor_never_comes_is_not_stored(source: MemoryVault, target: MemoryVault) -> None:
    lines = [line for line in lines_of(source) if (line.stream, line.number) != ("anna#asset#a2", 2)]
    with pytest.raises(HistoryDamaged, match="commit 2 before it is missing"):
        import_history(target.store, target.blobs, lines)
    assert [number for stream, number in content(target) if stream == "anna#asset#a2"] == [1]


def test_a_commit_of_another_history_in_its_place_stops_the_import(source: MemoryVault, target: MemoryVault) -> None:
    append(target.store, "anna#asset#a1", whole_life()[0], actor="somebody else")
    with pytest.raises(HistoryDamaged, match="another commit there"):
        import_history(target.store, target.blobs, lines_of(source))


def test_a_commit_that_was_moved_to_another_stream_is_found(source: MemoryVault, target: MemoryVault) -> None:
    lines = [msgspec.structs.replace(line, stream="anna#asset#b") for line in lines_of(source)[:1]]
    with pytest.raises(HistoryDamaged, match="changed after it was written"):
        import_history(target.store, target.blobs, lines)


def test_a_folder_of_files_is_read_whole(source: MemoryVault, target: MemoryVault, tmp_path: Path) -> None:
    export_history(source.store, source.blobs, tmp_path / "all.jsonl")
    halves = (tmp_path / "all.jsonl").read_bytes().splitlines(keepends=True)
    folder = tmp_path / "copy" / "events" / "2026"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(b"".join(halves[1::2]))
    (folder / "b.jsonl").write_bytes(b"".join(halves[::2]))
    (folder / "notes.txt").write_text("not part of it")
    import_history(target.store, target.blobs, lines_in(tmp_path / "copy"))
    assert content(target) == content(source)


def test_a_folder_without_any_export_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no file \*\.jsonl"):
        list(lines_in(tmp_path))
