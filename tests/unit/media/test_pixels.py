"""The hash of the stored pixels: other metadata leave it as it is, other pixels do not."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from adapters.media import fingerprint, pixels
from adapters.media.colour import DISPLAY_P3, matrix_profile
from domain.errors import MediaRejected
from domain.media import Limits

LIMITS = Limits()


def picture(seed: int = 1, size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = "a day at the sea"
    return tags.tobytes()


@pytest.fixture
def hashed(tmp_path: Path) -> Any:
    def of(data: bytes) -> str:
        path = tmp_path / hashlib.sha256(data).hexdigest()
        path.write_bytes(data)
        value = pixels.pixel_hash(path, LIMITS).value
        assert value is not None
        assert len(value) == 64
        return value

    return of


PROFILE = matrix_profile(DISPLAY_P3, 2.2)
KINDS = {
    "JPEG": {"quality": 80},
    "PNG": {},
    "WEBP": {"quality": 80},
    "TIFF": {},
    "AVIF": {"quality": 80},
}


class TestMetadata:
    @pytest.mark.parametrize("kind", KINDS)
    def test_metadata_orientation_and_profile_do_not_count(self, kind: str, hashed: Any) -> None:
        bare = encoded(picture(), kind, **KINDS[kind])
        dressed = encoded(picture(), kind, exif=exif(), icc_profile=PROFILE, **KINDS[kind])
        assert bare != dressed
        assert hashed(bare) == hashed(dressed)

    @pytest.mark.parametrize("kind", KINDS)
    def test_other_pixels_count(self, kind: str, hashed: Any) -> None:
        assert hashed(encoded(picture(1), kind, **KINDS[kind])) != hashed(encoded(picture(2), kind, **KINDS[kind]))

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
    def test_one_other_pixel_counts(self, kind: str, hashed: Any) -> None:
        other = picture(mode="L")
        other.putpixel((50, 60), (other.getpixel((50, 60)) + 128) % 256)  # type: ignore[operator]
        assert hashed(encoded(picture(mode="L"), kind)) != hashed(encoded(other, kind))

    def test_heic_under_other_metadata_is_the_same(self, hashed: Any) -> None:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        bare, dressed = encoded(picture(), "HEIF"), encoded(picture(), "HEIF", exif=exif(1))
        assert bare != dressed
        assert hashed(bare) == hashed(dressed) != hashed(encoded(picture(2), "HEIF"))


class TestJpeg:
    def test_a_comment_and_what_follows_the_end_do_not_count(self, hashed: Any) -> None:
        data = encoded(picture(), "JPEG")
        comment = data[:2] + b"\xff\xfe\x00\x07hello" + data[2:]
        fill = data[:2] + b"\xff\xff\xff" + data[2:]  # fill bytes before a marker (ITU-T T.81, B.1.1.2)
        assert {hashed(data), hashed(comment), hashed(data + b"a video"), hashed(fill)} == {hashed(data)}

    def test_what_adobe_says_of_the_colours_counts(self, hashed: Any) -> None:
        data = encoded(picture(), "JPEG")
        adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # transform 0: the same data are RGB
        assert hashed(data) != hashed(data[:2] + adobe + data[2:])

    @pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 4}], ids=str)
    def test_all_scans_to_the_end_are_covered(self, options: dict[str, Any], hashed: Any) -> None:
        data = encoded(picture(), "JPEG", **options)
        end = data.rindex(b"\xff\xd9")
        late = bytearray(data)
        late[end - 3] ^= 0x10
        assert hashed(data) != hashed(bytes(late))

    def test_a_file_that_ends_in_a_segment_is_read_to_its_end(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.jpg"
        for length in range(4, 700):
            path.write_bytes(encoded(picture(), "JPEG")[:length])
            assert pixels.pixel_hash(path, LIMITS).value


class TestWebp:
    def test_an_animation_s_frames_and_canvas_count(self, hashed: Any) -> None:
        def moving(*seeds: int, size: tuple[int, int] = (32, 32), **options: Any) -> bytes:
            first, *rest = (picture(seed, size) for seed in seeds)
            return encoded(first, "WEBP", save_all=True, append_images=rest, duration=100, **options)

        data = moving(1, 2, 3)
        assert hashed(data) == hashed(moving(1, 2, 3, exif=exif()))
        assert hashed(data) != hashed(moving(1, 2, 4))
        assert hashed(data) != hashed(moving(1, 2))


class TestDecoded:
    def test_the_same_pixels_in_another_lossless_format_are_the_same(self, hashed: Any) -> None:
        of = {kind: hashed(encoded(picture(), kind)) for kind in ("PNG", "TIFF", "BMP")}
        assert len(set(of.values())) == 1

    def test_a_png_packed_anew_is_the_same(self, hashed: Any) -> None:
        packed = [encoded(picture(), "PNG", compress_level=level) for level in (1, 9)]
        assert packed[0] != packed[1]
        assert hashed(packed[0]) == hashed(packed[1])

    def test_a_text_chunk_does_not_count(self, hashed: Any) -> None:
        said = PngImagePlugin.PngInfo()
        said.add_text("Comment", "by the sea")
        assert hashed(encoded(picture(), "PNG")) == hashed(encoded(picture(), "PNG", pnginfo=said))

    def test_size_counts_even_when_the_bytes_are_the_same(self, hashed: Any) -> None:
        wide, high = Image.new("L", (40, 10), 7), Image.new("L", (10, 40), 7)
        assert hashed(encoded(wide, "PNG")) != hashed(encoded(high, "PNG"))

    def test_every_frame_of_a_gif_and_every_page_of_a_tiff_counts(self, hashed: Any) -> None:
        for kind in ("GIF", "TIFF"):
            first, second, third = (picture(seed, (32, 32)) for seed in (1, 2, 3))
            two = encoded(first, kind, save_all=True, append_images=[second])
            other = encoded(first, kind, save_all=True, append_images=[third])
            assert hashed(two) != hashed(other)

    def test_a_picture_larger_than_a_strip_is_hashed_whole(self, hashed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        data = encoded(picture(size=(100, 90)), "PNG"), encoded(picture(size=(100, 90)), "BMP")
        whole = [hashed(each) for each in data]
        monkeypatch.setattr(pixels, "_STRIP_PIXELS", 1000)
        assert [hashed(each) for each in data] == whole

    def test_a_png_that_lies_about_its_size_is_refused(self, tmp_path: Path) -> None:
        data = bytearray(encoded(picture(), "PNG"))
        data[16:24] = struct.pack(">II", 90_000, 90_000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        path = tmp_path / "bomb.png"
        path.write_bytes(data)
        with pytest.raises(MediaRejected):
            pixels.pixel_hash(path, LIMITS)


def video(path: Path, *, seed: int = 1, frames: int = 12, title: str = "", codec: str = "mpeg4") -> bytes:
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(frames):
            for packet in stream.encode(av.VideoFrame.from_image(picture(seed + i))):
                container.mux(packet)
        container.mux(stream.encode(None))
    return path.read_bytes()


class TestVideos:
    def test_another_title_and_another_container_are_the_same_pixels(self, tmp_path: Path, hashed: Any) -> None:
        plain = hashed(video(tmp_path / "a.mp4"))
        assert plain == hashed(video(tmp_path / "b.mp4", title="the sea"))
        assert plain == hashed(video(tmp_path / "c.mkv", title="the sea"))

    def test_other_pictures_and_another_length_count(self, tmp_path: Path, hashed: Any) -> None:
        plain = hashed(video(tmp_path / "a.mp4"))
        assert plain != hashed(video(tmp_path / "b.mp4", seed=2))
        assert plain != hashed(video(tmp_path / "c.mp4", frames=11))

    def test_a_text_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        path.write_text("hello")
        with pytest.raises(MediaRejected):
            pixels.pixel_hash(path, LIMITS)


class TestPerceptualHash:
    def of(self, image: Image.Image) -> int:
        value = fingerprint.phash_of(image).value
        assert value is not None
        return int(value, 16)

    def test_copies_are_near_and_other_pictures_are_far(self) -> None:
        original = picture(3, (480, 320))
        grey = self.of(original.convert("L").convert("RGB"))
        small = self.of(original.resize((120, 80)))
        saved = self.of(Image.open(io.BytesIO(encoded(original, "JPEG", quality=50))))
        there = self.of(original)
        assert max((there ^ copy).bit_count() for copy in (grey, small, saved)) <= 4
        assert min((there ^ self.of(picture(seed, (480, 320)))).bit_count() for seed in range(10, 40)) > 8

    def test_half_of_the_bits_are_set(self) -> None:
        assert self.of(picture(4)).bit_count() == 32

    def test_the_bits_are_those_of_a_plain_cosine_transform(self) -> None:
        """By the definition, one wave at a time, and not by the matrix."""
        image = picture(5, (32, 32), "L")
        grey = np.asarray(image, float)
        n = np.arange(32)
        waves = [
            (grey * np.outer(np.cos(np.pi * v * (2 * n + 1) / 64), np.cos(np.pi * u * (2 * n + 1) / 64))).sum()
            for v in range(8)
            for u in range(8)
        ]
        middle = sorted(waves)[31:33]
        bits = "".join("1" if wave > sum(middle) / 2 else "0" for wave in waves)
        assert self.of(image) == int(bits, 2)

    @pytest.mark.parametrize("colour", ["black", "white", "#7f7f7f", "#0047ab"])
    def test_a_blank_picture_has_no_hash_and_says_why(self, colour: str) -> None:
        found = fingerprint.phash_of(Image.new("RGB", (256, 192), colour))
        assert found.value is None
        assert "blank" in found.note

    def test_a_blank_sheet_with_a_scanner_s_noise_has_none_either(self) -> None:
        noise = np.random.default_rng(1).normal(244, 1.5, (192, 256)).clip(0, 255).astype(np.uint8)
        assert fingerprint.phash_of(Image.fromarray(noise)).value is None

    def test_a_file_that_is_no_jpeg_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(encoded(picture(), "PNG"))
        with pytest.raises(MediaRejected):
            fingerprint.perceptual_hash(path, LIMITS)
