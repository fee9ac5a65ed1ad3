"""Pictures that move: the first frame that shows something stands for them, and a short, small preview moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from adapters.media.sandbox import SandboxedMediaEngine
from domain.media import Limits, Rendered
from tests.support.moving import animate
from tests.unit.media.pictures import CORNERS, close, corners, quarters, rendition, save

KINDS = ("gif", "webp", "png", "avif")


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(Limits()) as engine:
        yield engine


def rendered(engine: SandboxedMediaEngine, path: Path) -> Rendered:
    into = path.parent / "out"
    into.mkdir()
    return engine.render(path, into)


def shades(number: int, size: tuple[int, int] = (640, 400), step: int = 30) -> list[Image.Image]:
    """Frames that can be told apart by one corner."""
    frames = []
    for at in range(number):
        frame = quarters(*size)
        frame.paste((at * step % 256,) * 3, (size[0] // 2, size[1] // 2, *size))
        frames.append(frame)
    return frames


@pytest.mark.parametrize("kind", KINDS)
def test_an_animation_gets_a_still_and_a_preview_that_moves(
    engine: SandboxedMediaEngine, tmp_path: Path, kind: str
) -> None:
    path = animate(tmp_path / f"a.{kind}", [Image.new("RGB", (640, 400), "black"), *shades(8)], 120)
    assert engine.inspect(path).frames == 9
    made = rendered(engine, path)
    assert close(corners(rendition(made, "large"))[:3], CORNERS[:3], within=20), "not the black frame"
    preview = next(file for file in made.files if file.name == "preview")
    assert (preview.format, preview.width, preview.height) == ("webp", 320, 200)
    with Image.open(preview.path) as moving:
        assert moving.size == (320, 200)
        assert moving.n_frames == 9  # type: ignore[attr-defined]
        moving.seek(8)
        moving.load()
        assert moving.info["duration"] == 120
        assert close(corners(moving)[:3], CORNERS[:3], within=25)
        assert corners(moving)[3][0] > 190, "the last frame is the last"
        assert not {"exif", "xmp", "icc_profile"} & moving.info.keys()


def test_a_preview_is_three_seconds_and_thirty_frames_at_most(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = animate(tmp_path / "a.webp", shades(250, (64, 40), step=91), 25)
    preview = next(file for file in rendered(engine, path).files if file.name == "preview")
    with Image.open(preview.path) as moving:
        count = moving.n_frames  # type: ignore[attr-defined]
        lasts = 0
        for at in range(count):
            moving.seek(at)
            moving.load()
            lasts += moving.info["duration"]
    assert 25 <= count <= 30
    assert 2900 <= lasts <= 3100


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_one_frame_has_no_preview(engine: SandboxedMediaEngine, tmp_path: Path, kind: str) -> None:
    made = rendered(engine, save(tmp_path, f"a.{kind}", quarters()))
    assert {file.name for file in made.files} == {"small", "medium", "large"}


def test_an_animation_that_shows_nothing_still_has_its_first_frame(
    engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    frames = [Image.new("RGB", (50, 40), (shade,) * 3) for shade in (10, 60, 90)]
    made = rendered(engine, animate(tmp_path / "a.gif", frames, 100))
    assert close(rendition(made, "large").convert("RGB").getpixel((9, 9)), (10, 10, 10))


def test_a_transparent_first_frame_is_passed_over(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    clear = Image.new("RGBA", (320, 200), (0, 0, 0, 0))
    path = animate(tmp_path / "a.webp", [clear, quarters().convert("RGBA")], 200)
    made = rendered(engine, path)
    assert close(corners(rendition(made, "large")), CORNERS, within=20)


def test_an_animation_gets_no_still_copy_for_the_web(tmp_path: Path) -> None:
    with SandboxedMediaEngine(optimise=("jpeg", "webp")) as engine:
        made = rendered(engine, animate(tmp_path / "a.gif", shades(4), 100))
    assert "web" not in {file.name for file in made.files}


def test_too_many_frames_are_refused_in_every_format(tmp_path: Path) -> None:
    from domain.errors import MediaRejected

    with SandboxedMediaEngine(Limits(max_frames=3)) as strict:
        for kind in KINDS:
            with pytest.raises(MediaRejected, match="frames"):
                strict.inspect(animate(tmp_path / f"a.{kind}", shades(5, (32, 20)), 100))
