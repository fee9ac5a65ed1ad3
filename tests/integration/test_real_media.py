"""The media engine on real cameras' files and on real attacks; needs a folder of samples named by PHOTOVAULT_MEDIA.

The folder holds camera/, gps/, orientation/, heic/, webp/, video/, faces/, tiny/ and bad/; what is missing is skipped.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.zones import zone_of
from domain.errors import MediaFailed, MediaRejected
from domain.media import RENDITION_SIZES, Inspection, Limits, RawMetadata, Rendered
from domain.metadata import Extracted, extract

MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA") or "/nonexistent")
pytestmark = pytest.mark.skipif(
    not MEDIA.is_dir(), reason="PHOTOVAULT_MEDIA does not name a folder of sample pictures and videos"
)

NO_PICTURE = {"jp2.jp2"}  # a picture, but of a kind that is refused


def files(*folders: str) -> list[object]:
    paths = [path for folder in folders for path in sorted((MEDIA / folder).glob("*")) if path.suffix != ".txt"]
    kept = [path for path in paths if path.name not in NO_PICTURE]
    return [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in kept]


PICTURES = files("camera", "gps", "orientation", "heic", "webp", "faces", "tiny")


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(Limits(max_seconds=60)) as engine:
        yield engine


@pytest.fixture(scope="module")
def facts(engine: SandboxedMediaEngine) -> object:
    def read(path: Path) -> Extracted:
        return extract(engine.read_metadata(path), file_name=path.name, modified_at=None, zone_of=zone_of)

    return read


def picture(made: Rendered, name: str = "small", kind: str = "jpeg") -> Image.Image:
    path = next(file.path for file in made.files if (file.name, file.format) == (name, kind))
    with Image.open(path) as image:
        return image.convert("RGB")


def by_pillow(path: Path, size: tuple[int, int]) -> Image.Image:
    """The same picture by another road: Pillow's decoder, its orientation, and LittleCMS called directly."""
    if path.parent.name == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("RGBA", "P", "PA"):
            clear = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        upright = upright.convert("RGB")
    if profile:
        import io

        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        moved = ImageCms.profileToProfile(
            upright, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, renderingIntent=1
        )
        assert moved is not None
        upright = moved
    return upright.resize(size, Image.Resampling.BOX)


SHOWN_BY_BROWSERS = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")


@pytest.mark.parametrize("path", PICTURES)
def test_every_good_picture_is_inspected_and_rendered_upright_in_its_colours(
    engine: SandboxedMediaEngine, tmp_path: Path, path: Path
) -> None:
    found = engine.inspect(path)
    assert found.kind == "image"
    made = engine.render(path, tmp_path)
    sizes = [file for file in made.files if file.name in RENDITION_SIZES]
    assert len(sizes) == 6
    assert any(file.name == "full" for file in made.files) == (found.media_type not in SHOWN_BY_BROWSERS)
    assert len(base64.b64decode(made.thumbhash)) <= 25
    for file in sizes:
        assert max(file.width, file.height) == min(RENDITION_SIZES[file.name], max(found.width, found.height))
        with Image.open(file.path) as image:
            assert image.size == (file.width, file.height)
            assert not image.getexif()
            assert not {"icc_profile", "exif", "xmp", "comment", "photoshop"} & image.info.keys()
    large = picture(made, "large")
    small = np.asarray(large.resize((24, 24), Image.Resampling.BOX), np.float32)
    other = np.asarray(by_pillow(path, (24, 24)), np.float32)
    assert np.abs(small - other).mean() < 6, "another decoder sees another picture"


def test_a_family_of_orientations_looks_the_same_when_upright(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    for family, size in (("Landscape", (1800, 1200)), ("Portrait", (1200, 1800))):
        seen = []
        for number in range(9):
            path = MEDIA / "orientation" / f"{family}_{number}.jpg"
            if not path.exists():
                pytest.skip(f"{path.name} is not among the samples")
            found = engine.inspect(path)
            assert (found.width, found.height) == size
            assert engine.read_metadata(path).orientation == (number or 1)
            into = tmp_path / path.stem
            into.mkdir()
            seen.append(np.asarray(picture(engine.render(path, into)).resize((48, 48)), np.float32))
        for other in seen[1:]:
            assert np.abs(other - seen[0]).mean() < 5


@pytest.mark.parametrize("path", files("gps"))
def test_the_walk_through_arezzo(path: Path, facts) -> None:  # type: ignore[no-untyped-def]
    found = facts(path)
    assert found.position is not None
    assert 43.464 <= found.position.latitude <= 43.469
    assert 11.879 <= found.position.longitude <= 11.8865
    taken = found.taken_at
    assert taken is not None
    assert datetime(2008, 10, 22, 16, 28) <= datetime.fromisoformat(taken.local) <= datetime(2008, 10, 22, 17, 1)  # noqa: DTZ001
    assert (taken.source, taken.offset_minutes, taken.zone) == ("exif:DateTimeOriginal", 120, "Europe/Rome")


@pytest.mark.parametrize(
    "dump", [pytest.param(p, id=p.name) for p in sorted((MEDIA / "camera").glob("*.expected.txt"))]
)
def test_tags_agree_with_an_independent_dump(dump: Path, engine: SandboxedMediaEngine, facts) -> None:  # type: ignore[no-untyped-def]
    path = dump.with_name(dump.name.removesuffix(".expected.txt"))
    expected = dict(re.findall(r"^\[Exif [^\]]* - 0x\w+\] (.+?) = (.*)$", dump.read_text(errors="replace"), re.M))
    found, raw = facts(path), engine.read_metadata(path)
    assert found.taken_at is not None
    assert found.taken_at.local.startswith(expected["Date/Time Original"].replace(":", "-", 2).replace(" ", "T"))
    assert (found.camera.make, found.camera.model) == (expected["Make"], expected["Model"])
    if "F-Number" in expected:
        assert found.camera.f_number == pytest.approx(float(expected["F-Number"][2:]))
    if "ISO Speed Ratings" in expected:
        assert found.camera.iso == int(expected["ISO Speed Ratings"])
    assert raw.width == int(expected.get("Exif Image Width", "0 pixels").split()[0])


def test_places_and_zones_of_other_cameras(facts) -> None:  # type: ignore[no-untyped-def]
    for name, place, offset, source in (
        ("camera/Apple_iPhone_6.jpg", (51.7624, -0.3179), 60, "gps_time"),
        ("camera/iphone_hdr_YES.jpg", (40.4470, -3.7248), 120, "gps_time"),
        ("camera/HMD_Nokia_8.3_5G.jpg", (60.1467, 24.9068), 180, "exif:OffsetTimeOriginal"),
        ("heic/IMG_1034.heic", (23.1779, 113.3943), 480, "gps_time"),
        ("webp/HTC_Desire.webp", (45.5007, 9.1103), 120, "gps_time"),
        ("video/with-gps.mov", (32.0929, 34.8620), 180, "container:com.apple.quicktime.creationdate"),
    ):
        if not (MEDIA / name).exists():
            continue
        found = facts(MEDIA / name)
        assert (found.position.latitude, found.position.longitude) == pytest.approx(place, abs=1e-3), name
        assert (found.taken_at.offset_minutes, found.taken_at.offset_source) == (offset, source), name


def test_exif_at_the_end_of_a_heic_file_is_read(facts) -> None:  # type: ignore[no-untyped-def]
    path = MEDIA / "heic" / "exif-at-eof.heic"
    if not path.exists():
        pytest.skip("exif-at-eof.heic is not among the samples")
    assert facts(path).camera.name == "Apple iPhone 11 Pro"
    assert facts(path).taken_at.local == "2020-05-04T18:39:11.644"


def test_a_very_long_description_is_cut(facts, engine: SandboxedMediaEngine) -> None:  # type: ignore[no-untyped-def]
    path = MEDIA / "camera" / "long_description.jpg"
    if not path.exists():
        pytest.skip("long_description.jpg is not among the samples")
    assert 100 < len(facts(path).description) <= 2000
    assert all(len(value) <= 4000 for value in engine.read_metadata(path).tags.values() if isinstance(value, str))


@pytest.mark.parametrize("path", files("video"))
def test_every_good_video_is_readable_and_upright(engine: SandboxedMediaEngine, path: Path) -> None:
    found = engine.inspect(path)
    assert found.kind == "video"
    raw = engine.read_metadata(path)
    assert (raw.width, raw.height) == (found.width, found.height)
    if "portrait" in path.name:
        assert found.height > found.width
    with pytest.raises(MediaRejected, match="poster"):
        engine.render(path, path.parent)


EXPECTED = {
    "pdf.pdf.jpg": "a PDF document",
    "pe64.exe.jpg": "a Windows program",
    "elf64.elf.jpg": "a Linux program",
    "rar5.rar.jpg": "a RAR archive",
    "html.htm.jpg": "an HTML page",
    "php.php.jpg": "a PHP script",
    "decompression_bomb.ico": "a Windows icon",
    "decompression_bomb.gif": "more pixels than are taken",
    "decompression_bomb_extents.gif": "pixels",
    "corrupted.jpg": "damaged",
    "invalid-bitstream.webm": "damaged",
}
HARMLESS = {"image00971.jpg", "image01088.jpg", "image01137.jpg", "image01551.jpg", "image01713.jpg"}
"""Once broke an EXIF reader by their long XMP; their pixels are whole."""


@pytest.mark.parametrize("path", files("bad"))
def test_every_bad_file_is_refused_with_a_reason_or_decoded_whole(
    engine: SandboxedMediaEngine, tmp_path: Path, path: Path
) -> None:
    found = outcome(lambda: engine.inspect(path))
    if isinstance(found, Inspection):
        assert found.notes or path.name in HARMLESS
        assert len(engine.render(path, tmp_path).files) == 6
    else:
        assert path.name not in HARMLESS
        assert EXPECTED.get(path.name, "") in str(found)
        assert str(found)
    read = outcome(lambda: engine.read_metadata(path))
    assert isinstance(read, RawMetadata) or str(read)


@pytest.mark.parametrize("path", files("bad"))
def test_rendering_a_bad_file_unasked_is_survived_too(engine: SandboxedMediaEngine, tmp_path: Path, path: Path) -> None:
    made = outcome(lambda: engine.render(path, tmp_path))
    if isinstance(made, Rendered):
        assert all(Path(file.path).stat().st_size == file.bytes for file in made.files)
    else:
        assert str(made)


def outcome(call: Callable[[], object]) -> object:
    """What a call returns, or the media engine's error that it ends with; any other error fails the test."""
    try:
        return call()
    except (MediaRejected, MediaFailed) as error:
        return error
