"""A video as a folder that plays anywhere: the MP4, and the HLS stream with relative names. What a web server, a
television or a test can take as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from msgspec import Struct

from domain.asset import Asset, fold
from domain.errors import InvalidInput, NotFound, PhotoVaultError
from domain.events import VideoTranscoded
from domain.playlists import blobs_in, resolve
from domain.scanning import Serving
from photovault.vault import Vault

__all__ = ["Exported", "export_video"]

_SUFFIXES = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/3gpp": ".3gp",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
}


class Exported(Struct, frozen=True):
    """What was written."""

    asset: str
    video: Path  # plays everywhere
    master: Path | None  # HLS; None for a video that needs no stream
    files: int
    size_bytes: int


def export_video(vault: Vault, stream: str, folder: Path) -> Exported:
    """Write an asset's web files into a folder, which is made when it is not there.

    Raises:
        InvalidInput: the folder holds files already, or the asset is no video.
        PhotoVaultError: the video is quarantined, not made ready yet, or kept back by the policy (`Serving`).
    """
    asset = fold(stream, vault.store.load(stream).events)
    _check(asset, vault.settings.serving)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there already and not an empty folder: name another")
    folder.mkdir(parents=True, exist_ok=True)
    made = asset.transcoded
    video = _copy(vault, *_playable(asset), folder)
    master = _write_stream(vault, made, folder) if made is not None and made.master is not None else None
    written = list(folder.iterdir())
    return Exported(asset.id, video, master, len(written), sum(path.stat().st_size for path in written))


def _check(asset: Asset, serving: Serving) -> None:
    if asset.quarantined is not None:
        raise PhotoVaultError(f"asset {asset.id} is quarantined and never given out: {asset.quarantined.reason}")
    if asset.trashed_at is not None:
        raise PhotoVaultError(f"asset {asset.id} is in the trash: `photovault trash restore {asset.id}` takes it out")
    if asset.validated is None:
        raise NotFound(f"asset {asset.id} is not validated yet: `photovault work` does that")
    if asset.kind != "video":
        raise InvalidInput(f"asset {asset.id} is not a video")
    if not serving.allows(asset.validated.scan.status):
        raise PhotoVaultError(
            f"asset {asset.id} is not given out: no scanner has called it clean; "
            f"`photovault reprocess {asset.id} --step validate` scans it again"
        )
    if asset.shown == "hold":
        raise PhotoVaultError(
            f"asset {asset.id} is held by moderation: `photovault moderation rule {asset.id} allow` gives it out"
        )
    step = asset.steps.get("transcode")
    if asset.transcoded is None and (step is None or step.status != "skipped"):
        raise PhotoVaultError(
            f"asset {asset.id} is not ready for the web yet: `photovault work` makes it so, "
            f"`photovault audit {asset.id}` shows what it waits for"
        )


def _playable(asset: Asset) -> tuple[str, str]:
    """Blob and name of the file that plays everywhere."""
    if asset.transcoded is not None and asset.transcoded.mp4 is not None:
        return asset.transcoded.mp4.blob, "video.mp4"
    assert asset.uploaded is not None
    assert asset.validated is not None
    return asset.uploaded.blob, f"video{_SUFFIXES.get(asset.validated.media_type, '')}"


def _write_stream(vault: Vault, made: VideoTranscoded, folder: Path) -> Path:
    """Media, playlists, and at last the master playlist; returns that one."""
    assert made.master is not None
    names: dict[str, str] = {}
    playlists = {rendition.name: rendition.playlist for rendition in made.renditions}
    if made.audio_playlist is not None:
        playlists["audio"] = made.audio_playlist
    for name, playlist in playlists.items():
        text = vault.blobs.get(playlist).decode()
        places = {key: f"{name}-{number:04}.mp4" for number, key in enumerate(blobs_in(text))}
        for key, place in places.items():
            _copy(vault, key, place, folder)
        (folder / f"{name}.m3u8").write_text(resolve(text, places.__getitem__), encoding="ascii")
        names[playlist] = f"{name}.m3u8"
    master = folder / "master.m3u8"
    master.write_text(resolve(vault.blobs.get(made.master).decode(), names.__getitem__), encoding="ascii")
    return master


def _copy(vault: Vault, key: str, name: str, folder: Path) -> Path:
    place = folder / name
    with vault.blobs.file(key) as source:
        shutil.copyfile(source, place)
    return place
