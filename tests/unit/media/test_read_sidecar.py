"""Reading sidecars: what each program writes, and what a hostile file may not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.sidecar import read_sidecar
from domain.errors import MediaRejected
from domain.media import Limits, RawSidecar
from domain.sidecars import MAX_BYTES, sounds_like

ADOBE = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
   xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
   xmp:Rating="4" exif:DateTimeOriginal="2019-05-06T07:08:09.12+02:00" photoshop:DateCreated="2019-05-06T07:08:09"
   exif:GPSLatitude="43,28.0469N" exif:GPSLongitude="11,53.1076E">
  <dc:subject><rdf:Bag><rdf:li>family</rdf:li><rdf:li>sea &amp; sun</rdf:li></rdf:Bag></dc:subject>
  <dc:description><rdf:Alt><rdf:li xml:lang="x-default">By the sea</rdf:li>
   <rdf:li xml:lang="de">Am Meer</rdf:li></rdf:Alt></dc:description>
 </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""

DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    exif:DateTimeOriginal="2020:01:02 03:04:05.000" xmp:Rating="-1">
   <darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:params="gz09"/></rdf:Seq></darktable:history>
   <digiKam:TagsList><rdf:Seq><rdf:li>Places/Italy/Rome</rdf:li></rdf:Seq></digiKam:TagsList>
  </rdf:Description></rdf:RDF></x:xmpmeta>"""

ELEMENTS = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:k="http://ns.adobe.com/xap/1.0/">
 <rdf:Description><k:Rating>3</k:Rating><k:CreateDate>2001-02-03</k:CreateDate></rdf:Description></rdf:RDF>"""

TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "By the sea",
    "imageViews": "12",
    "creationTime": {"timestamp": "1600000000", "formatted": "13 Sept 2020"},
    "photoTakenTime": {"timestamp": "1224685719", "formatted": "22 Oct 2008, 14:28:39 UTC"},
    "geoData": {"latitude": 43.467448, "longitude": 11.885127, "altitude": 0.0, "latitudeSpan": 0.0},
    "geoDataExif": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
    "people": [{"name": "Anna"}, {"name": "Ben"}, {}],
    "favorited": True,
    "googlePhotosOrigin": {"mobileUpload": {"deviceType": "IOS_PHONE"}},
}

GOOGLE = json.dumps(TAKEOUT)


def read(tmp_path: Path, text: str | bytes, kind: str = "xmp") -> RawSidecar:
    path = tmp_path / "sidecar"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_sidecar(path, Limits(), kind=kind)


def test_adobe_writes_attributes(tmp_path: Path) -> None:
    found = read(tmp_path, ADOBE)
    assert found.tags == {
        "XMP:xmp:Rating": "4",
        "XMP:exif:DateTimeOriginal": "2019-05-06T07:08:09.12+02:00",
        "XMP:photoshop:DateCreated": "2019-05-06T07:08:09",
        "XMP:exif:GPSLatitude": "43,28.0469N",
        "XMP:exif:GPSLongitude": "11,53.1076E",
        "XMP:dc:subject": "family\nsea & sun",
        "XMP:dc:description": "By the sea",
    }
    assert found.notes == ()


def test_darktable_writes_its_history_beside_what_is_wanted(tmp_path: Path) -> None:
    assert read(tmp_path, DARKTABLE).tags == {
        "XMP:exif:DateTimeOriginal": "2020:01:02 03:04:05.000",
        "XMP:xmp:Rating": "-1",
        "XMP:digiKam:TagsList": "Places/Italy/Rome",
    }


def test_elements_and_any_prefix_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, ELEMENTS).tags == {"XMP:xmp:Rating": "3", "XMP:xmp:CreateDate": "2001-02-03"}
    assert read(tmp_path, ELEMENTS.encode("utf-16")).tags["XMP:xmp:Rating"] == "3"


def test_takeout(tmp_path: Path) -> None:
    assert read(tmp_path, GOOGLE, "takeout").tags == {
        "Takeout:title": "IMG_1.jpg",
        "Takeout:description": "By the sea",
        "Takeout:photoTakenTime": 1224685719,
        "Takeout:creationTime": 1600000000,
        "Takeout:people": "Anna\nBen",
        "Takeout:favorited": 1,
        "Takeout:geoData.latitude": 43.467448,
        "Takeout:geoData.longitude": 11.885127,
        "Takeout:geoData.altitude": 0.0,
        "Takeout:geoDataExif.latitude": 0.0,
        "Takeout:geoDataExif.longitude": 0.0,
        "Takeout:geoDataExif.altitude": 0.0,
    }


def test_takeout_with_less_than_usual(tmp_path: Path) -> None:
    assert read(tmp_path, "{}", "takeout").tags == {}
    assert read(tmp_path, '{"photoTakenTime":{"timestamp":"-86400"},"people":null}', "takeout").tags == {
        "Takeout:photoTakenTime": -86400
    }
    assert read(tmp_path, '{"photoTakenTime":{"timestamp":"soon"}}', "takeout").tags == {}


BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + ELEMENTS.replace(">3<", ">&b;<")
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + ELEMENTS.replace(">3<", ">&x;<")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (BOMB, "xmp", "document type"),
        (OUTSIDE, "xmp", "document type"),
        ("<a>" * 100_000, "xmp", "nested deeper"),
        ("<a>" + "<b/>" * 300_000 + "</a>", "xmp", "more elements"),
        ("<a></b>", "xmp", "no XML"),
        ("", "xmp", "no XML"),
        ("\0\xff\xfe", "xmp", "no XML"),
        ("<svg/>", "xmp", "no XMP"),
        ("x" * (MAX_BYTES + 1), "xmp", "more than the"),
        ("x" * (MAX_BYTES + 1), "takeout", "more than the"),
        ("[" * 1_000_000, "takeout", "no JSON"),
        ('{"a":' * 500_000, "takeout", "no JSON"),
        ('{"geoData":{"latitude":"north"}}', "takeout", "no JSON"),
        ("[]", "takeout", "no JSON"),
        (b'{"title":"\xff"}', "takeout", "no JSON"),
    ],
)
def test_what_is_hostile_or_broken_is_refused_with_a_reason(
    tmp_path: Path, text: str | bytes, kind: str, said: str
) -> None:
    with pytest.raises(MediaRejected, match=said):
        read(tmp_path, text, kind)


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    endless = '{"photoTakenTime":{"timestamp":"99999999999999999999"},"geoData":{"longitude":2}}'
    assert read(tmp_path, endless, "takeout").tags == {"Takeout:geoData.longitude": 2.0}
    with pytest.raises(MediaRejected, match="no JSON"):
        read(tmp_path, '{"geoData":{"latitude":1e999}}', "takeout")


def test_an_xmp_that_was_cut_short_gives_what_came_before(tmp_path: Path) -> None:
    found = read(tmp_path, ADOBE[: ADOBE.index("<dc:description>")])
    assert found.tags["XMP:xmp:Rating"] == "4"
    assert "its end can't be read" in found.notes[0]


def test_endless_values_are_cut(tmp_path: Path) -> None:
    many = "".join(f"<rdf:li>word{i}</rdf:li>" for i in range(5000)).join(
        (
            '<dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Bag>',
            "</rdf:Bag></dc:subject></rdf:Description>",
        )
    )
    found = read(tmp_path, ELEMENTS.replace("</rdf:Description>", many).replace(">3<", f">{'9' * 100_000}<"))
    assert len(str(found.tags["XMP:xmp:Rating"])) <= 4000
    assert len(str(found.tags["XMP:dc:subject"]).split("\n")) <= 200


def test_it_runs_behind_the_wall(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_text(ADOBE)
    with SandboxedMediaEngine() as engine:
        assert engine.read_sidecar(path, "xmp") == read_sidecar(path, Limits(), kind="xmp")
        path.write_text(BOMB)
        with pytest.raises(MediaRejected, match="document type"):
            engine.read_sidecar(path, "xmp")


def test_what_a_sidecar_may_be_is_told_by_its_bytes() -> None:
    assert sounds_like("xmp", ADOBE.encode())
    assert sounds_like("xmp", DARKTABLE.encode())
    assert sounds_like("takeout", GOOGLE.encode())
    assert not sounds_like("takeout", b'{"name": "package"}')
    assert not sounds_like("xmp", b"<x/>")
