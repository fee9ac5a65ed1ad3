"""video: what a video is made of and how good it is, with its poster, preview and scrub strip, in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from domain.asset import Asset, Attempt
from domain.events import Event, PosterExtracted, Preview, Strip, VideoAnalyzed
from domain.video import VideoReport
from steps import Ports


def analyze_video(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Look at the video once; store its pictures under their content."""
    uploaded = asset.uploaded
    assert uploaded is not None
    with tempfile.TemporaryDirectory(dir=ports.scratch) as folder:
        with ports.blobs.file(uploaded.blob) as path:
            report = ports.media.analyze_video(path, Path(folder))
        files = [picture for picture in (report.poster, report.preview, report.strip) if picture is not None]
        keys = ports.blobs.put_files([Path(file.path) for file in files])
    blobs = {file.path: key for file, key in zip(files, keys, strict=True)}
    return [
        VideoAnalyzed(
            run=attempt.run(),
            container=report.container,
            brand=report.brand,
            duration_ms=report.duration_ms,
            bitrate=report.bitrate,
            fast_start=report.fast_start,
            fragmented=report.fragmented,
            video=report.video,
            audio=report.audio,
            audio_tracks=report.audio_tracks,
            web_ready=not report.web_obstacles,
            web_obstacles=report.web_obstacles,
            quality=report.quality,
            engine=report.engine,
            notes=report.notes,
        ),
        _poster(report, blobs),
    ]


def _poster(report: VideoReport, blobs: dict[str, str]) -> PosterExtracted:
    poster, preview, strip = report.poster, report.preview, report.strip
    return PosterExtracted(
        blob=blobs[poster.path],
        format=poster.format,
        width=poster.width,
        height=poster.height,
        size_bytes=poster.bytes,
        at_ms=poster.at_ms,
        candidates=poster.candidates,
        sharpness=poster.sharpness,
        brightness=poster.brightness,
        contrast=poster.contrast,
        tone_mapped=poster.tone_mapped,
        preview=Preview(
            format=preview.format,
            blob=blobs[preview.path],
            width=preview.width,
            height=preview.height,
            size_bytes=preview.bytes,
            frames=preview.frames,
            duration_ms=preview.duration_ms,
        )
        if preview
        else None,
        strip=Strip(
            format=strip.format,
            blob=blobs[strip.path],
            width=strip.width,
            height=strip.height,
            size_bytes=strip.bytes,
            columns=strip.columns,
            rows=strip.rows,
            tiles=strip.tiles,
            tile_width=strip.tile_width,
            tile_height=strip.tile_height,
            interval_ms=strip.interval_ms,
        )
        if strip
        else None,
    )
