"""What an owner has forgotten nobody reads any more: not in a database, not in its log, not with what blobs hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.local import sqlite
from adapters.ml.sealing import unseal
from domain.errors import PhotoVaultError
from domain.faces import DIMENSIONS
from photovault import people as told
from photovault.config import Settings
from photovault.runtime import catch_up
from photovault.vault import Vault
from tests.support.factories import OWNER
from tests.support.people import vector

VECTORS = vector("anna", "m1").tobytes() + vector("ben", "m1").tobytes()


class Kept:
    """A vault on disk with one picture's sealed vectors, and its key as somebody might have copied it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.vault = Vault(Settings(home, OWNER, 1), create=True)
        self.key = self.vault.people.agree(OWNER, f"person:{OWNER}")
        catch_up(self.vault)
        [entry] = self.vault.checkpoints.list("face-key")
        self.secret = entry.value
        self.blob = self.vault.people.seal(OWNER, "m1", self.key, VECTORS) or ""

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(self.home.rglob("*")) if path.is_file()}

    def holding(self, what: bytes) -> list[str]:
        return [str(path.relative_to(self.home)) for path, data in self.files().items() if what in data]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    made = Kept(tmp_path / "vault")
    with made.vault:
        yield made


def test_before_it_the_key_is_in_the_database_or_its_log_and_opens_the_vectors(kept: Kept) -> None:
    assert any(name.startswith("work.db") for name in kept.holding(kept.secret))
    assert kept.vault.people.unseal(OWNER, "m1", kept.key, kept.blob) == VECTORS


def test_no_vector_is_stored_unsealed(kept: Kept) -> None:
    for first in range(0, len(VECTORS), DIMENSIONS):
        assert kept.holding(VECTORS[first : first + DIMENSIONS]) == []


def test_after_it_the_key_is_in_no_file_the_logs_included(kept: Kept) -> None:
    assert told.forget(kept.vault) is not None
    assert (kept.home / "work.db-wal").exists()
    assert kept.holding(kept.secret) == []
    assert kept.holding(kept.secret[:16]) == []
    assert kept.vault.people.unseal(OWNER, "m1", kept.key, kept.blob) is None


def test_after_it_no_32_bytes_that_lie_anywhere_open_what_is_left(kept: Kept) -> None:
    sealed = kept.vault.blobs.get(kept.blob)
    bound = f"{OWNER}#m1#{kept.key}"
    assert unseal(kept.secret, sealed, bound) == VECTORS
    told.forget(kept.vault)
    databases = [data for path, data in kept.files().items() if path.name.startswith("work.db")]
    tried = {data[n : n + 32] for data in databases for n in range(len(data) - 31)}
    assert not any(unseal(secret, sealed, bound) for secret in tried)


def test_a_reader_who_still_needs_the_log_is_named_and_a_second_call_finishes(kept: Kept) -> None:
    other = sqlite3.connect(kept.home / "work.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM entries").fetchone()
    with pytest.raises(PhotoVaultError, match=r"work\.db"):
        told.forget(kept.vault)
    assert kept.vault.people.unseal(OWNER, "m1", kept.key, kept.blob) is None, "the key is gone for everybody else"
    other.close()
    assert told.forget(kept.vault) is not None
    assert kept.holding(kept.secret) == []
    assert kept.vault.people.key(OWNER) is None


def test_a_copy_of_the_folder_made_afterwards_has_no_key(kept: Kept, tmp_path: Path) -> None:
    told.forget(kept.vault)
    copy = tmp_path / "backup.db"
    with sqlite3.connect(kept.home / "work.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    assert kept.secret not in copy.read_bytes()
