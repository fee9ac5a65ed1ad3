"""transcode, encode, join: a video made ready for the web, in parts that run side by side.

`transcode` plans, each run of `encode` makes one part, `join` puts the MP4 together and writes the playlists
(docs/adr/0011-videos-in-parts.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from domain.asset import Asset, Attempt
from domain.errors import PhotoVaultError
from domain.events import (
    ChunkEncoded,
    Event,
    StepSkipped,
    TranscodePlanned,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.playlists import bandwidths, master_playlist, media_playlist
from domain.ports import BlobStore
from domain.streaming import ChunkFile, Encoded, StreamRendition, VideoFile
from domain.transcoding import plan
from steps import Ports

AUDIO = "audio"


def plan_transcode(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Decide from the analysis alone; the file is not touched."""
    decided = plan(_analyzed(asset))
    if decided.skip:
        return [StepSkipped(run=attempt.run(), reason=decided.skip)]
    return [
        TranscodePlanned(
            run=attempt.run(),
            mp4=decided.mp4,
            audio=decided.audio,
            stream=decided.stream,
            reasons=decided.reasons,
            frame_rate=decided.frame_rate,
            gop_frames=decided.gop_frames,
            segment_frames=decided.segment_frames,
            tone_map=decided.tone_map,
            renditions=decided.renditions,
            parts=decided.parts,
        )
    ]


def encode_part(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Encode one part of the plan in all renditions, and store the files."""
    uploaded, planned, number = asset.uploaded, asset.transcode_plan, attempt.part
    assert uploaded is not None
    if planned is None or number is None or number >= len(planned.parts):
        return [StepSkipped(run=attempt.run(), reason="the plan that had this part was replaced by another")]
    with tempfile.TemporaryDirectory(dir=ports.scratch) as folder:
        with ports.blobs.file(uploaded.blob) as path:
            made = ports.media.encode(path, Path(folder), _analyzed(asset), planned, number)
        files = _stored(made, ports.blobs)
    return [ChunkEncoded(run=attempt.run(), part=number, files=files, engine=made.engine, notes=made.notes)]


def join(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Join the parts: packets are copied, playlists are written; nothing is encoded."""
    uploaded, planned = asset.uploaded, asset.transcode_plan
    assert uploaded is not None
    assert planned is not None  # the step follows the plan's last part
    parts = [asset.chunks[number] for number in range(len(planned.parts))]
    sound = [file for part in parts for file in part.files if file.rendition == AUDIO]
    pictures = {
        rung.name: [file for part in parts for file in part.files if file.rendition == rung.name]
        for rung in planned.renditions
    }
    notes = [note for part in parts for note in part.notes]
    for files in pictures.values():
        if not files:
            raise PhotoVaultError("the video has no picture that could be encoded; the parts hold nothing to join")
        if len({file.head_sha256 for file in files}) > 1:
            raise PhotoVaultError("the parts were not encoded alike and can't be joined: ask for `transcode` again")
    mp4, joined_notes = _mp4(asset, planned, pictures, sound, ports)
    renditions, audio_playlist, master = _stream(planned, pictures, sound, ports.blobs)
    made = [file.size_bytes for files in (*pictures.values(), sound) for file in files]
    return [
        VideoTranscoded(
            run=attempt.run(),
            original_plays=planned.mp4 == "original",
            mp4=mp4,
            master=master,
            renditions=renditions,
            audio_playlist=audio_playlist,
            duration_ms=_duration_ms(pictures, planned, _analyzed(asset)),
            size_bytes=sum(made) + (mp4.size_bytes if mp4 else 0),
            notes=tuple(dict.fromkeys([*notes, *joined_notes]))[:50],
        )
    ]


def _analyzed(asset: Asset) -> VideoAnalyzed:
    assert asset.video is not None  # what follows the analysis needs it
    return asset.video


def _stored(made: Encoded, blobs: BlobStore) -> tuple[ChunkFile, ...]:
    keys = blobs.put_files([Path(file.path) for file in made.files])
    return tuple(
        ChunkFile(
            rendition=file.rendition,
            blob=key,
            size_bytes=file.bytes,
            head_bytes=file.head_bytes,
            head_sha256=file.head_sha256,
            timescale=file.timescale,
            segments=file.segments,
            codecs=file.codecs,
            width=file.width,
            height=file.height,
        )
        for file, key in zip(made.files, keys, strict=True)
    )


def _mp4(
    asset: Asset,
    planned: TranscodePlanned,
    pictures: dict[str, list[ChunkFile]],
    sound: list[ChunkFile],
    ports: Ports,
) -> tuple[VideoFile | None, tuple[str, ...]]:
    """The MP4 that plays everywhere: of the largest rendition, or of the original's packets."""
    uploaded = asset.uploaded
    assert uploaded is not None
    if planned.mp4 == "original":
        return None, ()
    largest = pictures[planned.renditions[0].name] if planned.mp4 == "encode" else []
    copy_sound = planned.audio == "copy" and not sound
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=ports.scratch))
        source = stack.enter_context(ports.blobs.file(uploaded.blob))
        joined = ports.media.join(
            source,
            Path(folder),
            _analyzed(asset),
            planned,
            [stack.enter_context(ports.blobs.file(file.blob)) for file in largest],
            stack.enter_context(ports.blobs.file(sound[0].blob)) if sound else None,
            copy_sound=copy_sound,
        )
        key = ports.blobs.put_files([Path(joined.path)])[0]
    shown = planned.renditions[0] if largest else _analyzed(asset).video  # upright, whatever the container turns
    return VideoFile(key, joined.bytes, shown.width, shown.height), joined.notes


def _stream(
    planned: TranscodePlanned, pictures: dict[str, list[ChunkFile]], sound: list[ChunkFile], blobs: BlobStore
) -> tuple[tuple[StreamRendition, ...], str | None, str | None]:
    """Write the playlists; returns the renditions, the sound's playlist and the master playlist."""
    if not pictures:
        return (), None, None
    audio_playlist = blobs.put(media_playlist(sound).encode()) if sound else None
    audio_peak, audio_average = bandwidths(sound) if sound else (0, 0)
    renditions = []
    for rung in planned.renditions:
        files = pictures[rung.name]
        peak, average = bandwidths(files)
        renditions.append(
            StreamRendition(
                name=rung.name,
                playlist=blobs.put(media_playlist(files).encode()),
                width=rung.width,
                height=rung.height,
                bandwidth=peak + audio_peak,
                average_bandwidth=average + audio_average,
                codecs=",".join([files[0].codecs, *(file.codecs for file in sound[:1])]),
                size_bytes=sum(file.size_bytes for file in files),
            )
        )
    master = blobs.put(master_playlist(renditions, planned.frame_rate, audio_playlist).encode())
    return tuple(renditions), audio_playlist, master


def _duration_ms(pictures: dict[str, list[ChunkFile]], planned: TranscodePlanned, found: VideoAnalyzed) -> int:
    if not planned.renditions:
        return found.duration_ms or 0
    files = pictures[planned.renditions[0].name]
    return round(1000 * sum(segment.ticks / file.timescale for file in files for segment in file.segments))
