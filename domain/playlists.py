"""HLS playlists as pure text (RFC 8216, version 7): media are byte ranges of fMP4 files, named `blob:` and their key.

Where a blob can be fetched is known only to whoever serves it, so playlists are stored with keys and resolved when
they are handed out: `resolve(text, locate)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain

from domain.streaming import ChunkFile, StreamRendition

__all__ = ["bandwidths", "blobs_in", "master_playlist", "media_playlist", "resolve"]

_BLOB = re.compile(r"blob:([0-9a-f]{64})")
_SHORT = 0.5  # a segment under this part of the longest says little of the bandwidth


def media_playlist(files: Sequence[ChunkFile]) -> str:
    """One rendition: the segments of its files, in order. All files have the same head."""
    first = files[0]
    durations = [segment.ticks / file.timescale for file in files for segment in file.segments]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, int(max(durations) + 0.5))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="blob:{first.blob}",BYTERANGE="{first.head_bytes}@0"',
    ]
    for file in files:
        at = file.head_bytes
        for segment in file.segments:
            lines += [
                f"#EXTINF:{segment.ticks / file.timescale:.6f},",
                f"#EXT-X-BYTERANGE:{segment.bytes}@{at}",
                f"blob:{file.blob}",
            ]
            at += segment.bytes
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(
    renditions: Sequence[StreamRendition], rate: tuple[int, int], audio_playlist: str | None, channels: int = 2
) -> str:
    """The renditions that a player may choose among."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    group = ""
    if audio_playlist is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{channels}",URI="blob:{audio_playlist}"'
        )
        group = ',AUDIO="sound"'
    for each in renditions:
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={each.bandwidth},AVERAGE-BANDWIDTH={each.average_bandwidth},"
            f'CODECS="{each.codecs}",RESOLUTION={each.width}x{each.height},'
            f"FRAME-RATE={rate[0] / rate[1]:.3f}{group}",
            f"blob:{each.playlist}",
        ]
    return "\n".join([*lines, ""])


def bandwidths(files: Sequence[ChunkFile]) -> tuple[int, int]:
    """Peak and average of a rendition in bit/s."""
    segments = [(segment.bytes * 8, segment.ticks / file.timescale) for file in files for segment in file.segments]
    longest = max(seconds for _, seconds in segments)
    peak = max(bits / seconds for bits, seconds in segments if seconds and seconds >= _SHORT * longest)
    return round(peak), round(sum(bits for bits, _ in segments) / sum(seconds for _, seconds in segments))


def resolve(text: str, locate: Callable[[str], str]) -> str:
    """A playlist as a player can read it: each blob's place instead of its key."""
    return _BLOB.sub(lambda found: locate(found[1]), text)


def blobs_in(text: str) -> tuple[str, ...]:
    """Keys of the blobs that a playlist names, each once, in order."""
    return tuple(dict.fromkeys(chain(found[1] for found in _BLOB.finditer(text))))
