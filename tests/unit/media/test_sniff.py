"""What a file is, told by its content: pictures and videos pass, everything else is named and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.sniff import identify, sniff
from domain.errors import MediaRejected
from domain.media import Limits


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\xff\x0a\xfa\x7f", "image/jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "image/jxl"),
        (b"II*\0\x10\0\0\0CR\2\0", "image/x-canon-cr2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "image/x-canon-cr3"),
        (b"IIU\0\x18\0\0\0", "image/x-panasonic-rw2"),
        (b"FUJIFILMCCD-RAW 0201", "image/x-fuji-raf"),
        (b"IIRO\x08\0\0\0", "image/x-olympus-orf"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "image/heif"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "image/avif"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video/mp4"),
        (b"\0\0\0\x18ftypXXXX\0\0\0\0isommp42", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        (b"\0\0\0\x18ftyp3gp5\0\0\0\0" + b"3gp5isom", "video/3gpp"),
        (b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska", "video/x-matroska"),
    ],
)
def test_a_picture_or_video_is_known_by_its_first_bytes(head: bytes, media_type: str) -> None:
    assert identify(head).media_type == media_type


@pytest.mark.parametrize(
    ("head", "code", "named"),
    [
        (b"%PDF-1.7\n", "not_media", "a PDF document"),
        (b"MZ\x90\0", "not_media", "a Windows program"),
        (b"\x7fELF\2\1\1\0", "not_media", "a Linux program"),
        (b"Rar!\x1a\x07\x01\0", "not_media", "a RAR archive"),
        (b"PK\3\4", "not_media", "a ZIP archive"),
        (b"<?php echo 1;", "not_media", "a PHP script"),
        (b"<!DOCTYPE html><html>", "not_media", "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">', "not_media", "an SVG drawing"),
        (b"#!/bin/sh\nrm -rf /\n", "not_media", "a script"),
        (b'{"a": 1}', "not_media", "a JSON document"),
        ("Grüße an alle\n".encode(), "not_media", "a text file"),
        ("Hello".encode("utf-16"), "not_media", "a text file"),
        (b"\x80\x02\x00\xff" * 8, "not_media", "data of an unknown kind"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported", "a JPEG 2000 picture"),
        (b"RIFF\x10\0\0\0AVI LIST", "unsupported", "an AVI video"),
        (b"\0\0\1\0\1\0\x10\x10", "unsupported", "a Windows icon"),
    ],
)
def test_anything_else_is_refused_by_its_real_name(head: bytes, code: str, named: str) -> None:
    with pytest.raises(MediaRejected) as refusal:
        identify(head)
    assert refusal.value.code == code
    assert named in refusal.value.reason


def test_a_long_text_that_is_cut_inside_a_character_is_still_a_text(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("x" + "ü" * 5000, encoding="utf-8")
    with pytest.raises(MediaRejected, match="a text file"):
        sniff(path, Limits())


def test_an_empty_file_and_a_file_over_the_limit_say_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(MediaRejected, match="empty"):
        sniff(empty, Limits())
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff\xd8\xff" + bytes(100))
    with pytest.raises(MediaRejected, match="at most 50 are taken"):
        sniff(large, Limits(max_image_bytes=50))
    with pytest.raises(MediaRejected, match="at most 60 are taken"):
        sniff(large, Limits(max_bytes=60))


@given(st.binary(max_size=200))
def test_any_bytes_are_either_named_or_refused(head: bytes) -> None:
    try:
        assert identify(head).media_type
    except MediaRejected as refusal:
        assert "this is" in refusal.reason  # noqa: PT017 - either end is right
