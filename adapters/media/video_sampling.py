"""Pictures from all over a video at a bounded price: by seeking, decoding key frames only; forward where there are few.

Also the timestamps, read from the index or, where there is none, by demuxing without decoding.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import av.error
import av.logging
import numpy as np
from msgspec import Struct
from PIL import Image

from adapters.media.video_frames import Picture, View, hdr_of, peak_of, picture_of, view_of
from domain.quality import Cadence, Look, cadence, poster_score

__all__ = ["Sample", "Samples", "read_cadence", "take_samples"]

KEY_FRAMES = 24  # seeks, at most
ENOUGH = 8  # with fewer key frames than this, pictures between them are decoded too
FORWARD_SAMPLES = 12
FORWARD_PIXELS = 620_000_000  # 300 pictures of 1080p
MIN_FORWARD_FRAMES = 60
CPU_SECONDS = 15.0  # for all sampling; what is there by then is used
WALL_SECONDS = 45.0  # the same, on a machine that is busy with other things
EDGE = 640  # pixels of a sample's long edge
_PACKETS_TO_A_PICTURE = 40
_MAX_PACKETS_TO_A_KEY_FRAME = 300
_LATE_MS = 500
_MAX_PACKETS = 36_000  # ten minutes at 60 pictures a second
_MAX_BYTES = 256 << 20
_DAMAGE = re.compile(r"conceal|error while decoding|corrupt|invalid nal|invalid data|missing picture", re.I)
_LUMA = np.asarray((0.2126, 0.7152, 0.0722), np.float32)  # ITU-R BT.709


class Sample(Struct, frozen=True):
    """One picture of the video, and what was measured of it."""

    look: Look
    picture: Picture  # long edge at most EDGE


class Samples(Struct):
    """All that was taken, in order of time; and the frame of the best of them, still as decoded."""

    view: View
    first: Any  # the first frame that was decoded: it states colours and turn
    taken: list[Sample] = []
    key_frames: int = 0
    best: Any = None
    best_look: Look | None = None
    peak_nits: float | None = None
    undecodable_ms: list[int] = []
    forward_until_ms: int | None = None  # pictures were decoded one after the other up to here
    out_of_time: bool = False


# --- timestamps ------------------------------------------------------------------------------------------------------


def read_cadence(container: Any, stream: Any, indexed: bool) -> Cadence:
    """Rhythm of the first 36,000 pictures (ten minutes at 60 a second), by the index if there is one.

    Args:
        indexed: whether the container's index names every picture (an ISO media file without fragments).
    """
    entries = stream.index_entries
    if indexed and len(entries):
        ticks = sorted({entry.timestamp for entry in entries[:_MAX_PACKETS] if not entry.is_discard})
        return cadence([float(1000 * tick * stream.time_base) for tick in ticks])
    times, read = set(), 0
    try:
        for count, packet in enumerate(container.demux(stream)):
            read += packet.size
            if packet.pts is not None:
                times.add(packet.pts)
            if read > _MAX_BYTES or count > _MAX_PACKETS:
                break
    except av.error.FFmpegError:
        pass  # what could be read is judged; sampling will meet the fault and say so
    start = min(times, default=0)
    return cadence([float(1000 * (tick - start) * stream.time_base) for tick in sorted(times)])


# --- pictures --------------------------------------------------------------------------------------------------------


def take_samples(container: Any, stream: Any, duration_ms: int, *, key_frames: int = KEY_FRAMES) -> Samples | None:
    """Decode up to 24 key frames at even distances; where there are fewer than eight, pictures between them too.

    Returns:
        None when no picture at all can be decoded.
    """
    late = _deadline()
    samples: Samples | None = None
    undecodable: list[int] = []
    for at_ms, frame, whole in _key_frames(container, stream, duration_ms, key_frames):
        if frame is None:
            undecodable.append(at_ms)
        else:
            samples = samples or _start(stream, frame)
            _add(samples, at_ms, frame, whole)
            samples.key_frames += 1
        if late():
            if samples is not None:
                samples.out_of_time = True
            break
    if samples is None or samples.key_frames < min(ENOUGH, key_frames):
        samples = _forward(container, stream, duration_ms, late, samples)
    if samples is None:
        return None
    samples.undecodable_ms += undecodable
    samples.taken.sort(key=lambda sample: sample.look.at_ms)
    _measure_changes(samples)
    return samples


def _deadline() -> Callable[[], bool]:
    cpu, wall = time.process_time() + CPU_SECONDS, time.monotonic() + WALL_SECONDS
    return lambda: time.process_time() > cpu or time.monotonic() > wall


def _key_frames(container: Any, stream: Any, duration_ms: int, count: int) -> Iterator[tuple[int, Any, bool]]:
    """(time, frame, whole) of the key frames before `count` moments at even distances, each once; None: undecodable.

    Where the container's index tells key frames apart, the packet that a seek lands on is taken for one, whatever the
    codec's parser says of it: a damaged packet looks like no key frame. Elsewhere the parser is asked.
    """
    seen = set()
    told = any(not entry.is_keyframe for entry in stream.index_entries[:_MAX_PACKETS_TO_A_KEY_FRAME])
    for n in range(count):
        at_ms = round((n + 0.5) / count * duration_ms)
        target = _start_of(stream) + round(at_ms / 1000 / stream.time_base)
        try:
            container.seek(target, stream=stream, backward=True)
            packets = container.demux(stream)
            near = islice(packets, _MAX_PACKETS_TO_A_KEY_FRAME)
            packet = next((p for p in near if p.size and (told or p.is_keyframe)), None)
        except av.error.FFmpegError:
            continue  # no seeking here; decoding forward will do
        mark = None if packet is None else packet.pts if packet.pts is not None else packet.dts
        if packet is None or mark in seen:
            continue
        seen.add(mark)
        at_ms = at_ms if mark is None else _ms(mark, stream)
        frame, whole = _decode_one(stream.codec_context, packet, packets)
        if frame is not None and frame.pts is not None:
            shown_ms = _ms(frame.pts, stream)
            if shown_ms > at_ms + _LATE_MS:  # the decoder found nothing here, and went on to the next key frame
                frame = None
            else:
                at_ms = shown_ms
        yield at_ms, frame, whole


def _decode_one(context: Any, packet: Any, packets: Iterator[Any]) -> tuple[Any, bool]:
    """The picture of a key packet, and whether the decoder had nothing to complain of; with the packets behind it where
    the decoder wants more before it gives a picture."""
    try:
        with _complaints() as said:
            context.flush_buffers()
            frames = context.decode(packet) or context.decode(None)
            if not frames:
                context.flush_buffers()
                frames = context.decode(packet)
                for following in islice(packets, _PACKETS_TO_A_PICTURE):
                    frames = frames or context.decode(following if following.size else None)
                    if frames:
                        break
    except (av.error.FFmpegError, EOFError):
        return None, False
    finally:
        context.flush_buffers()
    return (frames[0] if frames else None), not said


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What a decoder says of damage that it hides: PyAV does not pass on the flags for it."""
    said: list[str] = []
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as lines:
            yield said
        said += [text for _, _, text in lines if _DAMAGE.search(text)]
    finally:
        av.logging.set_level(av.logging.PANIC)


def _forward(
    container: Any, stream: Any, duration_ms: int, late: Callable[[], bool], samples: Samples | None
) -> Samples | None:
    """Decode from the beginning on, within a budget, and keep pictures at even distances."""
    context = stream.codec_context
    pixels = max(1, (stream.width or 1) * (stream.height or 1))
    budget = max(MIN_FORWARD_FRAMES, FORWARD_PIXELS // pixels)
    rate = float(stream.guessed_rate or 30)
    reach_ms = min(duration_ms, round(1000 * budget / max(rate, 1.0))) if duration_ms else round(1000 * budget / rate)
    step = reach_ms / FORWARD_SAMPLES
    due = step / 2 if samples is not None else 0.0
    taken = {sample.look.at_ms for sample in samples.taken} if samples is not None else set()
    at_ms = 0
    try:
        container.seek(_start_of(stream), stream=stream, backward=True)
        context.flush_buffers()
        for count, frame in enumerate(container.decode(stream)):
            at_ms = _ms(frame.pts, stream) if frame.pts is not None else at_ms
            if samples is None:
                samples = _start(stream, frame)
            if at_ms >= due:
                if at_ms not in taken:
                    _add(samples, at_ms, frame)
                due = (math.floor(max(at_ms, due) / step) + 1) * step if step else at_ms + 1
            if count >= budget or late() or len(samples.taken) >= 2 * FORWARD_SAMPLES:
                break
    except av.error.FFmpegError:
        pass
    if samples is not None:
        samples.forward_until_ms = at_ms
    return samples


def _start(stream: Any, frame: Any) -> Samples:
    peak = min(peak_of(frame) or 1000.0, 4000.0) if hdr_of(frame) else None
    return Samples(view_of(frame, stream.sample_aspect_ratio), frame, peak_nits=peak, taken=[], undecodable_ms=[])


def _add(samples: Samples, at_ms: int, frame: Any, whole: bool = True) -> None:
    try:
        view = samples.view
        if (frame.width, frame.height) != (view.coded_width, view.coded_height):  # it changes its size on the way
            view = view_of(frame)
        picture = picture_of(frame, view, EDGE, peak_nits=samples.peak_nits)
    except (av.error.FFmpegError, ValueError):
        samples.undecodable_ms.append(at_ms)
        return
    look = _look(picture, at_ms, damaged=bool(frame.is_corrupt) or not whole)
    samples.taken.append(Sample(look, picture))
    if samples.best_look is None or poster_score(look) > poster_score(samples.best_look):
        samples.best, samples.best_look = frame, look


def luma_of(picture: Picture) -> Any:
    """Luma, 0 to 255; alpha on white."""
    if picture.shape[2] == 4:
        weight = picture[..., 3:].astype(np.float32) / 255
        return (picture[..., :3] * weight + 255 * (1 - weight)) @ _LUMA
    return picture.astype(np.float32) @ _LUMA


def _look(picture: Picture, at_ms: int, *, damaged: bool) -> Look:
    luma = luma_of(picture)
    return Look(
        at_ms=at_ms,
        brightness=round(float(luma.mean()) / 255, 4),
        contrast=round(float(luma.std()) / 255, 4),
        sharpness=round(sharpness_of(luma), 3),
        dark=round(float((luma < 25.5).mean()), 4),
        damaged=damaged,
    )


def sharpness_of(luma: Any) -> float:
    """See `domain.quality`: mean absolute Laplacian in the sharpest tenth of 8 x 8 parts."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0
    edges = np.abs(4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:])
    rows, columns = min(8, edges.shape[0]), min(8, edges.shape[1])
    high, wide = edges.shape[0] // rows, edges.shape[1] // columns
    parts = edges[: rows * high, : columns * wide].reshape(rows, high, columns, wide).mean(axis=(1, 3)).ravel()
    parts.sort()
    return float(parts[-max(1, len(parts) // 10) :].mean())


def _measure_changes(samples: Samples) -> None:
    before: Any = None
    for n, sample in enumerate(samples.taken):
        small = luma_of(np.asarray(Image.fromarray(sample.picture).reduce(2)))
        if before is not None and before.shape == small.shape:
            change = round(float(np.abs(small - before).mean()), 3)
            look = Look(**{**_fields(sample.look), "change": change})
            samples.taken[n] = Sample(look, sample.picture)
        before = small


def _fields(look: Look) -> dict[str, Any]:
    return {name: getattr(look, name) for name in look.__struct_fields__}


def _start_of(stream: Any) -> int:
    return int(stream.start_time or 0)


def _ms(tick: int, stream: Any) -> int:
    return max(0, round(float(1000 * (tick - _start_of(stream)) * stream.time_base)))
