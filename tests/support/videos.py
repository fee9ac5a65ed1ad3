"""Generated videos whose pictures and sound say what they are: each picture holds its number in squares, each full
second flashes and clicks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 12
SIZE = (320, 192)
CLICK_HZ = 2000
TICKS = 60_000  # a second; MPEG-4 part 2 takes no more than 65,535
Array = np.ndarray[Any, Any]


def picture(number: int, size: tuple[int, int] = SIZE, flash: bool = False) -> Array:
    """RGB: a row of squares that are the bits of the number, below it grey, or white for a flash; its left is red."""
    width, height = size
    frame = np.full((height, width, 3), 96, np.uint8)
    cell = width // BITS
    for bit in range(BITS):
        frame[: height // 3, bit * cell : (bit + 1) * cell] = 235 if number >> bit & 1 else 16
    frame[height // 3 :, : width // 8] = (200, 30, 30)
    if flash:
        frame[height // 3 :, width // 8 :] = 255
    return frame


def number_of(frame: Array) -> int:
    """The number that an upright picture of any size shows."""
    height, width = frame.shape[:2]
    row = frame[height // 6, :, 1].astype(int)
    return sum(int(row[int((bit + 0.5) * (width // BITS * BITS) / BITS)] > 128) << bit for bit in range(BITS))


def flashes(frame: Array) -> bool:
    """Whether an upright picture is one of a flash."""
    height, width = frame.shape[:2]
    return bool(frame[height * 2 // 3, width * 2 // 3].mean() > 200)


def clicks(seconds: float, rate: int, channels: int) -> Array:
    """Sound, shape (channels, samples): 30 ms of a tone at each full second, silence between."""
    t = np.arange(int(seconds * rate)) / rate
    wave = np.where(t % 1 < 0.03, 0.6 * np.sin(2 * np.pi * CLICK_HZ * t), 0).astype(np.float32)
    return np.repeat(wave[None], channels, axis=0)


def click_times(sound: Array, rate: int) -> list[float]:
    """Seconds at which clicks begin."""
    loud = np.abs(sound) > 0.15
    found: list[float] = []
    for at in np.flatnonzero(loud) / rate:
        if not found or at - found[-1] > 0.5:
            found.append(float(at))
    return found


def make_video(
    path: Path,
    seconds: float = 3.0,
    *,
    rate: Fraction | int = 30,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
    times: Sequence[Fraction] | None = None,
    audio: str | None = None,
    layout: str = "stereo",
    sample_rate: int = 48_000,
    container_options: dict[str, str] | None = None,
    turned: int = 0,
    colours: tuple[int, int, int] | None = None,
    format: str | None = None,  # noqa: A002 - FFmpeg's own term
) -> Path:
    """Write a video.

    Args:
        times: when each picture is shown; None: evenly, at the rate.
        turned: the picture is stored turned by so many degrees against the clock, without saying so.
        colours: primaries, transfer, matrix (ITU-T H.273).
    """
    per_second = Fraction(rate)
    with av.open(str(path), "w", format=format, options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=per_second, options=options or {})
        width, height = size if turned % 180 == 0 else size[::-1]
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = Fraction(1, TICKS)
        if colours:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colours
        sound: Any = None
        if audio is not None:
            sound = container.add_stream(audio, rate=sample_rate, layout=layout)
        if times is None:
            times = [n / per_second for n in range(int(seconds * per_second))]
        for packet in _pictures(stream, times, size, pixel_format, turned):
            container.mux(packet)
        if sound is not None:
            for packet in _sound(sound, seconds, sample_rate, layout):
                container.mux(packet)
    return path


def _pictures(
    stream: Any, times: Sequence[Fraction], size: tuple[int, int], pixel_format: str, turned: int
) -> Iterable[Any]:
    for number, at in enumerate(times):
        image = np.ascontiguousarray(np.rot90(picture(number, size, flash=at % 1 < Fraction(1, 10)), turned // 90))
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixel_format)
        frame.pts, frame.time_base = int(at * TICKS), Fraction(1, TICKS)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound(stream: Any, seconds: float, rate: int, layout: str) -> Iterable[Any]:
    channels = stream.codec_context.channels
    samples = clicks(seconds, rate, channels)
    resampler = av.AudioResampler(
        format=stream.codec_context.format, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or 1024
    )
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for made in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from stream.encode(made)
    yield from stream.encode(None)


# --- reading back ----------------------------------------------------------------------------------------------------


def pictures_of(path: Path | str, stream: int = 0) -> list[tuple[float, Array]]:
    """Time and upright RGB of every picture of a video track."""
    with av.open(str(path)) as container:
        track: Any = container.streams.video[stream]
        found = []
        for frame in container.decode(track):
            image = frame.to_ndarray(format="rgb24")
            turns = -int(frame.rotation or 0) // 90  # FFmpeg says against the clock
            found.append((float(frame.pts * frame.time_base), np.rot90(image, -turns)))
        return found


def sound_of(path: Path | str) -> tuple[float, int, Array]:
    """Start in seconds, samples a second, and the first channel of the first audio track."""
    with av.open(str(path)) as container:
        track: Any = container.streams.audio[0]
        start, parts, rate = None, [], track.codec_context.sample_rate
        for frame in container.decode(track):
            if start is None:
                start = float(frame.pts * frame.time_base)
            data = frame.to_ndarray().astype(np.float32)
            parts.append(data[0] if frame.format.is_planar else data.reshape(-1, len(frame.layout.channels))[:, 0])
        assert start is not None
        return start, rate, np.concatenate(parts)


def drift(path: Path | str, stream: int = 0) -> float:
    """The largest distance in seconds between a flash and its click, over all full seconds but the first."""
    shown = pictures_of(path, stream)
    start, rate, samples = sound_of(path)
    lit = [at for (at, image), (_, before) in zip(shown[1:], shown, strict=False) if flashes(image) > flashes(before)]
    heard = [start + at for at in click_times(samples, rate)]
    assert len(lit) >= 2
    return max(min(abs(flash - click) for click in heard) for flash in lit)
