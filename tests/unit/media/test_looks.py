"""How good a picture is to look at, by libvips: the same numbers as NumPy gives for frames of videos."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips

from adapters.media.looks import EDGE, look_of
from adapters.media.video_sampling import luma_of, sharpness_of


def picture(array: np.ndarray) -> pyvips.Image:
    return pyvips.Image.new_from_array(array).copy(interpretation="srgb")


def noise(height: int, width: int, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (height, width, bands), np.uint8)


@pytest.mark.parametrize("shape", [(480, 640), (333, 217), (9, 11), (3, 3)])
def test_the_measures_are_those_of_videos(shape: tuple[int, int]) -> None:
    pixels = noise(*shape)
    luma = luma_of(pixels)
    look = look_of(picture(pixels))
    assert look.sharpness == pytest.approx(sharpness_of(luma), rel=1e-3)
    assert look.brightness == pytest.approx(luma.mean() / 255, abs=1e-3)
    assert look.contrast == pytest.approx(luma.std(ddof=1) / 255, abs=1e-3)
    assert look.dark == pytest.approx((luma < 25.5).mean(), abs=1e-3)


def test_a_blurred_picture_is_less_sharp_than_the_same_in_focus() -> None:
    sharp = picture(noise(400, 400))
    assert look_of(sharp.gaussblur(3).cast("uchar")).sharpness < look_of(sharp).sharpness / 5


def test_a_large_picture_is_measured_small() -> None:
    stripes = np.zeros((2 * EDGE, 4 * EDGE, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than what is left of them at the size that is measured
    assert look_of(picture(stripes)).sharpness < 5


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_grey_and_transparent_pictures_have_measures_too(bands: int) -> None:
    pixels = noise(60, 80, bands)
    made = pyvips.Image.new_from_array(pixels)
    made = made.copy(interpretation="b-w" if bands < 3 else "srgb")
    assert look_of(made).sharpness > 0


def test_a_picture_of_one_pixel_has_no_sharpness() -> None:
    assert look_of(picture(np.full((1, 1, 3), 128, np.uint8))).sharpness == 0
