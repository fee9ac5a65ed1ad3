"""How good pictures and videos are to look at: scores for choosing a poster, and a verdict with its reasons.

Pure numbers in, words out; `adapters/media` measures. The thresholds are our own, set by looking at samples, unless a
source is named.

Measures, all on an upright picture of at most 640 pixels:

- brightness: mean luma (ITU-R BT.709), 0 to 1; contrast: its standard deviation.
- dark: share of pixels with a luma below 0.1 (FFmpeg's `blackdetect` takes the same level).
- sharpness: mean absolute Laplacian of the luma (0 to 255) in the sharpest tenth of 8 x 8 parts of the picture, so that
  a sharp face before a soft background counts as sharp. 0 is a plain area; a focused photo has 15 and more, a blurred
  one less than 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from domain.video import Stretch, Verdict, VideoQuality

__all__ = [
    "Cadence",
    "Look",
    "black_stretches",
    "cadence",
    "frozen_stretches",
    "is_black",
    "judge",
    "poster_score",
]

DARK_SHARE = 0.98
"""So much of a picture is dark when it counts as black (as FFmpeg's `blackdetect`, `pic_th`)."""

STILL_DIFFERENCE = 0.7
"""Mean difference of luma (0 to 255) up to which two pictures are the same; sensor noise alone makes more."""

SHAKY = 1.0
"""Jolts in per cent of the picture a frame from which on it is hard to watch: 19 pixels of 1080p."""

MIN_FROZEN_MS = 1000
MAX_STRETCHES = 20
MAX_GAPS = 10


class Look(Struct, frozen=True):
    """What was measured of one sampled picture."""

    at_ms: int
    brightness: float
    contrast: float
    sharpness: float
    dark: float
    change: float | None = None  # mean absolute difference of luma (0 to 255) from the sample before
    damaged: bool = False


class Cadence(Struct, frozen=True):
    """What timestamps of pictures, in order of showing, say."""

    frame_rate: float | None = None
    variable: bool = False
    dropped: int = 0
    gaps: tuple[Stretch, ...] = ()
    frames: int = 0
    examined_ms: int = 0


def is_black(look: Look) -> bool:
    """Whether there is nothing to see."""
    return look.dark >= DARK_SHARE


def poster_score(look: Look) -> float:
    """How well a picture stands for its video, 0 to 1: sharp, well lit, with something on it, whole."""
    if is_black(look):
        return 0.001 * look.brightness
    sharp = look.sharpness / (look.sharpness + 12.0)
    light = max(0.0, 1.0 - abs(look.brightness - 0.45) / 0.55)
    depth = min(1.0, look.contrast / 0.18)
    score = sharp * (0.3 + 0.7 * light) * (0.2 + 0.8 * depth)
    return score * (0.2 if look.damaged else 1.0)


# --- the time line ---------------------------------------------------------------------------------------------------


def black_stretches(looks: Sequence[Look], end_ms: int) -> tuple[Stretch, ...]:
    """Where sampled pictures are black: from the first black sample to the next one that is not."""
    marks = [(look.at_ms, is_black(look)) for look in looks]
    return _stretches(marks, end_ms, 0)


def frozen_stretches(looks: Sequence[Look], end_ms: int) -> tuple[Stretch, ...]:
    """Where samples equal the one before and are not black, over at least a second."""
    marks = []
    for this, following in zip(looks, [*looks[1:], None], strict=True):
        still = following is not None and following.change is not None and following.change <= STILL_DIFFERENCE
        marks.append((this.at_ms, still and not is_black(this)))
    return _stretches(marks, end_ms, MIN_FROZEN_MS)


def _stretches(marks: Sequence[tuple[int, bool]], end_ms: int, least_ms: int) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    since: int | None = None
    for at, marked in [*marks, (end_ms, False)]:
        if marked and since is None:
            since = at
        elif not marked and since is not None:
            if at - since >= least_ms and at > since:
                found.append(Stretch(since, at))
            since = None
    return tuple(found[:MAX_STRETCHES])


def cadence(times_ms: Sequence[float]) -> Cadence:
    """Rate, and the pictures that are missing.

    With a steady rate, a distance of n times the usual one hides n - 1 pictures. Where distances vary (screen
    recordings, many phones), only gaps of half a second and six usual distances count.

    Args:
        times_ms: timestamps in order, without repeats.
    """
    distances = [after - before for before, after in pairwise(times_ms) if after > before]
    if not distances:
        return Cadence(frames=len(times_ms))
    usual = median(distances)
    multiples = [distance / usual for distance in distances]
    odd = sum(abs(m - round(m)) > 0.2 or m < 0.8 for m in multiples)
    long = sum(m >= 1.5 for m in multiples)
    variable = len(distances) >= 5 and (odd > 0.05 * len(distances) or long > 0.2 * len(distances))
    least = max(500.0, 6 * usual) if variable else 1.75 * usual
    gaps = [(before, after) for before, after in pairwise(times_ms) if after - before >= least and len(distances) >= 5]
    dropped = sum(max(1, round((after - before) / usual) - 1) for before, after in gaps)
    longest = sorted(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:MAX_GAPS])
    span = times_ms[-1] - times_ms[0]
    return Cadence(
        frame_rate=round(1000 * len(distances) / span, 3),
        variable=variable,
        dropped=dropped,
        gaps=tuple(Stretch(max(0, round(a)), max(0, round(b))) for a, b in longest),
        frames=len(times_ms),
        examined_ms=max(0, round(span + usual)),
    )


# --- the verdict -----------------------------------------------------------------------------------------------------

_EFFICIENCY = {
    "h264": 1.0,
    "hevc": 0.6,
    "vp9": 0.6,
    "av1": 0.5,
    "vp8": 1.2,
    "mpeg4": 1.5,
    "mpeg2video": 2.0,
    "h263": 2.0,
}
"""Bits that a codec needs for the same look, H.264 being 1: rounded from published comparisons (about 40 % less for
HEVC and VP9, 50 % for AV1)."""

_POOR_BITS, _FAIR_BITS = 0.02, 0.045
"""Bits a pixel of H.264 at 30 pictures a second below which blocks show: 1080p at 1.2 and at 2.8 Mbit/s."""


def judge(
    *,
    width: int,
    height: int,
    codec: str,
    bits_per_pixel: float | None,
    looks: Sequence[Look],
    duration_ms: int,
    rhythm: Cadence,
    shake: float | None = None,
) -> VideoQuality:
    """Verdict and reasons; the worst finding decides."""
    found: list[tuple[Verdict, str]] = []
    short = min(width, height)
    if short < 720:
        found.append(("poor" if short < 360 else "fair", f"low resolution ({width} x {height})"))
    if bits_per_pixel is not None:
        need = _EFFICIENCY.get(codec, 1.0)
        if bits_per_pixel < _FAIR_BITS * need:
            verdict: Verdict = "poor" if bits_per_pixel < _POOR_BITS * need else "fair"
            found.append((verdict, f"strongly compressed ({bits_per_pixel:.3f} bits a pixel of {codec})"))
    seen = [look for look in looks if not is_black(look)]
    sharpness = round(median(look.sharpness for look in seen), 2) if seen else None
    if sharpness is not None and sharpness < 6:
        found.append(("poor" if sharpness < 2.5 else "fair", "blurred"))
    black, frozen = black_stretches(looks, duration_ms), frozen_stretches(looks, duration_ms)
    _share(found, black, duration_ms, "black", 0.1, 0.5)
    _share(found, frozen, duration_ms, "standing still", 0.1, 0.5)
    damaged = sum(look.damaged for look in looks)
    if damaged:
        found.append(("poor" if damaged > len(looks) / 4 else "fair", f"damaged in {damaged} of {len(looks)} samples"))
    share = rhythm.dropped / (rhythm.frames + rhythm.dropped) if rhythm.dropped else 0.0
    if share > 0.005 and rhythm.dropped >= 5:
        found.append(("poor" if share > 0.05 else "fair", f"pictures are missing ({share:.1%})"))
    if rhythm.frame_rate is not None and rhythm.frame_rate < 15 and rhythm.frames > 5:
        found.append(("fair", f"jerky ({rhythm.frame_rate:.3g} pictures a second)"))
    if shake is not None and shake >= SHAKY:
        found.append(("poor" if shake >= 3 * SHAKY else "fair", f"shaky ({shake:.1f} % of the picture a frame)"))
    verdicts = {verdict for verdict, _ in found}
    return VideoQuality(
        verdict="poor" if "poor" in verdicts else "fair" if found else "good",
        reasons=tuple(reason for _, reason in found),
        bits_per_pixel=round(bits_per_pixel, 4) if bits_per_pixel is not None else None,
        sharpness=sharpness,
        shake=shake,
        black=black,
        frozen=frozen,
        dropped_frames=rhythm.dropped,
        gaps=rhythm.gaps,
        samples=len(looks),
        examined_ms=rhythm.examined_ms,
    )


def _share(
    found: list[tuple[Verdict, str]],
    stretches: Sequence[Stretch],
    duration_ms: int,
    what: str,
    fair: float,
    poor: float,
) -> None:
    if not stretches or duration_ms <= 0:
        return
    share = min(1.0, sum(s.until_ms - s.from_ms for s in stretches) / duration_ms)
    if share >= fair:
        found.append(("poor" if share >= poor else "fair", f"{what} for {share:.0%} of the time"))
