"""A real motion photo and real live photos' pictures; needs a folder of samples named by PHOTOVAULT_MEDIA."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from adapters.media.sandbox import SandboxedMediaEngine
from domain.meetings import Shot, meetings
from tests.support.shots import movie

HEIC = Path(os.environ.get("PHOTOVAULT_MEDIA") or "/nonexistent") / "heic"
pytestmark = pytest.mark.skipif(
    not (HEIC / "sample_MP.heic").is_file(), reason="PHOTOVAULT_MEDIA does not name a folder with heic/sample_MP.heic"
)


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine() as engine:
        yield engine


def test_the_video_inside_a_motion_photo_plays(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    source = HEIC / "sample_MP.heic"
    embedded = engine.read_metadata(source).embedded
    assert embedded is not None
    assert embedded.source == "mpvd"
    file = engine.extract_video(source, embedded, tmp_path)
    assert Path(file.path).read_bytes() == source.read_bytes()[-28803:]  # what its XMP says, too
    assert (file.bytes, file.duration_ms) == (28803, 1230)
    assert (file.width, file.height) == (34, 60)  # 80 x 60 samples that are not square: the shape of its picture
    with av.open(file.path) as container:
        frames = list(container.decode(video=0))
    assert len(frames) > 20


def test_other_pictures_hold_no_video(engine: SandboxedMediaEngine) -> None:
    for path in HEIC.glob("*"):
        if path.name != "sample_MP.heic":
            assert engine.read_metadata(path).embedded is None


def test_a_real_live_photos_picture_meets_a_video_of_the_same_identifier(
    engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    picture = engine.read_metadata(HEIC / "IMG_2927.HEIC")
    ident = "1745E022-9712-43C7-B024-F308EC6413CB"
    assert picture.tags["Apple:ContentIdentifier"] == ident
    video = engine.read_metadata(movie(tmp_path / "a.mov", content_id=ident))
    shots = (Shot("image/heic", "IMG_2927.HEIC", tags=picture.tags), Shot("video/quicktime", "a.mov", tags=video.tags))
    one, other = (meetings(shot)[0] for shot in shots)
    assert one == other
