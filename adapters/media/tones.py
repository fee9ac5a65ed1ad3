"""HDR pictures (PQ and HLG) on an ordinary screen: BT.2020 light is bent into sRGB, not cut and not shown flat.

The curve is ITU-R BT.2390's (5.4.1): below a knee nothing changes, above it the picture's own brightest light is bent
down to white. It acts on the largest of red, green and blue, and so keeps the hue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvips

__all__ = ["HLG", "PQ", "peak_of", "to_sdr"]

PQ, HLG = 16, 18  # transfer characteristics, ITU-T H.273
WHITE_NITS = 203.0  # ITU-R BT.2408: what paper white has in HDR; it becomes sRGB's white
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # SMPTE ST 2084
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # HLG, ITU-R BT.2100
_HLG_NITS, _HLG_GAMMA = 1000.0, 1.2  # BT.2100's reference display
_TO_SRGB = np.array(  # linear BT.2020 to linear sRGB, both D65 (ITU-R BT.2087, 2.3)
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_P3_TO_SRGB = np.array(
    [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]], np.float32
)
_STRIP = 256  # rows at a time: 20 MB of floats for a row of 6,000 pixels


def _nits(signal: Any, transfer: int) -> Any:
    """Light in cd/m2 from a signal of 0 to 1."""
    if transfer == PQ:
        power = np.power(signal, 1 / _M2)
        return 10000 * np.power(np.maximum(power - _C1, 0) / (_C2 - _C3 * power), 1 / _M1)
    scene = np.where(signal <= 0.5, signal * signal / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luma = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return _HLG_NITS * scene * np.power(np.maximum(luma, 1e-6), _HLG_GAMMA - 1)[..., None]


def _pq(nits: Any) -> Any:
    """The PQ signal of a light in cd/m2."""
    power = np.power(np.maximum(nits, 0) / 10000, _M1)
    return np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)


def _signal(picture: pyvips.Image) -> Any:
    top = 65535.0 if picture.format == "ushort" else 255.0
    return np.asarray(picture.numpy(), np.float32)[..., :3] / top


def peak_of(picture: pyvips.Image, transfer: int) -> float:
    """The brightest light of a (reduced) picture in cd/m2, without its brightest thousandth; at least white."""
    brightest = _nits(_signal(picture), transfer).max(axis=-1)
    return max(float(np.percentile(brightest, 99.9)), WHITE_NITS)


def to_sdr(picture: pyvips.Image, transfer: int, peak: float, *, p3: bool = False) -> pyvips.Image:
    """8-bit sRGB of an HDR picture of three bands, in strips; `p3` when its primaries are P3's and not BT.2020's."""
    rows = []
    for top in range(0, picture.height, _STRIP):
        strip = picture.crop(0, top, picture.width, min(_STRIP, picture.height - top))
        rows.append(_strip(_nits(_signal(strip), transfer), peak, _P3_TO_SRGB if p3 else _TO_SRGB))
    return pyvips.Image.new_from_array(np.concatenate(rows)).copy(interpretation="srgb")


def _strip(nits: Any, peak: float, matrix: Any) -> Any:
    brightest = np.maximum(nits.max(axis=-1, keepdims=True), 1e-4)
    linear = nits * (_bent(brightest, peak) / brightest) / WHITE_NITS
    linear = np.clip(linear @ matrix.T, 0, 1)
    signal = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)
    return np.rint(signal * 255).astype(np.uint8)


def _bent(nits: Any, peak: float) -> Any:
    """BT.2390's curve from `peak` down to white, in cd/m2."""
    source = float(_pq(np.float32(peak)))
    most = float(_pq(np.float32(WHITE_NITS))) / source
    signal = np.minimum(_pq(nits) / source, 1)
    knee = 1.5 * most - 0.5
    if knee >= 1:
        return np.minimum(nits, WHITE_NITS)
    t = np.maximum((signal - knee) / (1 - knee), 0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    bent = np.where(signal < knee, signal, spline) * source
    power = np.power(bent, 1 / _M2)
    return 10000 * np.power(np.maximum(power - _C1, 0) / (_C2 - _C3 * power), 1 / _M1)
