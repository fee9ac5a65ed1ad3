"""Import of folders: finds files, copies their bytes into the vault, appends AssetUploaded. Decodes nothing.

A file whose path, size and time are known is not read again. Bytes that the owner's vault holds already make no second
asset. A sidecar (XMP, Google Takeout's JSON) beside a picture is attached to it. What is plainly not a picture or video
(a text file by name and by content, a hidden file) is refused and listed; anything in doubt is taken, for validation
to judge by its content. How an asset gets its id: docs/adr/0004-asset-ids.md.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.asset import asset_stream, fold, upload
from domain.commits import NEW, Cause, derive_id, to_us
from domain.errors import ConflictError, InvalidInput, ViewUnavailable
from domain.events import AssetUploaded
from domain.media import Limits
from photovault.keeping import trashed_ids
from photovault.sidecars import Neighbours, attach_to, is_one
from photovault.vault import Vault
from projections.files import Place, path_key

_BATCH = 100
_THREADS = 4
_NOT_MEDIA = (
    ".aae .bat .c .cfg .conf .css .csv .db .doc .docx .eml .gpx .htm .html .ini .js .json .log .md .php .picasa .py "
    ".rtf .sh .sqlite .srt .sub .toml .tsv .txt .url .xls .xlsx .xml .xmp .yaml .yml"
)


class Refusal(Struct, frozen=True):
    """A file that was not imported."""

    path: str
    reason: str


class Report(Struct):
    """What an import did, in files."""

    found: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    sidecars: int = 0  # that belong to a file beside them; attached now or before
    refusals: list[Refusal] = []
    assets: list[str] = []  # ids of the assets that were added
    in_trash: list[str] = []  # ids of the assets in the trash whose files were met again


def find_files(paths: Sequence[Path]) -> Iterator[Path]:
    """All regular files below the paths, in order of name; links to folders are not followed.

    Raises:
        InvalidInput: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise InvalidInput(f"there is no file or folder {path}")
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                yield from (Path(folder) / name for name in sorted(names))
        else:
            yield path


def import_files(vault: Vault, paths: Iterable[Path], on_file: Callable[[], None] = lambda: None) -> Report:
    """Import files, four at a time.

    Cost:
        Once: the ids of what is in the trash. A known file: one row of a view. A new one: its bytes are read once and
        written once, and one append, which shares its flush to disk with the others. A new sidecar: the same, and its
        asset's stream is read. One listing a folder, and a second where sidecars are.
    """
    report = Report()
    files = iter(paths)
    trashed = _trashed(vault)
    neighbours = Neighbours(_may_be_media)
    with ThreadPoolExecutor(_THREADS) as pool:
        while batch := [path.absolute() for path in islice(files, _BATCH)]:
            jobs = [_Job(path, neighbours.sidecars_of(path), neighbours.owners_of(path)) for path in batch]
            asked = list(
                dict.fromkeys(
                    [
                        *batch,
                        *(path for job in jobs for path in job.sidecars),
                        *(path for job in jobs for path in job.owners),
                    ]
                )
            )
            places = dict(zip(asked, _known_places(vault, asked), strict=True))
            for result in pool.map(lambda job, known: _do(vault, job, known), jobs, [places] * len(jobs)):
                report.found += 1
                if isinstance(result, Refusal):
                    report.refused += 1
                    report.refusals.append(result)
                elif result is None:
                    report.sidecars += 1
                elif result.new:
                    report.added += 1
                    report.assets.append(result.asset)
                else:
                    report.known += 1
                    if result.asset in trashed:
                        report.in_trash.append(result.asset)
                on_file()
    return report


class _Job(Struct, frozen=True):
    path: Path
    sidecars: list[Path]
    owners: list[Path]  # the files that this one is a sidecar of, by its name


class _Taken(Struct, frozen=True):
    asset: str
    new: bool


def _do(vault: Vault, job: _Job, known: Mapping[Path, Place | None]) -> _Taken | Refusal | None:
    """One file with its sidecars; None for a sidecar. It is attached when its picture's turn comes, or now to one that
    was imported before and has no turn."""
    if job.owners and is_one(job.path, known[job.path]):
        for place in (known[owner] for owner in job.owners):
            if place:
                attach_to(vault, place.asset, job.path, known[job.path])
        return None
    taken = _import_file(vault, job.path, known[job.path])
    if isinstance(taken, _Taken):
        for path in job.sidecars:
            attach_to(vault, taken.asset, path, known[path])
    return taken


def _known_places(vault: Vault, paths: Sequence[Path]) -> list[Place | None]:
    try:
        _, table = vault.generations.active("files")
    except ViewUnavailable:
        return [None] * len(paths)
    rows = vault.views.get(table, [(vault.settings.owner, path_key(_text(path))) for path in paths])
    return [msgspec.msgpack.decode(row.data, type=Place) if row and not row.deleted else None for row in rows]


def _trashed(vault: Vault) -> set[str]:
    try:
        return set(trashed_ids(vault))
    except ViewUnavailable:
        return set()


def _import_file(vault: Vault, path: Path, known: Place | None) -> _Taken | Refusal:
    """The asset that holds the file's bytes, or why there is none."""
    try:
        about = path.stat()
        reason = _refusal(path, about)
        if reason:
            return Refusal(str(path), reason)
        modified = datetime.fromtimestamp(about.st_mtime_ns // 1000 / 1e6, UTC)
        if known and (known.size_bytes, known.modified_us) == (about.st_size, to_us(modified)):
            return _Taken(known.asset, new=False)
        sha256, size = vault.blobs.import_file(path)
    except OSError as error:
        return Refusal(str(path), f"it can't be read: {error.strerror or error}")
    name = path.name.encode("utf-8", "replace").decode()
    uploaded = AssetUploaded(
        file_name=name[:1024],
        size_bytes=size,
        blob=sha256,
        sha256=sha256,
        source="folder",
        path=_text(path),
        modified_at=modified,
    )
    return _append(vault, uploaded, sha256)


def _text(path: Path) -> str:
    """The path as the event has it: a name that is no text gets question marks."""
    return str(path).encode("utf-8", "replace").decode()[:4096]


def _append(vault: Vault, uploaded: AssetUploaded, sha256: str) -> _Taken | Refusal:
    owner = vault.settings.owner
    asset_id = derive_id("asset", owner, sha256)
    stream = asset_stream(owner, asset_id)
    upload_id = derive_id("upload", stream)
    try:  # most files are new: no need to look first
        cause = Cause(commit_id=upload_id, actor="import", correlation_id=upload_id)
        if not vault.store.append(stream, [uploaded], NEW, cause).repeated:
            return _Taken(asset_id, new=True)
    except ConflictError:
        pass  # some other decision made the stream; look at it below
    while True:
        loaded = vault.store.load(stream)
        asset = fold(stream, loaded.events)
        if asset.erased_at is not None:
            if not vault.blobs.may_be_shared(sha256):
                vault.blobs.delete(sha256)
            return Refusal(str(uploaded.path), f"it was erased on {asset.erased_at:%Y-%m-%d}, and does not come back")
        events = upload(asset, uploaded)
        if not events:
            return _Taken(asset_id, new=False)
        again = Cause(
            commit_id=derive_id("seen-again", stream, uploaded.path), actor="import", correlation_id=upload_id
        )
        try:
            vault.store.append(stream, events, loaded.token, again)
        except ConflictError:
            continue
        return _Taken(asset_id, new=False)


def _refusal(path: Path, about: os.stat_result) -> str | None:
    if not stat.S_ISREG(about.st_mode):
        return "it is not a regular file"
    if path.name.startswith("."):
        return "it is a hidden file"
    if about.st_size > Limits().max_bytes:
        return f"it has {about.st_size:,} bytes; at most {Limits().max_bytes:,} are taken"
    if path.suffix.lower() in _NOT_MEDIA.split() and not _looks_like_media(path):
        return f"it is not a picture or video: {path.suffix.lower()} file"
    return None


def _may_be_media(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() not in _NOT_MEDIA.split()


def _looks_like_media(path: Path) -> bool:
    """Whether a file with another name may be a picture or video after all: its first bytes are not text."""
    with path.open("rb") as file:
        head = file.read(512)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(head) - 4  # not merely a character cut in two
    return b"\0" in head
