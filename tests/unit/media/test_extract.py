"""Judging tags: which date, whose offset, which place; what is nonsense is refused and said."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.dates import file_name_date, parse_offset, parse_time
from domain.events import MetadataExtracted, StepRun
from domain.media import RawMetadata
from domain.metadata import Extracted, extract

MODIFIED = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
AREZZO: dict[str, object] = {
    "GPS:GPSLatitudeRef": "N",
    "GPS:GPSLatitude": [43.0, 28.0, 2.814],
    "GPS:GPSLongitudeRef": "E",
    "GPS:GPSLongitude": [11.0, 53.0, 6.456],
}


def judged(tags: dict[str, object], name: str = "a.jpg", modified: datetime | None = MODIFIED) -> Extracted:
    return extract(RawMetadata(tags, 10, 10), file_name=name, modified_at=modified, zone_of=rome)  # type: ignore[arg-type]


def rome(latitude: float, longitude: float, local: datetime) -> tuple[str, int] | None:
    return ("Europe/Rome", 120 if 4 <= local.month <= 10 else 60) if 36 < latitude < 47 else None


def test_the_moment_of_exposure_goes_before_all_others_and_the_others_are_kept() -> None:
    found = judged(
        {
            "EXIF:DateTime": "2008:11:01 21:15:07",
            "EXIF:DateTimeOriginal": "2008:10:22 16:28:39",
            "EXIF:SubsecTimeOriginal": "50",
            "EXIF:OffsetTimeOriginal": "+02:00",
            "XMP:xmp:CreateDate": "2008-10-22T16:28:40",
        },
        name="IMG_20230405_101112.jpg",
    )
    assert found.taken_at is not None
    assert found.taken_at.local == "2008-10-22T16:28:39.5"
    assert (found.taken_at.offset_minutes, found.taken_at.offset_source) == (120, "exif:OffsetTimeOriginal")
    assert found.taken_at_utc == datetime(2008, 10, 22, 14, 28, 39, 500_000, tzinfo=UTC)
    assert [c.source for c in found.alternatives] == ["xmp:CreateDate", "exif:DateTime", "file_name", "file_modified"]


def test_without_exif_the_name_and_then_the_file_time_answer() -> None:
    assert judged({}, "IMG_20230405_101112.jpg").taken_at.source == "file_name"  # type: ignore[union-attr]
    last = judged({})
    assert last.taken_at is not None
    assert (last.taken_at.source, last.taken_at_utc) == ("file_modified", MODIFIED)
    assert judged({}, modified=None).taken_at is None


@pytest.mark.parametrize(
    ("gps_time", "offset", "source"),
    [
        ([14.0, 28.0, 40.0], 120, "gps_time"),
        ([14.0, 24.0, 0.0], 120, "gps_time"),
        ([14.0, 9.0, 0.0], 120, "position"),  # off by 20 minutes: no such zone
        ([3.0, 28.0, 40.0], 780, "gps_time"),
    ],
)
def test_the_offset_is_the_difference_from_the_gps_clock_where_such_a_zone_exists(
    gps_time: list[float], offset: int, source: str
) -> None:
    gps = {"GPS:GPSDateStamp": "2008:10:22", "GPS:GPSTimeStamp": gps_time}
    found = judged(AREZZO | gps | {"EXIF:DateTimeOriginal": "2008:10:22 16:28:39"})
    assert found.taken_at is not None
    assert (found.taken_at.offset_minutes, found.taken_at.offset_source) == (offset, source)
    assert found.taken_at.zone == "Europe/Rome"


def test_a_gps_clock_alone_is_turned_to_the_clock_of_the_place() -> None:
    gps = {"GPS:GPSDateStamp": "2008:10:22", "GPS:GPSTimeStamp": [14.0, 28.0, 40.0]}
    found = judged(AREZZO | gps)
    assert found.taken_at is not None
    assert (found.taken_at.local, found.taken_at.offset_minutes) == ("2008-10-22T16:28:40", 120)
    assert found.taken_at_utc == datetime(2008, 10, 22, 14, 28, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "nonsense",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "1700:01:01 00:00:00", "9999:12:31 23:59:59", "2008:13:45 99:00:00"],
)
def test_a_date_that_cannot_be_is_refused_with_a_note(nonsense: str) -> None:
    found = judged({"EXIF:DateTimeOriginal": nonsense, "EXIF:DateTime": "2008:11:01 21:15:07"})
    assert found.taken_at is not None
    assert found.taken_at.source == "exif:DateTime"
    assert any("DateTimeOriginal" in note for note in found.notes)


@pytest.mark.parametrize("default", ["1970:01:01 00:00:00", "1980:01:01 00:00:10", "2002:12:08 12:00:00"])
def test_a_clock_that_was_never_set_comes_last(default: str) -> None:
    found = judged({"EXIF:DateTimeOriginal": default})
    assert found.taken_at is not None
    assert found.taken_at.source == "file_modified"
    assert found.alternatives[-1].source == "exif:DateTimeOriginal"
    assert any("never set" in note for note in found.notes)
    alone = judged({"EXIF:DateTimeOriginal": default}, modified=None)
    assert alone.taken_at is not None
    assert alone.taken_at.source == "exif:DateTimeOriginal"


@pytest.mark.parametrize(
    ("name", "local", "offset"),
    [
        ("IMG_20230405_101112.jpg", "2023-04-05T10:11:12", None),
        ("VID_20230405_101112.mp4", "2023-04-05T10:11:12", None),
        ("PXL_20230405_101112345.jpg", "2023-04-05T10:11:12.345", 0),
        ("PXL_20230405_101112345.MP.jpg", "2023-04-05T10:11:12.345", 0),
        ("IMG-20230405-WA0001.jpg", "2023-04-05T00:00:00", None),
        ("Screenshot_2023-04-05-10-11-12.png", "2023-04-05T10:11:12", None),
        ("Screenshot_20230405-101112_Chrome.png", "2023-04-05T10:11:12", None),
        ("2023-04-05 10.11.12.jpg", "2023-04-05T10:11:12", None),
        ("2023-04-05 10.11.12-1.jpg", "2023-04-05T10:11:12", None),
        ("WhatsApp Image 2023-04-05 at 10.11.12 PM.jpeg", "2023-04-05T22:11:12", None),
        ("signal-2023-04-05-101112.jpg", "2023-04-05T10:11:12", None),
        ("2023-04-05.jpg", "2023-04-05T00:00:00", None),
        ("VID-20230405-WA0001.mp4", "2023-04-05T00:00:00", None),
        ("WhatsApp Image 2023-04-05 at 10.11.12.jpeg", "2023-04-05T10:11:12", None),
        ("WhatsApp Video 2023-04-05 at 10.11.12 (1).mp4", "2023-04-05T10:11:12", None),
        ("WhatsApp Bild 2023-04-05 um 10.11.12.jpeg", "2023-04-05T10:11:12", None),
        ("photo_2023-04-05_10-11-12.jpg", "2023-04-05T10:11:12", None),
        ("photo_1@05-04-2023_10-11-12.jpg", "2023-04-05T10:11:12", None),
        ("Screen Shot 2023-04-05 at 10.11.12 AM.png", "2023-04-05T10:11:12", None),
        ("Screenshot 2023-04-05 at 10.11.12\u202fPM.png", "2023-04-05T22:11:12", None),
        ("Screenshot 2023-04-05 at 12.11.12\u202fAM 2.png", "2023-04-05T00:11:12", None),
        ("Capture d\u2019écran 2023-04-05 à 10.11.12.png", "2023-04-05T10:11:12", None),
        ("Screenshot 2023-04-05 101112.png", "2023-04-05T10:11:12", None),
        ("Screenshot from 2023-04-05 10-11-12.png", "2023-04-05T10:11:12", None),
        ("20230405_101112(0).jpg", "2023-04-05T10:11:12", None),
        ("MVIMG_20230405_101112.jpg", "2023-04-05T10:11:12", None),
        ("00100lPORTRAIT_00100_BURST20230405101112345_COVER.jpg", "2023-04-05T10:11:12.345", None),
        ("Burst_Cover_Collage_20230405_101112.jpg", "2023-04-05T10:11:12", None),
        ("DJI_20230405101112_0001_D.JPG", "2023-04-05T10:11:12", None),
        ("WP_20130405_10_11_12_Pro.jpg", "2013-04-05T10:11:12", None),
        ("PXL_20230405_101112345.TS.mp4", "2023-04-05T10:11:12.345", 0),
        ("1680689472123.jpg", "2023-04-05T10:11:12.123", 0),
        ("20130405_0012.jpg", "2013-04-05T00:00:00", None),
        ("IMG_20230405_256112.jpg", "2023-04-05T00:00:00", None),
        ("DJI_0001.JPG", None, None),
        ("GX010123.MP4", None, None),
        ("P1020304.JPG", None, None),
        ("received_1234567890123456.jpeg", None, None),
        ("wallpaper_2048x1536.jpg", None, None),
        ("FB_IMG_1680689472123.jpg", "2023-04-05T10:11:12.123", 0),
        ("IMG_20231399_101112.jpg", None, None),
        ("DSC_0001.jpg", None, None),
        ("12345678901234567890.jpg", None, None),
        ("holiday.jpg", None, None),
    ],
)
def test_dates_in_file_names(name: str, local: str | None, offset: int | None) -> None:
    found = file_name_date(name)
    assert (found.local if found else None, found.offset_minutes if found else None) == (local, offset)


def test_positions_that_cannot_be_are_refused_with_a_note() -> None:
    null_island = AREZZO | {"GPS:GPSLatitude": [0.0, 0.0, 0.0], "GPS:GPSLongitude": [0.0, 0.0, 0.0]}
    for tags, said in (
        (null_island, "without a fix"),
        (AREZZO | {"GPS:GPSLatitude": [91.0, 0.0, 0.0]}, "not on Earth"),
        (AREZZO | {"GPS:GPSLongitude": [200.0]}, "not on Earth"),
        (AREZZO | {"GPS:GPSLatitude": [float("nan"), 0.0, 0.0]}, "can't be read"),
        ({k: v for k, v in AREZZO.items() if not k.endswith("LatitudeRef")}, "which side of the globe"),
    ):
        found = judged(tags)
        assert found.position is None
        assert any(said in note for note in found.notes), said


def test_south_west_and_below_the_sea() -> None:
    tags = AREZZO | {"GPS:GPSLatitudeRef": "s", "GPS:GPSLongitudeRef": "West"}
    found = judged(tags | {"GPS:GPSAltitude": 413.0, "GPS:GPSAltitudeRef": 1}).position
    assert found is not None
    assert (found.latitude, found.longitude, found.altitude_m) == pytest.approx((-43.467448, -11.885127, -413.0))


def test_a_video_tells_place_and_local_time_in_its_container() -> None:
    found = judged(
        {
            "Container:com.apple.quicktime.location.iso6709": "+32.0929+034.8620+028.516/",
            "Container:com.apple.quicktime.creationdate": "2019-07-24T11:25:40+0300",
            "Container:creation_time": "2019-07-24T08:25:57.000000Z",
            "Container:com.apple.quicktime.model": "iPhone 6",
        }
    )
    assert found.position is not None
    assert (found.position.latitude, found.position.longitude) == (32.0929, 34.862)
    assert found.taken_at_utc == datetime(2019, 7, 24, 8, 25, 40, tzinfo=UTC)
    assert found.camera is not None
    assert found.camera.name == "iPhone 6"


def test_camera_values_are_cleaned_and_impossible_ones_left_out() -> None:
    camera = judged(
        {
            "EXIF:Make": "  Canon \x00 ",
            "EXIF:Model": "Canon  EOS 40D",
            "EXIF:ExposureTime": -1.0,
            "EXIF:FNumber": 0.0,
            "EXIF:ISOSpeedRatings": [100.0, 100.0],
            "EXIF:Flash": 25,
        }
    ).camera
    assert camera is not None
    assert (camera.name, camera.exposure_seconds, camera.f_number, camera.iso) == ("Canon EOS 40D", None, None, 100)
    assert camera.flash_fired is True


def test_what_cameras_write_into_every_caption_is_no_caption() -> None:
    for words in ("OLYMPUS DIGITAL CAMERA", "SONY DSC", "DCIM\\100MEDIA\\DJI_0001.JPG", " "):
        assert judged({"EXIF:ImageDescription": words}).description is None
    assert judged({"EXIF:ImageDescription": "SONY DSC", "EXIF:UserComment": "Grandma"}).description == "Grandma"
    assert judged({"EXIF:ImageDescription": "x" * 5000}).description == "x" * 2000


NAMES = [
    "EXIF:DateTimeOriginal", "EXIF:DateTimeDigitized", "EXIF:DateTime", "EXIF:OffsetTimeOriginal", "EXIF:Flash",
    "EXIF:SubsecTimeOriginal", "GPS:GPSDateStamp", "GPS:GPSTimeStamp", "GPS:GPSLatitude", "GPS:GPSLongitude",
    "GPS:GPSLatitudeRef", "GPS:GPSLongitudeRef", "GPS:GPSAltitude", "GPS:GPSAltitudeRef", "EXIF:Make", "EXIF:Model",
    "EXIF:ExposureTime", "EXIF:ISOSpeedRatings", "EXIF:FocalLength", "EXIF:FocalLengthIn35mmFilm", "XMP:xmp:CreateDate",
    "EXIF:ImageDescription", "Container:creation_time", "Container:location", "XMP:exif:GPSLatitude",
]  # fmt: skip
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda t: t.strftime("%Y:%m:%d %H:%M:%S"))  # noqa: DTZ001
VALUES = st.one_of(
    st.text(max_size=30),
    TIMES,
    st.sampled_from(["N", "S", "E", "W", "+02:00", "-12:00", "+99:99", "+51.5-000.1/", "\u0662023:01:01 00:00:00"]),
    st.integers(-(2**53), 2**53),
    st.floats(),
    st.lists(st.floats(), max_size=4),
    st.lists(st.floats(0, 60), min_size=3, max_size=3),
)


@settings(deadline=None, max_examples=300)
@given(
    tags=st.dictionaries(st.sampled_from(NAMES), VALUES),
    name=st.one_of(st.text(max_size=40), TIMES, st.from_regex(r"\A[A-Z]{3}_[0-9]{8}_[0-9]{6,9}\Z")),
    modified=st.none() | st.datetimes(timezones=st.just(UTC)),
    offset=st.none() | st.integers(-720, 840),
)
@example({"GPS:GPSDateStamp": "9999:12:31", "GPS:GPSTimeStamp": [23.0, 59.0, 60.0]}, "", None, None)
@example({"EXIF:DateTimeOriginal": "0001:01:01 00:00:00", "EXIF:OffsetTimeOriginal": "+14:00"}, "", None, None)
def test_whatever_a_file_says_the_answer_is_a_valid_event(
    tags: dict[str, object], name: str, modified: datetime | None, offset: int | None
) -> None:
    zone = (lambda *_: ("Zone/Name", offset)) if offset is not None else None
    raw = RawMetadata(tags, 10, 10)  # type: ignore[arg-type]
    found = extract(raw, file_name=name, modified_at=modified, zone_of=zone)
    assert found == extract(raw, file_name=name, modified_at=modified, zone_of=zone)
    event = MetadataExtracted(
        run=StepRun(step="metadata", version=1, attempt=1),
        width=10,
        height=10,
        taken_at=found.taken_at,
        taken_at_utc=found.taken_at_utc,
        alternatives=found.alternatives,
        camera=found.camera,
        position=found.position,
        description=found.description,
        notes=found.notes,
    )
    written = msgspec.json.encode(event)
    json.loads(written, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert msgspec.json.decode(written, type=MetadataExtracted) == event
    for answer in (found.taken_at, *found.alternatives):
        assert answer is None or datetime.fromisoformat(answer.local).tzinfo is None


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    parse_time(text)
    parse_offset(text)
    file_name_date(text)
