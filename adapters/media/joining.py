"""Sound for the web, and the one MP4 that plays everywhere: packets are put together, pictures are never encoded here.

Runs inside the child. The MP4 has its index in front (`faststart`), so that it plays while it loads.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.error

from adapters.media.fragments import grouped, layout
from adapters.media.opening import ENGINE, Opened, open_source
from domain.errors import MediaRejected
from domain.media import Limits
from domain.streaming import LEAD_FRAMES, Encoded, EncodedFile, Joined

__all__ = ["encode_audio", "join_mp4"]

AUDIO_RATE = 48_000
AUDIO_BITRATE = 128_000
AUDIO_CODECS = "mp4a.40.2"  # AAC LC
_SEGMENT_SECONDS = 6
_FRAGMENTED = "empty_moov+default_base_moof+frag_discont+skip_trailer"


def encode_audio(
    source: Path,
    limits: Limits,
    *,
    into: str,
    format: str,  # noqa: A002 - the field's own term
    copy: bool,
    rate: Sequence[int],
    threads: int = 1,
) -> Encoded:
    """All of the sound as one AAC stream, as late as the pictures' media are (`LEAD_FRAMES` at this rate).

    Encoded: stereo at 48 kHz; gaps become silence, so that it never runs away from the pictures. The encoder's first
    packet holds nothing but what it needs to begin and is dropped: sound starts where it should in every player,
    whether it reads edit lists or not.

    Args:
        copy: keep the packets as they are; they must be AAC LC.
    Returns:
        One file; none when the track holds no sound.
    """
    path = Path(into) / "audio.mp4"
    notes: list[str] = []
    with open_source(source, format, limits) as opened:
        if opened.audio is None:
            raise MediaRejected("not_media", "the file has no audio track")
        lead = Fraction(LEAD_FRAMES) / Fraction(*rate)
        options = {
            "movflags": _FRAGMENTED,
            "frag_duration": str(_SEGMENT_SECONDS * 1_000_000),
            "use_editlist": "0",
            "avoid_negative_ts": "disabled",
        }
        with av.open(str(path), "w", format="mp4", options=options) as output:
            written = (_copied if copy else _encoded)(opened, output, lead, notes)
    if not written:
        return Encoded(files=(), engine=ENGINE, notes=(*notes, "the audio track holds no sound"))
    found = layout(path)
    with av.open(str(path)) as made:
        track: Any = made.streams.audio[0]
        timescale = track.time_base.denominator
    file = EncodedFile(
        rendition="audio",
        path=str(path),
        bytes=path.stat().st_size,
        head_bytes=found.head_bytes,
        head_sha256=found.head_sha256,
        timescale=timescale,
        segments=grouped(found.fragments, 0),
        codecs=AUDIO_CODECS,
    )
    return Encoded(files=(file,), engine=ENGINE, notes=tuple(notes))


def _copied(opened: Opened, output: Any, lead: Fraction, notes: list[str]) -> int:
    _check_codec(opened.audio)
    stream = output.add_stream_from_template(opened.audio)
    clock, written = opened.clock(opened.audio), 0
    last = None
    for packet in opened.packets(opened.audio):
        if not packet.size or packet.pts is None or packet.pts * clock.time_base < clock.origin:
            continue  # what comes before the origin is what a decoder needs to begin
        if last is not None and packet.pts <= last:
            continue
        last = packet.pts
        _mux(output, stream, packet, clock.time_base, clock.origin - lead)
        written += 1
    return written


def _encoded(opened: Opened, output: Any, lead: Fraction, notes: list[str]) -> int:
    stream: Any = output.add_stream("aac", rate=AUDIO_RATE)
    stream.bit_rate, stream.layout, stream.format = AUDIO_BITRATE, "stereo", "fltp"
    written, shift = 0, int(lead * AUDIO_RATE)

    def write(packets: Iterable[Any]) -> None:
        nonlocal written
        for packet in packets:
            if packet.pts < 0:
                continue
            packet.pts = packet.dts = packet.pts + shift
            output.mux(packet)
            written += 1

    for frame in _resampled(opened, stream.codec_context.frame_size or 1024, notes):
        write(stream.encode(frame))
    write(stream.encode(None))
    return written


def _resampled(opened: Opened, size: int, notes: list[str]) -> Iterator[Any]:
    """Stereo sound at 48 kHz from the origin on, without gaps, in frames of so many samples."""
    graph: Any = None
    clock = opened.clock(opened.audio)
    key: tuple[Any, ...] = ()
    count = 0
    for frame in _decoded(opened, notes):
        if frame.pts is None or frame.samples == 0:
            continue
        now = (frame.sample_rate, frame.format.name, frame.layout.name)
        if graph is not None and now != key:
            notes.append("the sound changes its form on the way; what follows was left out")
            break
        if graph is None:
            key, graph = now, _audio_graph(frame, size)
        frame.pts = round(clock.seconds(frame.pts) * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        graph.push(frame)
        for made in _pulled(graph):
            made.pts, made.time_base = count, Fraction(1, AUDIO_RATE)
            count += made.samples
            yield made
    if graph is not None:
        graph.push(None)
        for made in _pulled(graph):
            made.pts, made.time_base = count, Fraction(1, AUDIO_RATE)
            count += made.samples
            yield made


def _decoded(opened: Opened, notes: list[str]) -> Iterator[Any]:
    damaged = 0
    for packet in opened.packets(opened.audio):
        try:
            yield from packet.decode()
        except av.error.EOFError:
            break
        except av.error.InvalidDataError:
            damaged += 1
    if damaged:
        notes.append(f"{damaged:,} damaged packets of sound were left out")


def _audio_graph(frame: Any, size: int) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=Fraction(1, frame.sample_rate),
    )
    resample = graph.add("aresample", f"{AUDIO_RATE}:async=1:first_pts=0")
    shape = graph.add("aformat", f"sample_fmts=fltp:channel_layouts=stereo:sample_rates={AUDIO_RATE}")
    sink = graph.add("abuffersink")
    graph.link_nodes(source, resample, shape, sink)
    graph.configure(auto_buffer=False)
    graph.set_audio_frame_size(size)
    return graph


def _pulled(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


# --- the MP4 ---------------------------------------------------------------------------------------------------------

_Item: TypeAlias = tuple[Fraction, Any, Any, Fraction, Fraction]
"""Decode time in seconds, the output's track, a packet, its time base, and the origin of its times."""


def join_mp4(
    source: Path,
    limits: Limits,
    *,
    into: str,
    format: str,  # noqa: A002 - the field's own term
    rate: Sequence[int],
    pictures: Sequence[str],
    sound: str = "",
    copy_sound: bool = False,
) -> Joined:
    """One MP4 with its index in front.

    Args:
        source: the original, for what is copied from it.
        pictures: files of one rendition, in order; empty: the original's packets.
        sound: the file of the sound; "": the original's packets when `copy_sound`, else no sound.
    """
    path = Path(into) / "video.mp4"
    lead = Fraction(LEAD_FRAMES) / Fraction(*rate)
    with ExitStack() as stack:
        output: Any = stack.enter_context(av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}))
        tracks: list[Iterator[_Item]] = []
        if pictures:
            tracks.append(_stretches(output, pictures, lead))
        else:
            opened = stack.enter_context(open_source(source, format, limits))
            tracks.append(_original(output, opened, opened.video))
        if sound:
            tracks.append(_stretches(output, [sound], lead))
        elif copy_sound:
            opened = stack.enter_context(open_source(source, format, limits))
            tracks.append(_original(output, opened, opened.audio))
        primed = [_primed(track) for track in tracks]  # every track must be known before the first packet is written
        for _, stream, packet, time_base, origin in heapq.merge(*primed, key=lambda item: item[0]):
            _mux(output, stream, packet, time_base, origin)
    if not path.exists():  # it is made with the first packet
        raise MediaRejected("corrupt", "the video has no packet that can be copied")
    return Joined(path=str(path), bytes=path.stat().st_size)


def _primed(items: Iterator[_Item]) -> Iterator[_Item]:
    """Start a generator: it adds its track to the output before it gives its first packet."""
    first = next(items, None)

    def chained() -> Iterator[_Item]:
        if first is not None:
            yield first
            yield from items

    return chained()


def _stretches(output: Any, paths: Sequence[str], lead: Fraction) -> Iterator[_Item]:
    """Packets of files of our own, one behind the other, without the lead that streams have.

    Decoding times keep the lead's distance to the pictures; the muxer writes an edit list for that.
    """
    stream: Any = None
    for path in paths:
        with av.open(path) as container:
            track: Any = container.streams[0]
            if stream is None:
                stream = output.add_stream_from_template(track)
            packet: Any
            for packet in container.demux(track):
                if packet.size:
                    yield packet.dts * track.time_base - lead, stream, packet, track.time_base, lead


def _original(output: Any, opened: Opened, track: Any) -> Iterator[_Item]:
    """A track's packets as the original has them, on the clock that both tracks share."""
    _check_codec(track)
    stream = output.add_stream_from_template(track)
    clock = opened.clock(track)
    last: int | None = None
    for packet in opened.packets(track):
        if not packet.size:
            continue
        if packet.pts is None:
            raise MediaRejected("corrupt", "a picture has no time: the container can't be copied")
        if packet.dts is None:
            packet.dts = packet.pts
        if last is not None and packet.dts <= last:
            packet.dts = last + 1  # two packets for one moment: players want them to go up
            if packet.pts < packet.dts:
                packet.pts = packet.dts
        last = packet.dts
        yield clock.seconds(packet.dts), stream, packet, clock.time_base, clock.origin


def _check_codec(track: Any) -> None:
    """A plan copies nothing else; a file that has changed its mind since the analysis is not trusted."""
    if track is None or track.codec_context.name not in ("h264", "aac"):
        raise MediaRejected("unsupported", "the track is not H.264 or AAC: it can't be copied into the MP4")


def _mux(output: Any, stream: Any, packet: Any, time_base: Fraction, origin: Fraction) -> None:
    shift = round(origin / time_base)
    packet.pts -= shift
    packet.dts = packet.pts if packet.dts is None else packet.dts - shift
    packet.stream = stream
    output.mux(packet)
