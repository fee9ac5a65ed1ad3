"""Tags as plain values: rationals are numbers, bytes are texts or left out, padding goes, sizes are bounded."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import av
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import IFDRational

from adapters.media.metadata import read_metadata
from adapters.media.zones import zone_of
from domain.dates import parse_time
from domain.media import Limits
from domain.metadata import extract
from tests.unit.media.pictures import quarters, save


def exif_block() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON\0\0\0  ", "COOLPIX P6000"
    exif[0x010E] = "Straße in Arezzo".encode()
    exif[0x8769] = {
        0x9003: "2008:10:22 16:28:39",
        0x829A: IFDRational(1, 75),
        0x829D: IFDRational(59, 10),
        0x8827: 64,
        0x9286: b"ASCII\0\0\0near the church\0\0",
        0x927C: bytes(range(256)) * 4,
        0x9209: 16,
        0xA001: 1,
    }
    exif[0x8825] = {
        1: "N",
        2: (43.0, 28.0, 2.814),
        3: "E",
        4: (11.0, 53.0, 6.456),
        5: b"\0",
        6: 250.5,
        7: (14.0, 28.0, 40.0),
        29: "2008:10:22",
    }
    return exif


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.heic", "a.tiff", "a.avif"])
def test_what_was_written_is_read_whatever_the_format(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, name, quarters(), exif=exif_block())
    raw = read_metadata(path, Limits())
    assert raw.tags["EXIF:Make"] == "NIKON"
    if name != "a.tiff":  # Pillow writes a TIFF's captions in ASCII only
        assert raw.tags["EXIF:ImageDescription"] == "Straße in Arezzo"
    assert raw.tags["EXIF:DateTimeOriginal"] == "2008:10:22 16:28:39"
    assert raw.tags["EXIF:ExposureTime"] == pytest.approx(1 / 75)
    assert raw.tags["EXIF:UserComment"] == "near the church"
    assert raw.tags["GPS:GPSLatitude"] == pytest.approx([43, 28, 2.814])
    assert "EXIF:MakerNote" not in raw.tags
    assert json.loads(json.dumps(raw.tags, allow_nan=False)) == raw.tags
    found = extract(raw, file_name=name, modified_at=None, zone_of=zone_of)
    assert found.position is not None
    assert (found.position.latitude, found.position.longitude) == pytest.approx((43.467448, 11.885127), abs=1e-6)
    assert found.taken_at is not None
    assert (found.taken_at.offset_minutes, found.taken_at.zone) == (120, "Europe/Rome")
    assert found.camera is not None
    assert found.camera.name == "NIKON COOLPIX P6000"


def test_the_size_is_upright_and_the_orientation_as_stored(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.tiff", "a.heic"):
        raw = read_metadata(save(tmp_path, name, quarters(), orientation=6), Limits())
        assert (raw.width, raw.height, raw.orientation) == (320, 200, 6)


def test_long_texts_are_cut_and_empty_or_endless_numbers_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0131] = "x" * 50_000, "   \0"
    exif[0x8769] = {0x829A: IFDRational(1, 0)}
    raw = read_metadata(save(tmp_path, "a.jpg", quarters(), exif=exif), Limits())
    assert raw.tags["EXIF:ImageDescription"] == "x" * 4000
    assert "EXIF:Software" not in raw.tags
    assert "EXIF:ExposureTime" not in raw.tags


def test_a_few_xmp_properties_are_read_without_a_parser(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta><rdf:Description xmp:CreateDate="2019-05-06T07:08:09+02:00" tiff:Make="Leica &amp; Co">'
        b'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">By the sea</rdf:li></rdf:Alt></dc:description>'
        b"</rdf:Description></x:xmpmeta>"
    )
    raw = read_metadata(save(tmp_path, "a.jpg", quarters(), xmp=xmp), Limits())
    assert raw.tags["XMP:tiff:Make"] == "Leica & Co"
    assert raw.tags["XMP:dc:description"] == "By the sea"
    found = extract(raw, file_name="a.jpg", modified_at=None)
    assert found.taken_at is not None
    assert (found.taken_at.local, found.taken_at.offset_minutes) == ("2019-05-06T07:08:09", 120)


@pytest.mark.parametrize(
    ("place", "local", "expected"),
    [
        ((43.466, 11.88), "2008-10-22 16:28:39", ("Europe/Rome", 120)),
        ((43.466, 11.88), "2008-12-22 16:28:39", ("Europe/Rome", 60)),
        ((27.7, 85.3), "2020-01-01 12:00:00", ("Asia/Kathmandu", 345)),
        ((30.0, -40.0), "2020-01-01 12:00:00", None),
        ((91.0, 0.0), "2020-01-01 12:00:00", None),
    ],
)
def test_a_place_has_the_offset_of_its_season(
    place: tuple[float, float], local: str, expected: tuple[str, int] | None
) -> None:
    parsed = parse_time(local)
    assert parsed is not None
    assert zone_of(*place, parsed[0]) == expected


def video(path: Path, **metadata: str) -> Path:
    """A real video of four grey pictures with such metadata in its container."""
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mov" else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update({name.replace("__", "."): value for name, value in metadata.items()})
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_container_s_creation_time_is_read_as_utc(tmp_path: Path, name: str) -> None:
    """`mvhd` of QuickTime and MP4, `DateUTC` of Matroska."""
    raw = read_metadata(video(tmp_path / name, creation_time="2023-04-05T08:11:20Z"), Limits())
    found = extract(raw, file_name="VID_20230405_101112.mp4", modified_at=None)
    assert found.taken_at is not None
    assert (found.taken_at.source, found.taken_at.local) == ("container:creation_time", "2023-04-05T10:11:20")
    assert found.taken_at.offset_minutes == 120


def test_apple_s_and_android_s_own_tags_are_read(tmp_path: Path) -> None:
    tags = {
        "com__apple__quicktime__creationdate": "2023-04-05T10:11:20+0200",
        "com__apple__quicktime__location__ISO6709": "+43.4674+011.8851+250.0/",
        "com__android__capture__fps": "240.0",
    }
    path = video(tmp_path / "a.mov", creation_time="2023-04-05T08:11:20Z", **tags)
    raw = read_metadata(path, Limits())
    assert raw.tags["Container:com.android.capture.fps"] == "240.0"
    found = extract(raw, file_name="IMG_0001.MOV", modified_at=None, zone_of=zone_of)
    assert found.taken_at is not None
    assert found.taken_at.source == "container:com.apple.quicktime.creationdate"
    assert found.position is not None
    assert (found.position.latitude, found.position.altitude_m) == (43.4674, 250.0)
    assert [c.offset_minutes for c in found.alternatives] == [0]


def test_keywords_and_rating_in_the_file_are_read(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta><rdf:Description xmp:Rating="3"><dc:subject><rdf:Bag><rdf:li>sea</rdf:li>'
        b"<rdf:li>sun &amp; sand</rdf:li></rdf:Bag></dc:subject></rdf:Description></x:xmpmeta>"
    )
    raw = read_metadata(save(tmp_path, "a.jpg", quarters(), xmp=xmp), Limits())
    found = extract(raw, file_name="a.jpg", modified_at=None)
    assert (found.rating, found.keywords) == (3, ("sea", "sun & sand"))


def test_what_stands_behind_the_pixels_of_a_png_is_read_without_decoding_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, "a.png", quarters(), exif=exif_block())
    data = path.read_bytes()
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    xmp = b"iTXtXML:com.adobe.xmp\0\0\0\0\0<x xmp:CreateDate='2020-01-02T03:04:05'/>"
    text = (len(xmp) - 4).to_bytes(4, "big") + xmp + zlib.crc32(xmp).to_bytes(4, "big")
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:at] + data[at + len(chunk) : end] + chunk + text + data[end:])
    monkeypatch.setattr(PngImageFile, "load", lambda image: pytest.fail("the pixels were decoded"))
    tags = read_metadata(path, Limits()).tags
    assert tags["EXIF:Make"] == "NIKON"
    assert tags["EXIF:DateTimeOriginal"] == "2008:10:22 16:28:39"
    assert tags["XMP:xmp:CreateDate"] == "2020-01-02T03:04:05"
