"""Blobs as files under their SHA-256, in 256 folders. Written beside their place, flushed, then named."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from domain.errors import NotFound

_ABANDONED_SECONDS = 3600.0
_ONCE = 0o1444
_MAYBE_SHARED = 0o444
_KEY = re.compile(r"^[0-9a-f]{64}$")


class FileBlobStore:
    """`domain.ports.BlobStore` in a folder. A blob is there whole or not at all, and is never written twice.

    A blob that was stored once has the sticky bit, which means nothing for a file. One that is stored again, and so may
    be a second asset's too, loses it; one of an older release, or of a copy that lost the modes, never had it.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self.temporary = self._folder / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        for i in range(256):
            (self._folder / f"{i:02x}").mkdir(exist_ok=True)

    def path(self, key: str) -> Path:
        """Where a blob is or would be; `NotFound` when the key is not a SHA-256, so that no key leaves the folder."""
        if not _KEY.match(key):
            raise NotFound(f"there is no blob {key!r}")
        return self._folder / key[:2] / key

    def put(self, data: bytes) -> str:
        """Store bytes durably; returns their SHA-256."""
        key = hashlib.sha256(data).hexdigest()
        place = self.path(key)
        if not place.exists():
            with tempfile.NamedTemporaryFile(dir=self.temporary, delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._settle({Path(file.name): place})
        else:
            self._mark_shared(key)
        return key

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """Move files into the store (copied when they lie on another disk); returns their SHA-256s."""
        keys: list[str] = []
        moves: dict[Path, Path] = {}
        for path in paths:
            with path.open("rb") as file:
                key = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            place = self.path(key)
            again = key in keys  # one asset's own: small pictures are the same in several sizes
            keys.append(key)
            if again:
                path.unlink()
            elif place.exists():
                self._mark_shared(key)
                path.unlink()
            elif path.stat().st_dev == self.temporary.stat().st_dev:
                moves[path] = place
            else:
                self.import_file(path)
                path.unlink()
        self._settle(moves)
        return keys

    def import_file(self, path: Path) -> tuple[str, int]:
        """Copy a file into the store, leaving it where it is; returns its SHA-256 and its size in bytes."""
        digest = hashlib.sha256()
        size = 0
        with path.open("rb") as source:
            first = source.read(1 << 20)
            with tempfile.NamedTemporaryFile(dir=self.temporary, delete=False) as copy:
                try:
                    chunk = first
                    while chunk:
                        digest.update(chunk)
                        copy.write(chunk)
                        size += len(chunk)
                        chunk = source.read(1 << 20)
                    copy.flush()
                    place = self.path(digest.hexdigest())
                    if not place.exists():
                        os.fsync(copy.fileno())
                except BaseException:
                    Path(copy.name).unlink(missing_ok=True)
                    raise
        if place.exists():
            self._mark_shared(place.name)
            Path(copy.name).unlink()
        else:
            self._settle({Path(copy.name): place})
        return digest.hexdigest(), size

    def get(self, key: str) -> bytes:
        """All bytes of a blob."""
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no blob {key}") from error

    def file(self, key: str) -> AbstractContextManager[Path]:
        """The blob's own file: to read, never to write."""
        return self._file(key)

    @contextmanager
    def _file(self, key: str) -> Iterator[Path]:
        path = self.path(key)
        if not path.exists():
            raise NotFound(f"there is no blob {key}")
        yield path

    def may_be_shared(self, key: str) -> bool:
        """Whether the blob was stored more than once, so that another asset may need it too."""
        return self.path(key).stat().st_mode & 0o1777 != _ONCE

    def doubt(self, key: str) -> None:
        """Say of a blob that it may be shared: it came in another way than by its asset's work."""
        self._mark_shared(key)

    def delete(self, key: str) -> int:
        """Remove a blob for good; how many bytes it had, 0 when it was not there (or the key is no blob's)."""
        try:
            path = self.path(key)
            size = path.stat().st_size
            path.unlink()
        except (NotFound, FileNotFoundError):
            return 0
        return size

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, float]]:
        """Key, bytes, and time of storing (seconds since 1970) of the blobs whose keys begin with up to two digits."""
        for folder in sorted(each for each in self._folder.iterdir() if re.fullmatch(r"[0-9a-f]{2}", each.name)):
            if not folder.name.startswith(prefix):
                continue
            for entry in sorted(os.scandir(folder), key=lambda each: each.name):
                if _KEY.match(entry.name):
                    about = entry.stat()
                    yield entry.name, about.st_size, about.st_mtime

    def clear_temporary(self, *, dry: bool = False) -> tuple[int, int]:
        """Remove what a crash left half written: what nobody has touched for an hour, as others may be writing now.
        How many things that were, with how many bytes."""
        before = time.time() - _ABANDONED_SECONDS
        cleared = size = 0
        for left in self.temporary.iterdir():
            try:
                about = left.stat()
                if about.st_mtime > before:
                    continue
                if left.is_dir():
                    size += sum(each.stat().st_size for each in left.rglob("*") if each.is_file())
                    if not dry:
                        shutil.rmtree(left, ignore_errors=True)
                else:
                    size += about.st_size
                    if not dry:
                        left.unlink()
                cleared += 1
            except FileNotFoundError:
                continue  # its writer was done with it just now
        return cleared, size

    def close(self) -> None:
        """Nothing is held open."""

    def _mark_shared(self, key: str) -> None:
        path = self.path(key)
        if path.stat().st_mode & 0o1777 != _ONCE:
            return
        path.chmod(_MAYBE_SHARED)
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _settle(self, moves: dict[Path, Path]) -> None:
        """Give flushed files their names, and flush the folders' entries."""
        for path, place in moves.items():
            path.chmod(_ONCE)
            try:
                os.link(path, place)  # unlike a rename it says when somebody else was first
            except FileExistsError:
                self._mark_shared(place.name)
            except OSError:  # a file system without links
                path.chmod(_MAYBE_SHARED)
                path.replace(place)
            path.unlink(missing_ok=True)
        for folder in {place.parent for place in moves.values()}:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
