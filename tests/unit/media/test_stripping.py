"""What leaves by a link says nothing of where it comes from, and shows exactly what it showed."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from adapters.media.stripping import strip
from domain.errors import MediaRejected
from domain.media import Limits

SECRET = b"SECRET-PLACE"


def picture(kind: str = "JPEG", orientation: int | None = 6, size: tuple[int, int] = (40, 30)) -> bytes:
    """Pixels with everything around them that a format takes."""
    image = Image.effect_noise(size, 80).convert("P" if kind == "GIF" else "RGB")
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    exif[0x010F] = SECRET.decode()
    options: dict[str, object] = {"exif": exif.tobytes()}
    if kind == "JPEG":
        options |= {"comment": SECRET, "xmp": b"<x:xmpmeta>" + SECRET, "icc_profile": _profile()}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options |= {"pnginfo": text, "icc_profile": _profile()}
    if kind == "WEBP":
        options |= {"xmp": SECRET, "icc_profile": _profile(), "lossless": True}
    if kind == "GIF":
        options = {"comment": SECRET, "save_all": True, "append_images": [image.rotate(90)], "loop": 3}
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def stripped(data: bytes, folder: Path) -> bytes:
    """The file that would leave."""
    source, into = folder / "source", folder / "out"
    source.write_bytes(data)
    into.mkdir()
    return Path(strip(source, Limits(), str(into)).path).read_bytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_pixels_stay_and_the_words_go(kind: str, tmp_path: Path) -> None:
    before = picture(kind)
    after = stripped(before, tmp_path)
    assert SECRET in before
    assert SECRET not in after
    old, new = Image.open(io.BytesIO(before)), Image.open(io.BytesIO(after))
    assert old.tobytes() == new.tobytes()
    if kind != "GIF":
        assert dict(new.getexif()) == {0x0112: 6}
        assert new.info["icc_profile"] == old.info["icc_profile"]
    else:
        assert (new.n_frames, new.info["loop"]) == (2, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_upright_picture_has_no_metadata_at_all(kind: str, tmp_path: Path) -> None:
    after = Image.open(io.BytesIO(stripped(picture(kind, orientation=None), tmp_path)))
    assert dict(after.getexif()) == {}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_what_lies_behind_the_picture_does_not_leave(kind: str, tmp_path: Path) -> None:
    """A motion photo's video has a place and a time of its own."""
    assert SECRET not in stripped(picture(kind) + b"\0\0\0\x18ftypmp42" + SECRET, tmp_path)


def test_words_between_a_jpegs_segments_and_in_unknown_ones_go(tmp_path: Path) -> None:
    data = picture()
    hidden = data[:2] + b"\xff\xe5" + (2 + len(SECRET)).to_bytes(2, "big") + SECRET + SECRET + data[2:]
    assert SECRET not in stripped(hidden, tmp_path)


def test_a_progressive_jpeg_keeps_all_its_scans(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert("RGB").save(out, "JPEG", progressive=True, comment=SECRET)
    after = stripped(out.getvalue(), tmp_path)
    assert SECRET not in after
    assert Image.open(io.BytesIO(after)).tobytes() == Image.open(out).tobytes()


@pytest.mark.parametrize("data", [b"x", b"II*\0" + bytes(50), b"\0\0\0\x20ftypheic" + bytes(50)])
def test_other_files_are_not_taken(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="only JPEG"):
        stripped(data, tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_file_that_is_cut_anywhere_ends_in_an_answer(kind: str, tmp_path: Path) -> None:
    whole = picture(kind)
    for n, cut in enumerate(range(12, len(whole), max(1, len(whole) // 60))):
        folder = tmp_path / str(n)
        folder.mkdir()
        with contextlib.suppress(MediaRejected):
            assert SECRET not in stripped(whole[:cut], folder)
