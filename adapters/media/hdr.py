"""HDR pictures (PQ or HLG) to SDR: linear light, a tone curve, the smaller gamut, sRGB's curve. Pure numpy.

Run it on the reduced picture, so that its price does not grow with the camera's.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

__all__ = ["REFERENCE_WHITE_NITS", "Primaries", "Transfer", "gamut_to_srgb", "to_sdr"]

Transfer: TypeAlias = Literal["pq", "hlg"]
Primaries: TypeAlias = Literal["bt2020", "p3", "bt709"]
_Array: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

REFERENCE_WHITE_NITS = 203.0
"""Luminance of a white sheet of paper in HDR (ITU-R BT.2408-7, table 1). It becomes the white of the SDR picture."""

_HLG_PEAK_NITS = 1000.0
"""Peak of the display that HLG is rendered for; its system gamma is then 1.2 (ITU-R BT.2100-2, table 5)."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""Constants of PQ (SMPTE ST 2084:2014, 5.2)."""

_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
"""Constants of HLG (ARIB STD-B67; ITU-R BT.2100-2, table 5)."""

_TO_BT709: dict[Primaries, tuple[tuple[float, float, float], ...]] = {
    "bt2020": ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    "p3": ((1.2249, -0.2249, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0983)),
}
"""Linear RGB to linear BT.709 RGB (ITU-R BT.2087-0, 2.2 in reverse; Display P3 from its primaries, SMPTE EG 432-1)."""

_LUMA: dict[Primaries, tuple[float, float, float]] = {
    "bt2020": (0.2627, 0.6780, 0.0593),
    "p3": (0.2290, 0.6917, 0.0793),
    "bt709": (0.2126, 0.7152, 0.0722),
}


def to_sdr(rgb: _Array, transfer: Transfer, primaries: Primaries, *, peak_nits: float | None = None) -> _Array:
    """Bring an HDR picture to sRGB.

    Up to about half of the reference white, light stays as it is; above, the curve of ITU-R BT.2390-10, 5.4.1 bends it
    so that the brightest light just reaches white. The curve is applied to the largest channel and the others are
    scaled along, which keeps hues.

    Args:
        rgb: shape (height, width, 3), the signal as coded, 0 to 1 (full range).
        transfer: "pq" (SMPTE ST 2084) or "hlg" (ARIB STD-B67).
        primaries: of the signal.
        peak_nits: brightest light to expect; None: what the picture holds (all but 1 in 1,000 pixels), at most 4,000.
    Returns:
        The same shape in sRGB (IEC 61966-2-1), 0 to 1.
    """
    signal = np.clip(np.asarray(rgb, np.float32), 0, 1)
    nits = _pq_to_nits(signal) if transfer == "pq" else _hlg_to_nits(signal, primaries)
    brightest = nits.max(axis=-1)
    if peak_nits is None:
        peak_nits = min(float(np.percentile(brightest, 99.9)), 4000.0)
    knots = _PQ_TABLE[:: len(_PQ_TABLE) // 1024]
    factors = _bend(knots, max(peak_nits, REFERENCE_WHITE_NITS)) / np.maximum(knots, 1e-6) / REFERENCE_WHITE_NITS
    factors[0] = factors[1]
    linear = nits * np.interp(brightest, knots, factors).astype(np.float32)[..., None]
    return _srgb_curve(_to_bt709(linear, primaries))


def gamut_to_srgb(rgb: _Array, primaries: Primaries) -> _Array:
    """An SDR picture with other primaries in sRGB; its curve is taken for sRGB's, which differs little from video's.

    Args:
        rgb: shape (height, width, 3), 0 to 1.
    """
    signal = np.clip(np.asarray(rgb, np.float32), 0, 1)
    linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return _srgb_curve(_to_bt709(np.asarray(linear, np.float32), primaries))


def _pq_to_nits(signal: _Array) -> _Array:
    """EOTF of PQ: 0..1 to 0..10,000 cd/m2, by table: a tenth of the time of the powers in `_pq_formula`."""
    return np.asarray(_PQ_TABLE[(signal * (len(_PQ_TABLE) - 1) + 0.5).astype(np.int32)])


def _pq_formula(signal: _Array) -> _Array:
    """EOTF of PQ (SMPTE ST 2084:2014, 5.1)."""
    root = signal ** np.float32(1 / _M2)
    return np.asarray(10000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1), np.float32)


def _nits_to_pq(nits: _Array) -> _Array:
    """Inverse of `_pq_to_nits`."""
    power = (np.maximum(nits, 0) / 10000) ** np.float32(_M1)
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2, np.float32)


def _hlg_to_nits(signal: _Array, primaries: Primaries) -> _Array:
    """Inverse OETF, then the OOTF for a 1,000 nit display (ITU-R BT.2100-2, table 5)."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = scene @ np.asarray(_LUMA[primaries], np.float32)
    return np.asarray(_HLG_PEAK_NITS * scene * np.maximum(luminance, 1e-6)[..., None] ** 0.2, np.float32)


def _bend(nits: _Array, peak_nits: float) -> _Array:
    """Electrical-electrical transfer function from a display with that peak to one with the reference white as its
    peak, black at 0 (ITU-R BT.2390-10, 5.4.1)."""
    source = float(_nits_to_pq(np.float32(peak_nits)))  # type: ignore[arg-type]
    top = float(_nits_to_pq(np.float32(REFERENCE_WHITE_NITS))) / source  # type: ignore[arg-type]
    if top >= 1:
        return np.minimum(nits, np.float32(peak_nits))
    knee = 1.5 * top - 0.5
    level = np.clip(_nits_to_pq(nits) / source, 0, 1)
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    return _pq_formula(np.asarray(np.where(level < knee, level, spline) * source, np.float32))


def _to_bt709(linear: _Array, primaries: Primaries) -> _Array:
    """Into the gamut of BT.709; a colour outside is drawn towards grey of its luminance until it fits."""
    matrix = _TO_BT709.get(primaries)
    if matrix is None:
        return linear
    moved = linear @ np.asarray(matrix, np.float32).T
    luminance = (moved @ np.asarray(_LUMA["bt709"], np.float32))[..., None]
    lowest = moved.min(axis=-1, keepdims=True)
    keep = np.where(lowest < 0, luminance / np.maximum(luminance - lowest, 1e-6), 1)
    return np.asarray(luminance + (moved - luminance) * np.clip(keep, 0, 1), np.float32)


def _srgb_curve(linear: _Array) -> _Array:
    """IEC 61966-2-1."""
    return np.asarray(_SRGB_TABLE[(np.clip(linear, 0, 1) * (len(_SRGB_TABLE) - 1) + 0.5).astype(np.int32)])


def _srgb_formula(light: _Array) -> _Array:
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055), np.float32)


_STEPS = np.linspace(0, 1, 1 << 16, dtype=np.float32)
_PQ_TABLE, _SRGB_TABLE = _pq_formula(_STEPS), _srgb_formula(_STEPS)
