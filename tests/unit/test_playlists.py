"""HLS playlists: byte ranges of the parts' files, in order; blobs by key until somebody hands them out."""

from __future__ import annotations

from domain.playlists import bandwidths, blobs_in, master_playlist, media_playlist, resolve
from domain.streaming import Segment, StreamRendition
from tests.support.factories import chunk, sha

FILES = [chunk(n).files[0] for n in range(2)]


def test_a_media_playlist_names_every_segment_once_and_in_order() -> None:
    lines = media_playlist(FILES).splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert f'#EXT-X-MAP:URI="blob:{FILES[0].blob}",BYTERANGE="800@0"' in lines
    assert lines.count("#EXTINF:6.000000,") == 10
    ranges = [line for line in lines if line.startswith("#EXT-X-BYTERANGE")]
    assert ranges == [f"#EXT-X-BYTERANGE:1000@{at}" for at in range(800, 5800, 1000)] * 2
    assert [line for line in lines if line.startswith("blob:")] == [f"blob:{f.blob}" for f in FILES for _ in range(5)]


def test_no_segment_is_longer_than_the_target() -> None:
    from msgspec import structs

    odd = structs.replace(FILES[0], segments=(Segment(10, 180_001), Segment(10, 1)))
    text = media_playlist([odd])
    assert "#EXT-X-TARGETDURATION:6\n" in text  # rounded to the nearest second, as RFC 8216, 4.3.3.1 compares
    assert "#EXT-X-TARGETDURATION:1\n" in media_playlist([structs.replace(odd, segments=(Segment(10, 300),))])


def test_a_master_playlist_offers_the_renditions_with_their_sound() -> None:
    rendition = StreamRendition("720p", sha("p"), 1280, 720, 3_000_000, 2_000_000, "avc1.64001f,mp4a.40.2", 1)
    text = master_playlist([rendition], (30_000, 1001), sha("a"))
    assert f'URI="blob:{sha("a")}"' in text
    assert (
        '#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2000000,CODECS="avc1.64001f,mp4a.40.2",'
        f'RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="sound"\nblob:{sha("p")}\n'
    ) in text
    assert "AUDIO" not in master_playlist([rendition], (30, 1), None)


def test_the_peak_is_that_of_a_whole_segment_and_the_average_is_of_all() -> None:
    from msgspec import structs

    file = structs.replace(
        FILES[0], segments=(Segment(750_000, 180_000), Segment(1_500_000, 180_000), Segment(900_000, 1_000))
    )
    peak, average = bandwidths([file])
    assert peak == 2_000_000
    assert average == round(3_150_000 * 8 / (361_000 / 30_000))


def test_keys_become_places_and_nothing_else_changes() -> None:
    text = media_playlist(FILES)
    assert blobs_in(text) == (FILES[0].blob, FILES[1].blob)
    resolved = resolve(text, lambda key: f"https://example.org/{key[:4]}?a=b&c")
    assert "blob:" not in resolved
    assert resolved.count(f"https://example.org/{FILES[0].blob[:4]}?a=b&c") == 6
    assert len(resolved.splitlines()) == len(text.splitlines())
