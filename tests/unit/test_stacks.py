"""Who belongs to one shot: where files meet, and who of those that meet is shown."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from domain.events import Event, StackDissolved, StackJoined, StackLeft, StackPart
from domain.media import DateCandidate, TakenAt
from domain.meetings import Meeting, Shot, is_raw, meetings, own_clock, seconds_apart
from domain.stacks import MAX_MEMBERS, Position, changes, dissolve, fold, join, leave, positions, stack_stream
from tests.support.factories import recorded

JPEG, HEIC, DNG, MOV = "image/jpeg", "image/heic", "image/x-adobe-dng", "video/quicktime"
NOON = "2024-07-01T12:00:00"


def shot(path: str, media_type: str = JPEG, taken: str | None = NOON, offset: int | None = None, **tags: Any) -> Shot:
    """A file by its path, with tags (`_` for `:`)."""
    return Shot(
        media_type=media_type,
        file_name=path.rpartition("/")[2],
        path=path,
        taken_at=TakenAt(taken, "exif:DateTimeOriginal", offset) if taken else None,
        tags={name.replace("__", ":"): value for name, value in tags.items()},
    )


def clip(path: str, ms: int = 2900, **more: Any) -> Shot:
    """A video."""
    return shot(path, MOV, **{"Container__duration_ms": ms} | more)


def live(path: str, media_type: str, ident: str, **more: Any) -> Shot:
    """A half of a live photo."""
    tag = "Apple__ContentIdentifier" if media_type != MOV else "Container__com.apple.quicktime.content.identifier"
    return shot(path, media_type, **{tag: ident} | more)


def joined(asset: str, kind: str, media_type: str = JPEG, name: str = "", **more: Any) -> StackJoined:
    """A member."""
    fields: dict[str, Any] = {"taken": NOON} | more
    return StackJoined(
        asset=asset, kind=kind, on="x", media_type=media_type, file_name=name or f"{asset}.jpg", **fields
    )


def stood(*members: Event) -> dict[str, Position]:
    """Positions after these events of a stack, which must be the same whatever the order of those that join."""
    found = positions(fold(recorded(*members, stream="anna#stack#s")))
    if all(isinstance(member, StackJoined) for member in members) and len(members) <= 5:
        for order in itertools.permutations(members):
            assert positions(fold(recorded(*order, stream="anna#stack#s"))) == found
    return found


def behind(found: dict[str, Position]) -> dict[str, str | None]:
    """Only who stands behind whom."""
    return {asset: at.main for asset, at in found.items() if at.main}


class TestMeetings:
    def test_halves_of_a_live_photo_meet_by_their_identifier_wherever_they_lie(self) -> None:
        picture = live("/a/IMG_1.HEIC", HEIC, "1745E022-9712-43C7-B024-F308EC6413CB")
        video = live("/b/other.MOV", MOV, "1745e022-9712-43c7-b024-f308ec6413cb")
        assert meetings(picture)[0] == meetings(video)[0]

    def test_a_video_that_kept_its_identifier_meets_a_picture_that_lost_it_by_name(self) -> None:
        video = live("/a/IMG_1.MOV", MOV, "1745E022-9712-43C7-B024-F308EC6413CB", Container__duration_ms=2900)
        assert [meeting.kind for meeting in meetings(video)] == ["live", "name"]
        assert meetings(video)[1:] == meetings(shot("/a/IMG_1.JPG"))

    def test_twins_meet_in_the_same_folder_only(self) -> None:
        one, other = meetings(shot("/a/DSC_1.JPG")), meetings(shot("/a/dsc_1.nef", "image/x-nikon-nef"))
        assert one == other
        assert one != meetings(shot("/b/DSC_1.NEF", "image/x-nikon-nef"))

    def test_pixel_names_a_raw_after_its_picture(self) -> None:
        cover, raw = "/p/PXL_20240101_120000000.RAW-01.COVER.jpg", "/p/PXL_20240101_120000000.RAW-02.ORIGINAL.dng"
        assert meetings(shot(cover)) == meetings(shot(raw, DNG))

    def test_dots_in_a_name_are_part_of_it(self) -> None:
        assert meetings(shot("/d/2023-04-05 10.11.12.jpg")) != meetings(shot("/d/2023-04-05 10.11.13.dng", DNG))

    @pytest.mark.parametrize(
        "alone",
        [
            clip("/a/IMG_1.MOV", 5001),
            clip("/a/IMG_1.MOV", taken=None),
            shot("/a/IMG_1.MOV", MOV),
            shot("/a/a.png", "image/png"),
            shot("/a/.jpg"),
            live("/a/IMG_1.HEIC", "", "1745E022-9712-43C7-B024-F308EC6413CB"),
        ],
    )
    def test_a_long_video_or_one_without_a_time_and_a_drawing_have_no_twin(self, alone: Shot) -> None:
        assert meetings(alone) == ()

    def test_uploads_with_a_folder_each_meet_by_name_camera_and_second(self) -> None:
        def uploaded(folder: str, name: str, media_type: str, taken: str | None = NOON) -> tuple[Meeting, ...]:
            found = shot(f"anna/{folder}/{name}", media_type, taken)
            return meetings(Shot(found.media_type, found.file_name, found.path, found.taken_at, "Canon EOS R6"))

        first, second = "7f9c24e8-3b12-4fef-91e0-4b6d0f0f3c11", "0d9f3c7e-8a0e-4c0d-9f21-111111111111"
        assert uploaded(first, "IMG_1.JPG", JPEG) == uploaded(second, "IMG_1.CR3", "image/x-canon-cr3")
        assert uploaded(first, "IMG_1.JPG", JPEG) != uploaded(second, "IMG_1.CR3", "image/x-canon-cr3", "2023-01-01")
        assert uploaded(first, "IMG_1.JPG", JPEG, None) == ()

    @pytest.mark.parametrize(
        ("one", "other", "kind"),
        [
            ("IMG_20150601_123456_BURST001_COVER.jpg", "IMG_20150601_123456_BURST002.jpg", "burst"),
            ("00000IMG_00000_BURST20190101123456789_COVER.jpg", "00001IMG_00001_BURST20190101123456789.jpg", "burst"),
            ("DSC_0001_BURST20190101123456789.JPG", "DSC_0002_BURST20190101123456789_COVER.JPG", "burst"),
            ("20230405_101112_001.jpg", "20230405_101112_002.jpg", "sequence"),
        ],
    )
    def test_frames_of_a_burst_meet_by_their_names(self, one: str, other: str, kind: str) -> None:
        found = meetings(shot(f"/b/{one}"))[0]
        assert found == meetings(shot(f"/b/{other}"))[0]
        assert found.kind == kind
        assert found != meetings(shot(f"/c/{other}"))[0]
        assert shot(f"/b/{one}").burst_cover == ("COVER" in one)

    def test_frames_of_a_burst_meet_by_an_identifier(self) -> None:
        apple = {"Apple__BurstUUID": "0AC1D3A1-0D2B-4C8A-93B7-0D6A1B8C9D10"}
        assert meetings(shot("/a/1.jpg", **apple))[0] == meetings(shot("/b/2.jpg", **apple))[0]
        google = {"XMP__GCamera__BurstID": "b3f9a8c0-1111-2222-3333-444455556666"}
        assert meetings(shot("/a/1.jpg", **google))[0].kind == "burst"
        assert shot("/a/1.jpg", **google, XMP__GCamera__BurstPrimary="1").burst_cover

    def test_nonsense_in_place_of_an_identifier_is_not_believed(self) -> None:
        for value in ("", "x", "no", "-" * 200, "a b c d e f g h i"):
            assert [m.kind for m in meetings(live("/a/1.jpg", JPEG, value))] == ["name"]

    def test_raw_is_what_a_maker_of_cameras_says(self) -> None:
        raws = ("adobe-dng", "canon-cr2", "canon-cr3", "nikon-nef", "sony-arw", "panasonic-rw2", "fuji-raf")
        assert all(is_raw(f"image/x-{kind}") for kind in (*raws, "olympus-orf"))
        assert not any(is_raw(kind) for kind in (JPEG, "image/x-icon", "image/x-ms-bmp", "video/x-matroska"))


@pytest.mark.parametrize(
    ("a", "b", "seconds"),
    [
        ((NOON, None), ("2024-07-01T12:00:01.50", None), 1.5),
        ((NOON, 120), ("2024-07-01T10:00:01", 0), 1),
        ((NOON, None), ("2024-07-01T10:00:01", 0), 1),  # the picture's clock may be two hours ahead
        ((NOON, None), ("2024-07-01T10:07:00", 0), 420),
        ((NOON, None), ("2024-07-03T12:00:00", 0), 172800),
        ((NOON, None), ("2024-07-01T10:00:00", None), 7200),
        (("what", None), (NOON, None), None),
    ],
)
def test_moments_are_compared_with_what_is_known_of_their_zones(
    a: tuple[str, int | None], b: tuple[str, int | None], seconds: float | None
) -> None:
    one, other = TakenAt(a[0], "x", a[1]), TakenAt(b[0], "x", b[1])
    assert seconds_apart(one, other) == seconds_apart(other, one) == seconds
    assert seconds_apart(one, None) is None


def test_a_date_that_a_person_gave_one_of_two_files_does_not_part_them() -> None:
    exif = DateCandidate("exif:DateTimeOriginal", NOON)
    chosen = TakenAt("1999-01-01T00:00:00", "sidecar:xmp", None)
    assert own_clock(chosen, [DateCandidate("file_name", "2020-01-01T00:00:00"), exif]) == TakenAt(NOON, exif.source)
    assert own_clock(chosen, []) == chosen
    own = TakenAt(NOON, "exif:DateTimeDigitized", 60)
    assert own_clock(own, [exif]) == own
    assert own_clock(None, [exif]) is None


class TestLivePhotos:
    def test_the_picture_is_shown_and_the_video_is_a_part_of_it(self) -> None:
        found = stood(joined("v", "live", MOV, duration_ms=2900), joined("p", "live", HEIC))
        assert found == {
            "v": Position("p", "live_video"),
            "p": Position(parts=(StackPart(asset="v", role="live_video"),)),
        }

    def test_a_picture_or_a_video_alone_stands_alone(self) -> None:
        assert stood(joined("v", "live", MOV)) == {}
        assert stood(joined("v", "live", MOV), joined("w", "live", MOV)) == {}
        assert stood(joined("p", "live", HEIC), joined("q", "live", JPEG)) == {}

    def test_of_two_pictures_the_one_of_the_same_name_has_the_video(self) -> None:
        edited = joined("e", "live", HEIC, name="IMG_E0001.HEIC")
        picture, video = joined("p", "live", HEIC, name="IMG_0001.HEIC"), joined("v", "live", MOV, name="IMG_0001.MOV")
        assert behind(stood(edited, picture, video)) == {"v": "p"}
        assert behind(stood(joined("a", "live", HEIC, name="A.HEIC"), picture, video)) == {"v": "p"}

    def test_a_long_video_is_not_hidden_behind_a_picture(self) -> None:
        assert stood(joined("v", "live", MOV, duration_ms=600_000), joined("p", "live", HEIC)) == {}

    def test_by_name_only_when_the_clocks_agree(self) -> None:
        picture, late = joined("p", "name"), "2024-07-01T12:00:04"
        assert behind(stood(picture, joined("v", "name", MOV, duration_ms=3000))) == {"v": "p"}
        assert stood(picture, joined("v", "name", MOV, duration_ms=3000, taken=late)) == {}
        assert stood(picture, joined("v", "name", MOV, duration_ms=3000, taken=None)) == {}


class TestRawAndJpeg:
    def test_the_jpeg_is_shown(self) -> None:
        found = stood(joined("r", "name", DNG), joined("j", "name"))
        assert found["r"] == Position("j", "raw")

    def test_a_clock_that_is_missing_is_no_contradiction_but_a_wrong_one_is(self) -> None:
        assert behind(stood(joined("r", "name", DNG), joined("j", "name", taken=None))) == {"r": "j"}
        assert behind(stood(joined("r", "name", DNG), joined("j", "name", taken="2024-07-01T12:00:02"))) == {"r": "j"}
        assert stood(joined("r", "name", DNG), joined("j", "name", taken="2024-07-01T12:00:03")) == {}

    def test_of_two_pictures_the_raw_goes_with_the_nearer_and_both_are_shown(self) -> None:
        near, far = joined("n", "name", name="z.jpg"), joined("f", "name", name="a.jpg", taken="2024-07-01T12:00:02")
        assert behind(stood(joined("r", "name", DNG), near, far)) == {"r": "n"}

    def test_raw_jpeg_and_live_video_are_one(self) -> None:
        members = (joined("r", "name", DNG), joined("j", "name"), joined("v", "name", MOV, duration_ms=3000))
        assert behind(stood(*members)) == {"r": "j", "v": "j"}

    def test_a_raw_with_a_live_video_and_no_picture_is_shown_itself(self) -> None:
        assert behind(stood(joined("r", "live", DNG), joined("v", "live", MOV))) == {"v": "r"}


class TestBursts:
    def test_the_cover_is_shown_else_the_first(self) -> None:
        frames = [joined(f"f{n}", "burst", taken=f"2024-07-01T12:00:0{n}") for n in range(4)]
        assert behind(stood(*frames)) == {"f1": "f0", "f2": "f0", "f3": "f0"}
        frames[2] = joined("f2", "burst", taken="2024-07-01T12:00:02", cover=True)
        assert behind(stood(*frames)) == {"f0": "f2", "f1": "f2", "f3": "f2"}

    def test_a_raw_is_never_shown_before_a_picture(self) -> None:
        frames = (joined("a", "burst", DNG, cover=True, taken="2024-07-01T11:00:00"), joined("b", "burst"))
        assert behind(stood(*frames)) == {"a": "b"}

    def test_names_that_only_look_like_a_burst_need_three(self) -> None:
        frames = [joined(f"f{n}", "sequence") for n in range(3)]
        assert stood(*frames[:2]) == {}
        assert behind(stood(*frames)) == {"f1": "f0", "f2": "f0"}


class TestTheStreamOfAStack:
    PAIR = (joined("r", "name", DNG), joined("j", "name"))

    def test_who_left_stands_alone(self) -> None:
        assert stood(*self.PAIR, StackLeft(asset="j")) == {}

    def test_what_a_person_took_apart_stays_apart(self) -> None:
        assert stood(*self.PAIR, StackDissolved(reason="no"), joined("x", "name", DNG)) == {}

    def test_changes_name_the_version_that_brought_them(self) -> None:
        history = recorded(*self.PAIR, joined("x", "name", DNG), StackLeft(asset="j"), stream="anna#stack#s")
        assert {a: c.version for a, c in changes(history[:2], 2).items()} == {"r": 2, "j": 2}
        assert {a: c.version for a, c in changes(history[:3], 3).items()} == {"x": 3, "j": 3}
        freed = changes(history, 4)
        assert {a: (c.version, c.position) for a, c in freed.items()} == dict.fromkeys("rxj", (4, Position()))
        assert changes(history, 2) == freed

    def test_joining_twice_is_nothing_and_joining_with_new_facts_is_something(self) -> None:
        stack = fold(recorded(*self.PAIR, stream="anna#stack#s"))
        assert join(stack, self.PAIR[0]) == ()
        changed = joined("r", "name", DNG, taken="2020-01-01T00:00:00")
        assert join(stack, changed) == (changed,)

    def test_leaving_and_taking_apart_need_members(self) -> None:
        stack = fold(recorded(*self.PAIR, stream="anna#stack#s"))
        assert leave(stack, "x") == ()
        assert leave(stack, "r") == (StackLeft(asset="r"),)
        assert dissolve(fold(()), "why") == ()
        apart = fold(recorded(*self.PAIR, StackDissolved(reason="no"), stream="anna#stack#s"))
        assert dissolve(apart, "why") == ()

    def test_a_place_takes_so_many_and_no_more(self) -> None:
        stack = fold(recorded(*[joined(f"a{n}", "burst") for n in range(MAX_MEMBERS)], stream="anna#stack#s"))
        assert join(stack, joined("one more", "burst")) == ()
        assert join(stack, joined("a0", "burst", cover=True))

    def test_its_name_begins_with_its_owner(self) -> None:
        assert stack_stream("anna", "s") == "anna#stack#s"
