"""Tone mapping: known light levels of PQ and HLG come out at known places of sRGB; colours keep their hue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.media.hdr import Transfer, to_sdr

PQ = {0: 0.0, 10: 0.3022, 100: 0.5081, 203: 0.5807, 1000: 0.7518, 10000: 1.0}
"""Light in cd/m2 -> signal, of SMPTE ST 2084."""


def grey(signal: float, transfer: Transfer, peak: float = 1000.0) -> float:
    red, green, blue = to_sdr(np.full((1, 1, 3), signal, np.float32), transfer, "bt2020", peak_nits=peak)[0, 0]
    assert red == pytest.approx(green, abs=1e-3)
    assert green == pytest.approx(blue, abs=1e-3)
    return float(red)


@pytest.mark.parametrize(("nits", "lowest", "highest"), [
    (0, 0.0, 0.0), (10, 0.22, 0.27), (100, 0.68, 0.76), (203, 0.87, 0.93), (1000, 0.99, 1.0), (10000, 0.99, 1.0),
])  # fmt: skip
def test_pq_light_comes_out_where_a_person_expects_it(nits: int, lowest: float, highest: float) -> None:
    assert lowest <= grey(PQ[nits], "pq") <= highest + 1e-6


def test_hlg_and_pq_agree_on_reference_white() -> None:
    assert grey(0.75, "hlg") == pytest.approx(grey(PQ[203], "pq"), abs=0.01)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_more_light_is_never_darker(transfer: Transfer) -> None:
    ramp = np.repeat(np.linspace(0, 1, 257, dtype=np.float32)[None, :, None], 3, axis=2)
    out = to_sdr(ramp, transfer, "bt2020", peak_nits=1000)[0, :, 1]
    assert (np.diff(out) >= -1e-5).all()
    assert out[0] == 0
    assert out[-1] > 0.99


def test_a_dim_scene_is_left_as_dim_as_it_is() -> None:
    dim = np.full((4, 4, 3), PQ[10], np.float32)
    assert 0.2 < float(to_sdr(dim, "pq", "bt2020").mean()) < 0.28


def test_colours_outside_the_smaller_gamut_keep_their_hue() -> None:
    def of(red: float, green: float, blue: float) -> Any:
        return to_sdr(np.asarray([[[red, green, blue]]], np.float32), "pq", "bt2020", peak_nits=1000)[0, 0]

    assert np.argmax(of(0.6, 0.1, 0.1)) == 0
    assert np.argmax(of(0.1, 0.6, 0.1)) == 1
    assert np.argmax(of(0.1, 0.1, 0.6)) == 2
    assert (to_sdr(np.random.default_rng(1).random((20, 20, 3), np.float32), "hlg", "p3") <= 1).all()


def test_a_grey_stays_grey_whatever_the_primaries() -> None:
    signal = np.full((1, 1, 3), PQ[100], np.float32)
    out = [to_sdr(signal, "pq", gamut, peak_nits=1000)[0, 0] for gamut in ("bt2020", "p3", "bt709")]  # type: ignore[arg-type]
    assert np.allclose(out, out[0][0], atol=2e-3)
