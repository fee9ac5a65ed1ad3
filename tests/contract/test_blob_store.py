"""What every `BlobStore` does: bytes under the SHA-256 of their content, whole or not at all, stored once.

`BlobStoreContract` is the suite; the classes at the end hold each adapter to it.
"""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters.aws.blobs import S3BlobStore
from adapters.aws.connection import Aws
from domain.errors import NotFound
from domain.ports import BlobStore

LARGE = bytes(range(256)) * (80 * 1024)  # 20 MB: more than one part of a transfer


def sha256(data: bytes) -> str:
    """The key of these bytes."""
    return hashlib.sha256(data).hexdigest()


class BlobStoreContract:
    """Subclasses give `blobs`, empty for each test."""

    @pytest.fixture
    def blobs(self) -> Iterator[BlobStore]:
        raise NotImplementedError

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one byte", "a megabyte"])
    def test_bytes_come_back_under_their_sha256(self, blobs: BlobStore, data: bytes) -> None:
        key = blobs.put(data)
        assert key == sha256(data)
        assert blobs.get(key) == data
        with blobs.file(key) as path:
            assert path.read_bytes() == data

    def test_storing_the_same_bytes_again_changes_nothing(self, blobs: BlobStore) -> None:
        assert blobs.put(b"x") == blobs.put(b"x")
        assert blobs.get(sha256(b"x")) == b"x"

    def test_many_may_store_the_same_bytes_at_once(self, blobs: BlobStore) -> None:
        data = bytes(range(256)) * 1000
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: blobs.put(data), range(16))) == {sha256(data)}
        assert blobs.get(sha256(data)) == data

    @pytest.mark.parametrize("key", ["", "0" * 64, "nothing", "../../etc/passwd", "/etc/passwd", "a/b", "é"])
    def test_what_is_not_there_is_not_found(self, blobs: BlobStore, key: str) -> None:
        with pytest.raises(NotFound):
            blobs.get(key)
        with pytest.raises(NotFound), blobs.file(key):
            pytest.fail("a file was given")

    def test_files_are_moved_into_the_store(self, blobs: BlobStore, tmp_path: Path) -> None:
        contents = [b"a", b"b" * 100_000, LARGE, b"a"]
        blobs.put(contents[1])
        paths = []
        for n, content in enumerate(contents):
            paths.append(tmp_path / f"{n} ünïcode.bin")
            paths[-1].write_bytes(content)
        assert list(blobs.put_files(paths)) == [sha256(content) for content in contents]
        assert [path.exists() for path in paths] == [False] * len(paths)
        for content in contents:
            assert blobs.get(sha256(content)) == content

    def test_a_deleted_blob_is_gone_for_good_and_may_come_again(self, blobs: Any) -> None:
        key = blobs.put(b"abc")
        other = blobs.put(b"other")
        assert blobs.delete(key) == 3
        assert blobs.delete(key) == 0
        with pytest.raises(NotFound):
            blobs.get(key)
        assert blobs.get(other) == b"other"
        assert blobs.put(b"abc") == key
        assert blobs.get(key) == b"abc"

    @pytest.mark.parametrize("key", ["", "0" * 64, "nothing", "../../etc/passwd", "/etc/passwd"])
    def test_what_is_no_blob_is_not_deleted(self, blobs: Any, key: str) -> None:
        assert blobs.delete(key) == 0

    def test_blobs_are_listed_by_the_beginning_of_their_keys(self, blobs: Any) -> None:
        keys = {blobs.put(str(n).encode()) for n in range(40)}
        assert {key for key, _, _ in blobs.listed()} == keys
        assert {key for n in range(16) for key, _, _ in blobs.listed(f"{n:x}")} == keys
        assert all(size in (1, 2) and at > 1_600_000_000 for _, size, at in blobs.listed())

    def test_no_files_are_moved_into_the_store(self, blobs: BlobStore) -> None:
        assert list(blobs.put_files([])) == []


class TestFiles(BlobStoreContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Iterator[BlobStore]:
        from adapters.local.blobs import FileBlobStore

        blobs = FileBlobStore(tmp_path / "blobs")
        yield blobs
        blobs.close()

    def test_a_blob_that_was_stored_twice_may_be_shared(self, blobs: Any, tmp_path: Path) -> None:
        once, twice = blobs.put(b"once"), blobs.put(b"twice")
        blobs.put(b"twice")
        assert not blobs.may_be_shared(once)
        assert blobs.may_be_shared(twice)
        (tmp_path / "file").write_bytes(b"once")
        blobs.import_file(tmp_path / "file")
        assert blobs.may_be_shared(once)

    def test_whoever_stores_the_same_at_the_same_time_shares_it(self, blobs: Any) -> None:
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: blobs.put(LARGE), range(8)))
        assert len(keys) == 1
        assert blobs.may_be_shared(keys.pop())

    def test_a_copy_that_lost_the_modes_says_that_it_knows_nothing(self, blobs: Any) -> None:
        key = blobs.put(b"x")
        blobs.path(key).chmod(0o644)
        assert blobs.may_be_shared(key)


class TestMinistack(BlobStoreContract):
    @pytest.fixture
    def bucket(self, emulated: Aws, prefix: str) -> Iterator[str]:
        name = f"{prefix}blobs"
        emulated.s3.create_bucket(Bucket=name)
        yield name
        for entry in emulated.s3.list_objects_v2(Bucket=name).get("Contents", ()):
            emulated.s3.delete_object(Bucket=name, Key=entry["Key"])
        emulated.s3.delete_bucket(Bucket=name)

    @pytest.fixture
    def blobs(self, emulated: Aws, bucket: str) -> Iterator[S3BlobStore]:
        blobs = S3BlobStore(emulated, bucket)
        yield blobs
        blobs.close()

    def test_objects_lie_under_their_sha256(self, emulated: Aws, blobs: S3BlobStore, bucket: str) -> None:
        blobs.put(b"x")
        blobs.put(b"x")
        (entry,) = emulated.s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert entry["Key"] == f"blobs/{sha256(b'x')}"
        assert blobs.costs.requests == 2

    def test_an_upload_is_read_under_its_own_key(self, emulated: Aws, blobs: S3BlobStore, bucket: str) -> None:
        emulated.s3.put_object(Bucket=bucket, Key="uploads/anna/IMG 1.jpg", Body=b"jpeg")
        assert blobs.get("uploads/anna/IMG 1.jpg") == b"jpeg"
        with blobs.file("uploads/anna/IMG 1.jpg") as path:
            assert path.read_bytes() == b"jpeg"

    def test_a_file_is_removed_at_the_end_of_its_context(self, blobs: S3BlobStore) -> None:
        key = blobs.put(b"x")
        with blobs.file(key) as path:
            assert path.exists()
        assert not path.exists()
        assert not path.parent.exists()

    def test_a_link_reads_one_blob_without_credentials(self, blobs: S3BlobStore) -> None:
        with urllib.request.urlopen(blobs.url(blobs.put(b"x"), 60)) as answer:
            assert answer.read() == b"x"
