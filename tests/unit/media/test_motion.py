"""Motion photos: the video is found by its structure, wherever a maker puts it, and never by a claim alone."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from adapters.media.metadata import read_metadata
from adapters.media.motion import extract_video
from adapters.media.shots import shot_tags
from domain.errors import MediaRejected
from domain.media import EmbeddedVideo, Limits
from tests.support.shots import (
    BURST_ID,
    CONTENT_ID,
    apple_note,
    google,
    heic_motion,
    micro_video,
    movie,
    photo,
    samsung,
)

MISSING = "it is a motion photo, but its video is missing or cut short"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds."""
    return movie(tmp_path_factory.mktemp("movie") / "a.mp4").read_bytes()


def found(folder: Path, data: bytes, name: str = "a.jpg") -> tuple[EmbeddedVideo | None, tuple[str, ...]]:
    """What reading the metadata of these bytes says of a video."""
    path = folder / name
    path.write_bytes(data)
    raw = read_metadata(path, Limits())
    return raw.embedded, raw.notes


class TestFinding:
    def test_google(self, tmp_path: Path, video: bytes) -> None:
        data = google(1, video)
        assert found(tmp_path, data) == (EmbeddedVideo(len(data) - len(video), len(video), "google"), ())

    def test_google_with_a_gain_map_behind_it(self, tmp_path: Path, video: bytes) -> None:
        behind = photo(2)
        data = google(1, video, behind=behind)
        place = EmbeddedVideo(len(data) - len(video) - len(behind), len(video), "google")
        assert found(tmp_path, data) == (place, ())

    def test_micro_video(self, tmp_path: Path, video: bytes) -> None:
        data = micro_video(1, video)
        assert found(tmp_path, data) == (EmbeddedVideo(len(data) - len(video), len(video), "micro_video"), ())

    def test_samsung(self, tmp_path: Path, video: bytes) -> None:
        data = samsung(1, video)
        assert found(tmp_path, data) == (EmbeddedVideo(data.index(video), len(video), "samsung"), ())

    def test_heic(self, tmp_path: Path, video: bytes) -> None:
        data = heic_motion(1, video)
        assert found(tmp_path, data, "a.heic") == (EmbeddedVideo(data.index(video), len(video), "mpvd"), ())

    def test_a_picture_that_claims_nothing_is_not_searched(self, tmp_path: Path, video: bytes) -> None:
        assert found(tmp_path, photo(1) + video) == (None, ())

    @pytest.mark.parametrize("claimed", [0, 5, 10**11, 1234])
    def test_a_wrong_place_is_not_believed_and_the_video_found_by_its_boxes(
        self, tmp_path: Path, video: bytes, claimed: int
    ) -> None:
        for data in (google(1, video, claimed=claimed), micro_video(1, video, claimed=claimed)):
            place = found(tmp_path, data)[0]
            assert place is not None
            assert data[place.offset : place.offset + place.length] == video

    @pytest.mark.parametrize("kept", [0, 4, 100, -1])
    def test_a_video_that_is_missing_or_cut_short_is_said_to_be(self, tmp_path: Path, video: bytes, kept: int) -> None:
        for data in (google(1, video[:kept]), micro_video(1, video[:kept]), heic_motion(1, video[:kept])):
            name = "a.heic" if data[4:8] == b"ftyp" else "a.jpg"
            assert found(tmp_path, data, name) == (None, (MISSING,))

    @pytest.mark.parametrize("at", range(1, 40))
    def test_a_damaged_trailer_is_survived(self, tmp_path: Path, video: bytes, at: int) -> None:
        whole = samsung(1, video)
        for byte in (0, 0xFF):
            damaged = bytearray(whole)
            damaged[-at] = byte
            place, _ = found(tmp_path, bytes(damaged))
            assert place is None or whole[place.offset : place.offset + place.length] == video

    def test_a_picture_says_that_it_is_none(self, tmp_path: Path, video: bytes) -> None:
        data = google(1, video).replace(b'MotionPhoto="1"', b'MotionPhoto="0"')
        assert found(tmp_path, data) == (None, ())


class TestExtracting:
    def test_the_copy_is_the_video_and_plays(self, tmp_path: Path, video: bytes) -> None:
        data = samsung(1, video)
        place, _ = found(tmp_path, data)
        assert place is not None
        file = extract_video(tmp_path / "a.jpg", Limits(), str(tmp_path), place.offset, place.length)
        assert Path(file.path).read_bytes() == video
        assert (file.bytes, file.width, file.height, file.duration_ms) == (len(video), 64, 48, 2000)
        with av.open(file.path) as container:
            assert sum(1 for _ in container.decode(video=0)) == 20
        assert (tmp_path / "a.jpg").read_bytes() == data

    def test_boxes_without_a_video_in_them_are_refused(self, tmp_path: Path, video: bytes) -> None:
        hollow = video.replace(b"trak", b"free")
        data = google(1, hollow)
        place, _ = found(tmp_path, data)
        assert place is not None
        with pytest.raises(MediaRejected):
            extract_video(tmp_path / "a.jpg", Limits(), str(tmp_path), place.offset, place.length)

    @pytest.mark.parametrize(("offset", "length"), [(-1, 10), (0, 0), (0, 10**9), (10**9, 10), (0, 500)])
    def test_a_place_outside_the_file_or_no_video_is_refused(self, tmp_path: Path, offset: int, length: int) -> None:
        (tmp_path / "a.jpg").write_bytes(photo(1))
        with pytest.raises(MediaRejected):
            extract_video(tmp_path / "a.jpg", Limits(), str(tmp_path), offset, length)


class TestIdentifiers:
    @pytest.mark.parametrize("kind", ["JPEG", "HEIF"])
    def test_of_apple_in_the_picture(self, tmp_path: Path, kind: str) -> None:
        if kind == "HEIF":
            import pillow_heif

            pillow_heif.register_heif_opener(thumbnails=False)
        path = tmp_path / "a"
        path.write_bytes(photo(1, content_id=CONTENT_ID, burst_id=BURST_ID, kind=kind))
        tags = read_metadata(path, Limits()).tags
        assert (tags["Apple:ContentIdentifier"], tags["Apple:BurstUUID"]) == (CONTENT_ID, BURST_ID)
        assert "EXIF:MakerNote" not in tags

    def test_of_apple_in_the_video(self, tmp_path: Path) -> None:
        path = movie(tmp_path / "a.mov", content_id=CONTENT_ID)
        tags = read_metadata(path, Limits()).tags
        assert tags["Container:com.apple.quicktime.content.identifier"] == CONTENT_ID
        assert tags["Container:duration_ms"] == 2000

    def test_of_google_in_xmp(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(photo(1, xmp=f'<rdf:Description GCamera:BurstID="{BURST_ID}" GCamera:BurstPrimary="1"/>'))
        tags = read_metadata(path, Limits()).tags
        assert (tags["XMP:GCamera:BurstID"], tags["XMP:GCamera:BurstPrimary"]) == (BURST_ID, "1")

    def test_a_note_in_either_order_and_one_that_is_cut_or_damaged_anywhere(self) -> None:
        for order in "<>":
            note = apple_note({0x11: CONTENT_ID, 0x0B: BURST_ID}, order)
            assert shot_tags(note, b"") == {"Apple:ContentIdentifier": CONTENT_ID, "Apple:BurstUUID": BURST_ID}
            for end in range(len(note)):
                assert len(shot_tags(note[:end], b"")) <= 2
                assert len(shot_tags(note[:end] + b"\xff" + note[end + 1 :], b"")) <= 2

    def test_another_makers_note_is_left_alone(self) -> None:
        assert shot_tags(b"Nikon\0\2\x10\0\0MM", b"") == {}
        assert shot_tags(7, b"") == {}
