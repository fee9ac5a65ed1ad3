"""What photo systems get wrong about dates: whose clock a video shows, what a sidecar may overrule, offsets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.dates import parse_offset, parse_time
from domain.media import RawMetadata, RawSidecar, TakenAt
from domain.metadata import Extracted, extract

MODIFIED = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
HERE: dict[str, object] = {
    "GPS:GPSLatitudeRef": "N",
    "GPS:GPSLatitude": [43.0, 28.0, 2.814],
    "GPS:GPSLongitudeRef": "E",
    "GPS:GPSLongitude": [11.0, 53.0, 6.456],
}


def judged(tags: dict[str, object], name: str = "a.jpg", *sidecars: RawSidecar) -> Extracted:
    raw = RawMetadata(tags, 10, 10)  # type: ignore[arg-type]
    return extract(raw, file_name=name, modified_at=MODIFIED, zone_of=rome, sidecars=sidecars)


def rome(latitude: float, longitude: float, local: datetime) -> tuple[str, int] | None:
    return ("Europe/Rome", 120 if 4 <= local.month <= 10 else 60) if 36 < latitude < 47 else None


def taken(found: Extracted) -> TakenAt:
    assert found.taken_at is not None
    return found.taken_at


def xmp(**tags: str) -> RawSidecar:
    names = {"taken": "exif:DateTimeOriginal", "made": "photoshop:DateCreated", "begun": "xmp:CreateDate"}
    return RawSidecar("xmp", {f"XMP:{names[name]}": value for name, value in tags.items()})


def takeout(seconds: int, **tags: float) -> RawSidecar:
    geo: dict[str, str | int | float | list[float]] = {f"Takeout:geoData.{name}": v for name, v in tags.items()}
    return RawSidecar("takeout", {"Takeout:photoTakenTime": seconds} | geo)


ALL: dict[str, object] = {
    "EXIF:DateTimeOriginal": "2008:10:22 16:28:39",
    "EXIF:DateTimeDigitized": "2008:10:22 16:28:40",
    "GPS:GPSDateStamp": "2008:10:22",
    "GPS:GPSTimeStamp": [14.0, 28.0, 41.0],
    "Container:com.apple.quicktime.creationdate": "2008-10-22T16:28:42+0200",
    "Container:creation_time": "2008-10-22T14:28:43Z",
    "EXIF:DateTime": "2008:11:01 21:15:07",
    "XMP:exif:DateTimeOriginal": "2008-10-22T16:28:44",
    "XMP:xmp:CreateDate": "2008-10-22T16:28:45",
}


class TestOrder:
    def test_the_whole_order_as_it_is_stated(self) -> None:
        sidecar = xmp(taken="2007-01-01T00:00:01", made="2007-01-01T00:00:02", begun="2007-01-01T00:00:03")
        found = judged(ALL, "IMG_20230405_101112.jpg", sidecar, takeout(1224685719))
        assert [taken(found).source, *(c.source for c in found.alternatives)] == [
            "sidecar:DateTimeOriginal",
            "sidecar:DateCreated",
            "exif:DateTimeOriginal",
            "exif:DateTimeDigitized",
            "gps",
            "container:com.apple.quicktime.creationdate",
            "container:creation_time",
            "xmp:DateTimeOriginal",
            "takeout:photoTakenTime",
            "sidecar:CreateDate",
            "xmp:CreateDate",
            "exif:DateTime",
            "file_name",
            "file_modified",
        ]

    def test_every_answer_keeps_its_offset(self) -> None:
        found = judged(ALL)
        offsets = {c.source: c.offset_minutes for c in found.alternatives}
        assert offsets["gps"] == offsets["container:creation_time"] == offsets["file_modified"] == 0
        assert offsets["container:com.apple.quicktime.creationdate"] == 120
        assert offsets["exif:DateTime"] is None


class TestSidecars:
    def test_a_person_s_edit_overrules_the_camera(self) -> None:
        found = judged({"EXIF:DateTimeOriginal": "2023:04:05 10:11:12"}, "a.jpg", xmp(taken="1985-07-01T12:00:00"))
        assert (taken(found).local, taken(found).source) == ("1985-07-01T12:00:00", "sidecar:DateTimeOriginal")
        assert [c.local for c in found.alternatives] == ["2023-04-05T10:11:12", "2024-02-03T04:05:06"]

    def test_one_that_repeats_the_camera_leaves_it_its_fractions_and_offset(self) -> None:
        tags: dict[str, object] = {
            "EXIF:DateTimeOriginal": "2023:04:05 10:11:12",
            "EXIF:SubsecTimeOriginal": "25",
            "EXIF:OffsetTimeOriginal": "+02:00",
        }
        found = judged(tags, "a.jpg", xmp(taken="2023-04-05T10:11:12"))
        assert (taken(found).source, taken(found).local) == ("exif:DateTimeOriginal", "2023-04-05T10:11:12.25")
        assert taken(found).offset_minutes == 120

    def test_the_newest_of_two_wins(self) -> None:
        found = judged({}, "a.jpg", xmp(taken="2001-01-01T00:00:01"), xmp(taken="2002-01-01T00:00:01"))
        assert taken(found).local == "2001-01-01T00:00:01"

    def test_one_with_a_nonsense_date_is_passed_over_and_said(self) -> None:
        found = judged({"EXIF:DateTimeOriginal": "2023:04:05 10:11:12"}, "a.jpg", xmp(taken="0000:00:00"))
        assert taken(found).source == "exif:DateTimeOriginal"
        assert "sidecar:DateTimeOriginal is blank" in found.notes

    def test_takeout_goes_behind_the_camera_and_before_name_edit_and_file_time(self) -> None:
        camera = {"EXIF:DateTimeOriginal": "2008:10:22 16:28:39"}
        assert taken(judged(camera, "IMG_20230405_101112.jpg", takeout(5))).source == "exif:DateTimeOriginal"
        edit = {"EXIF:DateTime": "2019:01:01 00:00:00"}
        found = judged(edit, "IMG-20230405-WA0001.jpg", takeout(1224685719))
        assert (taken(found).source, found.taken_at_utc) == (
            "takeout:photoTakenTime",
            datetime(2008, 10, 22, 14, 28, 39, tzinfo=UTC),
        )

    def test_takeout_goes_before_a_clock_that_was_never_set(self) -> None:
        found = judged({"EXIF:DateTimeOriginal": "1980:01:01 00:00:10"}, "a.jpg", takeout(1224685719))
        assert taken(found).source == "takeout:photoTakenTime"

    def test_takeout_is_turned_to_the_clock_of_its_own_place(self) -> None:
        found = judged({}, "a.jpg", takeout(1224685719, latitude=43.467, longitude=11.885, altitude=0.0))
        assert (taken(found).local, taken(found).offset_minutes) == ("2008-10-22T16:28:39", 120)
        assert found.position is not None
        assert (found.position.latitude, found.position.altitude_m) == (43.467, None)

    def test_takeout_s_null_island_is_no_place(self) -> None:
        found = judged({}, "a.jpg", takeout(1224685719, latitude=0.0, longitude=0.0, altitude=0.0))
        assert found.position is None
        assert found.notes == ()

    def test_takeout_does_not_move_what_the_camera_knows(self) -> None:
        found = judged(HERE, "a.jpg", takeout(5, latitude=1.0, longitude=1.0))
        assert found.position is not None
        assert found.position.latitude == pytest.approx(43.467448)

    def test_a_sidecar_moves_what_the_camera_knows(self) -> None:
        moved = RawSidecar("xmp", {"XMP:exif:GPSLatitude": "41,54.0N", "XMP:exif:GPSLongitude": "12,30.0E"})
        found = judged(HERE, "a.jpg", moved)
        assert found.position is not None
        assert (found.position.latitude, found.position.longitude) == (41.9, 12.5)

    def test_caption_rating_and_keywords(self) -> None:
        mine = RawSidecar("xmp", {"XMP:xmp:Rating": "4", "XMP:dc:subject": "sea\nfamily", "XMP:dc:description": "Mine"})
        google = RawSidecar("takeout", {"Takeout:description": "Google's"})
        tags: dict[str, object] = {
            "EXIF:ImageDescription": "camera's", "EXIF:Rating": 2, "EXIF:XPKeywords": "sea;beach",
            "XMP:dc:subject": "sun",
        }  # fmt: skip
        found = judged(tags, "a.jpg", mine, google)
        assert (found.description, found.rating) == ("Mine", 4)
        assert found.keywords == ("sea", "family", "sun", "beach")
        assert judged(tags, "a.jpg", google).description == "Google's"
        assert judged(tags).description == "camera's"
        assert judged(tags).rating == 2

    @pytest.mark.parametrize(("text", "stars"), [("-1", -1), ("0", 0), ("5", 5), ("3.0", 3), ("6", None), ("a", None)])
    def test_a_rating_that_is_none_is_left_out(self, text: str, stars: int | None) -> None:
        found = judged({}, "a.jpg", RawSidecar("xmp", {"XMP:xmp:Rating": text}))
        assert found.rating == stars
        assert any("rating" in note for note in found.notes) == (stars is None)

    def test_of_digikam_s_hierarchies_the_last_part_is_a_keyword_where_there_are_no_others(self) -> None:
        tags: dict[str, str | int | float | list[float]] = {"XMP:digiKam:TagsList": "Places/Italy/Rome\nPeople/Anna"}
        assert judged({}, "a.jpg", RawSidecar("xmp", tags)).keywords == ("Rome", "Anna")
        assert judged({}, "a.jpg", RawSidecar("xmp", tags | {"XMP:dc:subject": "x"})).keywords == ("x",)


class TestVideos:
    CREATED: dict[str, object] = {
        "Container:creation_time": "2023-04-05T08:11:20.000000Z",
        "Container:duration_ms": 7000,
    }

    def test_creation_time_is_in_utc_and_the_name_tells_the_offset(self) -> None:
        found = judged(self.CREATED, "VID_20230405_101112.mp4")
        assert (taken(found).local, taken(found).offset_minutes) == ("2023-04-05T10:11:20", 120)
        assert (taken(found).source, taken(found).offset_source) == ("container:creation_time", "file_name")
        assert found.taken_at_utc == datetime(2023, 4, 5, 8, 11, 20, tzinfo=UTC)

    def test_the_place_tells_the_offset_better_than_the_name(self) -> None:
        found = judged(self.CREATED | {"Container:location": "+43.4674+011.8851/"}, "VID_20230405_141112.mp4")
        assert (taken(found).offset_minutes, taken(found).offset_source) == (120, "position")
        assert taken(found).zone == "Europe/Rome"

    @pytest.mark.parametrize("name", ["VID_20230405_081112.mp4", "20230405_081119.mp4"])
    def test_a_camera_that_writes_its_own_clock_is_found_out_by_the_file_s_name(self, name: str) -> None:
        found = judged(self.CREATED, name)
        assert (taken(found).local, taken(found).offset_minutes, found.taken_at_utc) == (
            "2023-04-05T08:11:20",
            None,
            None,
        )
        assert any("taken for local time" in note for note in found.notes)

    def test_and_then_gets_the_offset_of_the_place(self) -> None:
        found = judged(self.CREATED | {"Container:location": "+43.4674+011.8851/"}, "VID_20230405_081112.mp4")
        assert (taken(found).local, taken(found).offset_minutes) == ("2023-04-05T08:11:20", 120)
        assert found.taken_at_utc == datetime(2023, 4, 5, 6, 11, 20, tzinfo=UTC)

    def test_a_name_in_utc_proves_nothing_against_utc(self) -> None:
        found = judged(self.CREATED, "PXL_20230405_081112345.mp4")
        assert (taken(found).offset_minutes, found.notes) == (0, ())

    def test_apple_s_local_date_goes_before_and_unmasks_a_local_creation_time(self) -> None:
        apple = {"Container:com.apple.quicktime.creationdate": "2023-04-05T08:11:20+0200"}
        found = judged(self.CREATED | apple, "IMG_0001.MOV")
        assert (taken(found).local, taken(found).offset_minutes) == ("2023-04-05T08:11:20", 120)
        assert found.taken_at_utc == datetime(2023, 4, 5, 6, 11, 20, tzinfo=UTC)
        assert found.alternatives[0].offset_minutes is None
        apple = {"Container:com.apple.quicktime.creationdate": "2023-04-05T10:11:20+0200"}
        found = judged(self.CREATED | apple, "IMG_0001.MOV")
        assert (found.alternatives[0].offset_minutes, found.notes) == (0, ())

    @pytest.mark.parametrize("name", ["GX010123.MP4", "GH010123.MP4", "GOPR0123.MP4", "GP010123.mp4"])
    def test_gopro_writes_its_own_clock(self, name: str) -> None:
        assert taken(judged(self.CREATED, name)).offset_minutes is None
        assert taken(judged(self.CREATED, "a.mp4")).offset_minutes == 0
        assert taken(judged(self.CREATED | {"Container:handler_name": "\tGoPro AVC"}, "a.mp4")).offset_minutes is None

    def test_a_clock_that_was_never_set(self) -> None:
        found = judged({"Container:creation_time": "1904-01-01T00:00:00Z"}, "VID_20230405_101112.mp4")
        assert taken(found).source == "file_name"

    @pytest.mark.parametrize(
        ("text", "latitude", "longitude"),
        [
            ("+43.4674+011.8851/", 43.4674, 11.8851),
            ("-33.8568+151.2153+012.345/", -33.8568, 151.2153),
            ("+4328.044-01153.106+5CRSWGS_84/", 43 + 28.044 / 60, -(11 + 53.106 / 60)),
            ("+432802.8+0115306.4/", 43 + 28 / 60 + 2.8 / 3600, 11 + 53 / 60 + 6.4 / 3600),
            ("-16.8000+179.9900/", -16.8, 179.99),
            ("-16.8000-179.9900/", -16.8, -179.99),
        ],
    )
    def test_iso_6709_in_each_of_its_forms(self, text: str, latitude: float, longitude: float) -> None:
        position = judged({"Container:location": text}).position
        assert position is not None
        assert (position.latitude, position.longitude) == pytest.approx((latitude, longitude), abs=1e-6)

    @pytest.mark.parametrize("text", ["+00.0000+000.0000/", "+91.0+000.0/", "+43.4674/", "here", "+43.4674+181.0/"])
    def test_a_location_that_is_none(self, text: str) -> None:
        found = judged({"Container:location": text})
        assert found.position is None
        assert found.notes


class TestGpsClock:
    TAKEN = {"EXIF:DateTimeOriginal": "2023:04:05 20:00:00"}

    @pytest.mark.parametrize(
        ("local", "day", "clock", "offset"),
        [
            ("2023:04:05 20:00:00", "2023:04:06", [3.0, 0.0, 2.0], -420),
            ("2023:04:05 20:00:00", "2023:04:05", [3.0, 0.0, 2.0], -420),  # the receiver wrote the local day
            ("2023:04:05 08:00:00", "2023:04:05", [22.0, 0.0, 0.0], 600),  # and on the other side of the world
            ("2023:04:05 08:00:00", "2023:04:04", [22.0, 0.0, 0.0], 600),
        ],
    )
    def test_a_date_that_is_a_day_off(self, local: str, day: str, clock: list[float], offset: int) -> None:
        found = judged({"EXIF:DateTimeOriginal": local, "GPS:GPSDateStamp": day, "GPS:GPSTimeStamp": clock})
        assert (taken(found).offset_minutes, taken(found).offset_source) == (offset, "gps_time")
        assert any("a day off" in note for note in found.notes) == (day == "2023:04:05")

    @pytest.mark.parametrize(
        ("day", "offset"), [("2014:09:259", 60), ("2014:08:259", None), ("2014:09:000", None), ("0000:01:001", None)]
    )
    def test_a_date_with_the_day_of_the_year(self, day: str, offset: int | None) -> None:
        gps = {"GPS:GPSDateStamp": day, "GPS:GPSTimeStamp": [13.0, 5.0, 12.05]}
        found = judged({"EXIF:DateTimeOriginal": "2014:09:16 14:05:12"} | gps)
        assert taken(found).offset_minutes == offset

    def test_a_receiver_whose_weeks_rolled_over_tells_nothing(self) -> None:
        gps = {"GPS:GPSDateStamp": "2003:08:21", "GPS:GPSTimeStamp": [3.0, 0.0, 0.0]}
        found = judged(self.TAKEN | gps)
        assert (taken(found).offset_minutes, taken(found).local) == (None, "2023-04-05T20:00:00")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("+02:00", 120), ("+2:00", 120), ("+0200", 120), ("+02", 120), ("-3", -180), ("+05:45", 345), ("Z", 0),
        ("UTC", 0),
        ("UTC+2", 120), (" +02:00 ", 120), ("+15:00", None), ("+02:99", None), ("02:00", None), ("", None),
        ("local", None),
    ],
)  # fmt: skip
def test_offsets_as_cameras_write_them(text: str, minutes: int | None) -> None:
    assert parse_offset(text) == minutes


@pytest.mark.parametrize("blank", ["", "   :  ", "      "])
def test_a_blank_offset_is_none_and_no_fault(blank: str) -> None:
    found = judged({"EXIF:DateTimeOriginal": "2023:04:05 10:11:12", "EXIF:OffsetTimeOriginal": blank})
    assert (taken(found).offset_minutes, found.notes) == (None, ())


@pytest.mark.parametrize(
    ("fraction", "local"),
    [
        ("5", ".5"),
        ("50 ", ".5"),
        ("050", ".05"),
        ("05", ".05"),
        ("000", ""),
        ("123456789", ".123456"),
        ("  ", ""),
        ("a", ""),
    ],
)
def test_sub_seconds_are_digits_after_the_point(fraction: str, local: str) -> None:
    found = judged({"EXIF:DateTimeOriginal": "2023:04:05 10:11:12", "EXIF:SubsecTimeOriginal": fraction})
    assert taken(found).local == f"2023-04-05T10:11:12{local}"


@pytest.mark.parametrize(
    ("text", "local", "offset"),
    [
        ("2023-04-05T10:11:12+3:00", "2023-04-05T10:11:12", 180),
        ("2023-04-05T10:11:12+03", "2023-04-05T10:11:12", 180),
        ("2023:04:05 10:11:12.5 -0730", "2023-04-05T10:11:12.500000", -450),
        ("2023/04/05 10:11:60", "2023-04-05T10:11:59", None),
        ("0000:04:05 10:11:12", None, None),
        ("2023:02:30 10:11:12", None, None),
    ],
)
def test_times_as_programs_write_them(text: str, local: str | None, offset: int | None) -> None:
    found = parse_time(text)
    assert (found[0].isoformat() if found else None, found[1] if found else None) == (local, offset)
