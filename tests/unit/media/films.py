"""Small videos for the media tests, made with PyAV: any pictures, turn, colours and container, with gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageFilter

from tests.unit.media.pictures import noise, quarters

__all__ = ["black", "blurred", "encode", "hdr10", "moving", "turned"]


def moving(number: int, width: int = 320, height: int = 200) -> Image.Image:
    """A picture with fine structure that moves by five pixels from one number to the next."""
    wide = noise(width + 400, height, seed=3)
    at = (5 * number) % 400
    picture = wide.crop((at, 0, at + width, height))
    for x in range(10, width - 20, 40):
        picture.paste((250, 250, 250), (x, 20, x + 12, height - 20))
        picture.paste((10, 10, 10), (x + 14, 40, x + 18, height - 40))
    return picture


def blurred(number: int, width: int = 320, height: int = 200) -> Image.Image:
    """The same out of focus."""
    return moving(number, width, height).filter(ImageFilter.GaussianBlur(9))


def black(number: int, width: int = 320, height: int = 200) -> Image.Image:
    """Nothing to see."""
    return Image.new("RGB", (width, height))


def encode(
    path: Path,
    pictures: Iterable[Image.Image] | Callable[[int], Image.Image],
    *,
    frames: int = 40,
    rate: int = 20,
    codec: str = "libx264",
    key_every: int = 5,
    pixels: str = "yuv420p",
    turn: int = 0,
    mirror: bool = False,
    aspect: Fraction | None = None,
    times: Callable[[int], int] | None = None,
    options: dict[str, str] | None = None,
    movflags: str | None = None,
    sound: bool = False,
    kind: str | None = None,
    colours: dict[str, int] | None = None,
) -> Path:
    """Write a video; the suffix tells the container.

    Args:
        turn: degrees clockwise by which a player is to turn what is stored.
        times: number of a picture -> its time in ticks of 1/`rate` s.
        colours: color_primaries, color_trc, colorspace and color_range, as H.273 numbers them.
    """
    each = pictures if callable(pictures) else list(pictures).__getitem__
    with av.open(str(path), "w", format=kind, options={"movflags": movflags} if movflags else {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        first = each(0)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, pixels
        stream.options = {"g": str(key_every), "keyint_min": str(key_every), "sc_threshold": "0"} | (options or {})
        stream.codec_context.time_base = Fraction(1, rate)
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn or mirror:
            stream.set_display_rotation(turn if mirror else -turn, hflip=mirror)  # PyAV mirrors last
        audio: Any = container.add_stream("aac", rate=48_000) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_image(each(number))
            frame.pts, frame.time_base = times(number) if times else number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            _tone(container, audio, frames / rate)
    return path


def _tone(container: Any, audio: Any, seconds: float) -> None:
    wave = (np.sin(np.arange(int(48_000 * seconds)) / 12) * 0.2).astype(np.float32)[None, :]
    for at in range(0, wave.shape[1], 1024):
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[:, at : at + 1024]), format="fltp", layout="mono")
        block.sample_rate, block.time_base, block.pts = 48_000, Fraction(1, 48_000), at
        container.mux(audio.encode(block))
    container.mux(audio.encode())


def turned(path: Path, turn: int, *, mirror: bool = False) -> Path:
    """The four quarters of `pictures.quarters`, stored so that a player's mirroring and turning brings them back."""
    upright = quarters(320, 200)
    stored = upright.rotate(turn, expand=True)  # Pillow turns the other way round
    if mirror:
        stored = stored.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return encode(path, lambda _: stored, frames=20, turn=turn, mirror=mirror)


def hdr10(path: Path, nits: float, *, transfer: int = 16, codec: str = "libx265") -> Path:
    """A grey of a given luminance at 10 bits, tagged as BT.2020 with PQ (16) or HLG (18), with a white corner."""
    from adapters.media.hdr import _nits_to_pq

    signal = float(_nits_to_pq(np.float32(nits)))  # type: ignore[arg-type]
    luma = np.full((120, 160), round(64 + 876 * signal), np.uint16)
    chroma = np.full((60, 80), 512, np.uint16)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1
        stream.options = {"x265-params": "log-level=none:keyint=5"} if codec == "libx265" else {"g": "5"}
        for number in range(20):
            frame = av.VideoFrame(160, 120, "yuv420p10le")
            for plane, values in zip(frame.planes, (luma, chroma, chroma), strict=True):
                rows = np.zeros((values.shape[0], plane.line_size // 2), np.uint16)
                rows[:, : values.shape[1]] = values
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 10)
            frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, transfer, 9, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
