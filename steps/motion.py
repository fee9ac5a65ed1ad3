"""Motion photos: the video inside a picture becomes a blob of its own. Part of the metadata step: it has the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from domain.asset import Attempt
from domain.errors import MediaFailed, MediaRejected
from domain.media import EmbeddedVideo, MotionVideo
from steps import Ports


def extract_motion(
    source: Path, embedded: EmbeddedVideo | None, attempt: Attempt, ports: Ports
) -> tuple[MotionVideo | None, tuple[str, ...]]:
    """Copy the video out of the picture and keep it; one that does not play becomes a note, not a failure.

    Raises:
        MediaFailed: the decoder crashed or ran out of time for the first time; the photo is worth a second try.
    """
    if embedded is None:
        return None, ()
    with tempfile.TemporaryDirectory(dir=ports.scratch) as folder:
        try:
            file = ports.media.extract_video(source, embedded, Path(folder))
        except MediaRejected as error:
            return None, (f"the video in this motion photo does not play: {error.reason}",)
        except MediaFailed as error:
            if attempt.number == 1:
                raise
            return None, (f"the video in this motion photo does not play: {error}",)
        blob = ports.blobs.put_files([Path(file.path)])[0]
    return (
        MotionVideo(
            blob=blob,
            size_bytes=file.bytes,
            offset=embedded.offset,
            source=embedded.source,
            width=file.width,
            height=file.height,
            duration_ms=file.duration_ms,
        ),
        (),
    )
