"""Pictures that move and pictures in HDR, generated with the encoders that the project's libraries ship."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["HDR_NITS", "animate", "avif_hdr", "heic_hdr", "hlg", "pq"]

HDR_NITS = (203.0, 100.0, 20.0, 1000.0)
"""Light of the four quarters (top left, top right, bottom left, bottom right) in cd/m2: 203 is paper white."""


def animate(path: Path, frames: Sequence[Image.Image], duration_ms: int) -> Path:
    """A GIF, WebP, PNG or AVIF of these frames; the suffix tells."""
    options = {"speed": 10} if path.suffix == ".avif" else {}
    frames[0].save(path, save_all=True, append_images=list(frames[1:]), duration=duration_ms, loop=0, **options)
    return path


def pq(nits: float) -> float:
    """The signal of SMPTE ST 2084 for a light."""
    power = (nits / 10000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(nits: float) -> float:
    """The signal of HLG for a grey light on the reference display (ITU-R BT.2100)."""
    scene = (nits / 1000) ** (1 / 1.2)
    if scene <= 1 / 12:
        return float((3 * scene) ** 0.5)
    return float(0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073)


def _signals(signal: Callable[[float], float], width: int, height: int) -> np.ndarray:
    first, second, third, fourth = (signal(nits) for nits in HDR_NITS)
    corners = np.array([[first, second], [third, fourth]])
    return np.repeat(np.repeat(corners, height // 2, axis=0), width // 2, axis=1)


def heic_hdr(path: Path, transfer: int, size: tuple[int, int] = (320, 200)) -> Path:
    """A 10-bit HEIC, BT.2020, with PQ (16) or HLG (18)."""
    import pillow_heif

    grey = (_signals(pq if transfer == 16 else hlg, *size) * 65535).round().astype(np.uint16)
    pillow_heif.from_bytes("RGB;16", size, np.dstack([grey] * 3).tobytes()).save(
        path,
        quality=95,
        bit_depth=10,
        chroma=444,
        color_primaries=9,
        transfer_characteristics=transfer,
        matrix_coefficients=9,
        full_range_flag=1,
    )
    return path


def avif_hdr(path: Path, transfer: int, size: tuple[int, int] = (320, 200)) -> Path:
    """A 10-bit AVIF, BT.2020, with PQ (16) or HLG (18)."""
    os.environ.setdefault("SVT_LOG", "0")  # the encoder is talkative
    import av
    from av.video.codeccontext import VideoCodecContext

    with av.open(str(path), "w", format="avif") as out:
        stream = out.add_stream("libsvtav1", rate=1, options={"crf": "8", "preset": "10"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        assert isinstance(context, VideoCodecContext)
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 2
        frame = av.VideoFrame(*size, "yuv420p10le")
        luma = (_signals(pq if transfer == 16 else hlg, *size) * 1023).round().astype(np.uint16)
        chroma = np.full((size[1] // 2, size[0] // 2), 512, np.uint16)
        for plane, values in zip(frame.planes, (luma, chroma, chroma), strict=True):
            padded = np.zeros((values.shape[0], plane.line_size // 2), np.uint16)
            padded[:, : values.shape[1]] = values
            plane.update(padded.tobytes())
        frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, transfer, 9, 2
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
