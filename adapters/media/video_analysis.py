"""One look at a video: what it is made of, how good it is, a poster, a moving preview, a scrub strip. Runs inside the
sandbox's child.

The price is bounded for a video of any length: at most 24 key frames are decoded, plus 300 pictures of 1080p where a
video has hardly any key frames, and timestamps are read for ten minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from adapters.media import video as videos
from adapters.media.header import check_size
from adapters.media.sniff import sniff
from adapters.media.video_container import read_layout
from adapters.media.video_frames import hdr_of, picture_of
from adapters.media.video_sampling import Sample, Samples, read_cadence, take_samples
from adapters.media.video_shake import measure_shake
from adapters.media.video_tracks import audio_track, video_track, web_obstacles
from domain.errors import MediaRejected
from domain.media import RENDITION_SIZES, Limits
from domain.quality import judge, poster_score
from domain.video import PosterPicture, PreviewFile, ScrubStrip, VideoReport

__all__ = ["ENGINE", "analyze", "extract_poster"]

ENGINE = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
POSTER_QUALITY = 92
PREVIEW_EDGE, PREVIEW_FRAMES, PREVIEW_FRAME_MS, PREVIEW_QUALITY = 320, 12, 250, 60
TILE_EDGE, TILES, COLUMNS, STRIP_QUALITY = 160, 24, 6, 70


def analyze(source: Path, limits: Limits, *, into: str) -> VideoReport:
    """Everything that the step `video` wants to know, in one pass; pictures are written into a folder.

    Raises:
        MediaRejected: no video track, over a limit, or no picture can be decoded.
    """
    found = sniff(source, limits)
    if found.kind != "video":
        raise MediaRejected("unsupported", "this is a picture, not a video")
    folder = Path(into)
    layout = read_layout(source, found.media_type)
    with videos.opened(source, found.media_type) as container:
        stream = videos.video_stream(container)
        check_size(stream.width or 0, stream.height or 0, limits)
        rhythm = read_cadence(container, stream, layout.iso and not layout.fragmented)
        duration_ms = _duration_ms(container, stream) or rhythm.examined_ms
        samples = take_samples(container, stream, duration_ms)
        if samples is None:
            raise MediaRejected("corrupt", "no picture of the video can be decoded")
        audio = [audio_track(each) for each in container.streams.audio]
        kind = videos.CONTAINERS[found.media_type]
        track = video_track(stream, samples.first, samples.view, rhythm, sum(each.bitrate or 0 for each in audio))
        bits = None
        if track.bitrate and track.frame_rate:
            bits = track.bitrate / (track.frame_rate * track.coded_width * track.coded_height)
        quality = judge(
            width=track.width,
            height=track.height,
            codec=track.codec,
            bits_per_pixel=bits,
            looks=[sample.look for sample in samples.taken],
            duration_ms=duration_ms,
            rhythm=rhythm,
            shake=None if samples.out_of_time else measure_shake(container, stream, duration_ms // 2),
        )
        return VideoReport(
            container=kind,
            brand=layout.brand,
            duration_ms=duration_ms or None,
            bitrate=container.bit_rate or None,
            fast_start=layout.fast_start,
            fragmented=layout.fragmented,
            video=track,
            audio=audio[0] if audio else None,
            audio_tracks=len(audio),
            web_obstacles=web_obstacles(kind, layout, track, audio[0] if audio else None),
            quality=quality,
            poster=_write_poster(samples, folder),
            preview=_write_preview(samples.taken, folder),
            strip=_write_strip(samples.taken, duration_ms, folder),
            engine=ENGINE,
            notes=_notes(samples, duration_ms),
        )


def extract_poster(source: Path, limits: Limits, *, into: str, key_frames: int = 24) -> PosterPicture:
    """The poster alone: the best of so many key frames.

    Raises:
        MediaRejected: as `analyze`.
    """
    found = sniff(source, limits)
    with videos.opened(source, found.media_type) as container:
        stream = videos.video_stream(container)
        check_size(stream.width or 0, stream.height or 0, limits)
        samples = take_samples(container, stream, _duration_ms(container, stream), key_frames=key_frames)
        if samples is None:
            raise MediaRejected("corrupt", "no picture of the video can be decoded")
        return _write_poster(samples, Path(into))


def _duration_ms(container: Any, stream: Any) -> int:
    """Of the video track, else of the container; 0 when neither says."""
    if stream.duration:
        return max(0, round(float(1000 * stream.duration * stream.time_base)))
    return max(0, round(float(container.duration or 0) / 1000))


def _notes(samples: Samples, duration_ms: int) -> tuple[str, ...]:
    notes = []
    damaged = sorted([*samples.undecodable_ms, *(s.look.at_ms for s in samples.taken if s.look.damaged)])
    if damaged:
        places = ", ".join(_clock(at) for at in damaged[:8])
        notes.append(f"damaged: {len(damaged)} sampled pictures can't be decoded whole (at {places})")
    if samples.view.crooked:
        notes.append("the file asks for a turn that is no multiple of 90 degrees; the nearest is taken")
    if samples.out_of_time:
        notes.append("sampling took too long and was ended early")
    until = samples.forward_until_ms
    if until is not None and samples.key_frames < 3 and duration_ms - until > 2000:
        notes.append(f"there are hardly any key frames: pictures are from the first {_clock(until)} of the video")
    return tuple(notes)


def _clock(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"


# --- pictures --------------------------------------------------------------------------------------------------------


def _write_poster(samples: Samples, folder: Path) -> PosterPicture:
    look = samples.best_look
    assert look is not None
    picture = Image.fromarray(
        picture_of(samples.best, samples.view, RENDITION_SIZES["large"], peak_nits=samples.peak_nits)
    )
    kind = "png" if picture.mode == "RGBA" else "jpeg"
    path = folder / f"poster.{kind}"
    if kind == "png":
        picture.save(path, "PNG", compress_level=3)
    else:
        picture.save(path, "JPEG", quality=POSTER_QUALITY)
    return PosterPicture(
        path=str(path),
        format=kind,
        width=picture.width,
        height=picture.height,
        bytes=path.stat().st_size,
        at_ms=look.at_ms,
        sharpness=look.sharpness,
        brightness=look.brightness,
        contrast=look.contrast,
        candidates=len(samples.taken),
        tone_mapped=hdr_of(samples.best) is not None,
    )


def _write_preview(taken: Sequence[Sample], folder: Path) -> PreviewFile | None:
    """Up to twelve pictures from all over the video, a quarter of a second each; black ones are left out."""
    lit = [sample for sample in taken if poster_score(sample.look) > 0.01] or list(taken)
    if len(lit) < 2:
        return None
    chosen = [lit[n] for n in _evenly(len(lit), PREVIEW_FRAMES)]
    pictures = [_small(sample, PREVIEW_EDGE) for sample in chosen]
    size = pictures[0].size
    pictures = [picture if picture.size == size else picture.resize(size) for picture in pictures]
    path = folder / "preview.webp"
    pictures[0].save(
        path,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=PREVIEW_FRAME_MS,
        loop=0,
        quality=PREVIEW_QUALITY,
        method=0,
    )
    with Image.open(path) as made:
        frames = getattr(made, "n_frames", 1)  # equal neighbours have become one, shown for longer
    return PreviewFile(
        path=str(path),
        format="webp",
        width=size[0],
        height=size[1],
        bytes=path.stat().st_size,
        frames=frames,
        duration_ms=len(pictures) * PREVIEW_FRAME_MS,
    )


def _write_strip(taken: Sequence[Sample], duration_ms: int, folder: Path) -> ScrubStrip | None:
    """As many tiles as there are samples; each shows the sample nearest to the middle of its time."""
    tiles = min(len(taken), TILES)
    if tiles < 2 or duration_ms < 2:
        return None
    interval = math.ceil(duration_ms / tiles)
    times = np.asarray([sample.look.at_ms for sample in taken])
    chosen = [taken[int(np.abs(times - (n + 0.5) * interval).argmin())] for n in range(tiles)]
    first = _small(chosen[0], TILE_EDGE)
    columns = min(COLUMNS, tiles)
    rows = math.ceil(tiles / columns)
    sheet = Image.new("RGB", (columns * first.width, rows * first.height))
    for n, sample in enumerate(chosen):
        tile = _small(sample, TILE_EDGE)
        tile = tile if tile.size == first.size else tile.resize(first.size)
        sheet.paste(tile, ((n % columns) * first.width, (n // columns) * first.height))
    path = folder / "strip.jpeg"
    sheet.save(path, "JPEG", quality=STRIP_QUALITY)
    return ScrubStrip(
        path=str(path),
        format="jpeg",
        width=sheet.width,
        height=sheet.height,
        bytes=path.stat().st_size,
        columns=columns,
        rows=rows,
        tiles=tiles,
        tile_width=first.width,
        tile_height=first.height,
        interval_ms=interval,
    )


def _evenly(count: int, wanted: int) -> list[int]:
    return sorted({round(n) for n in np.linspace(0, count - 1, min(count, wanted))})


def _small(sample: Sample, edge: int) -> Image.Image:
    """A sample reduced further, alpha on white."""
    picture = Image.fromarray(sample.picture)
    if picture.mode == "RGBA":
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture.getchannel("A"))
        picture = white
    picture.thumbnail((edge, edge), Image.Resampling.BOX, reducing_gap=None)
    return picture
