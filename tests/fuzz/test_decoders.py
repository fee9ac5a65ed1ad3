"""Every call of the media engine on broken files of every kind: each ends with an answer or with a reason, the worker
lives, and nothing is waited for without end. Which files are broken how: `seeds`, `mutations`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.media.child import CALLS
from adapters.media.sandbox import SandboxedMediaEngine
from domain.errors import DecoderTimeout, MediaFailed, MediaRejected
from domain.media import Limits
from tests.fuzz.mutations import EXAMPLES, Edit, edits, with_edits
from tests.fuzz.seeds import SEEDS, sound

LIMITS = Limits(max_seconds=30)

OPTIONS: dict[str, dict[str, Any]] = {
    "inspect": {},
    "read_metadata": {},
    "render": {"into": "{into}", "formats": ("jpeg", "webp"), "optimise": ("jpeg",), "keep_copyright": True},
    "analyze_video": {"into": "{into}"},
    "extract_video": {"into": "{into}", "offset": 0, "length": "{size}"},
    "read_sidecar": {"kind": "xmp"},
    "strip": {"into": "{into}"},
    "pixel_hash": {},
    "perceptual_hash": {},
    "encode_video": {
        "into": "{into}",
        "format": "{format}",
        "first": 0,
        "end": 100_000,
        "rate": (30, 1),
        "gop": 60,
        "segment": 180,
        "rungs": [{"name": "240p", "width": 320, "height": 240, "max_bitrate": 400_000}],
    },
    "encode_audio": {"into": "{into}", "format": "{format}", "copy": False, "rate": (30, 1)},
    "join_mp4": {"into": "{into}", "format": "{format}", "rate": (30, 1), "pictures": (), "copy_sound": True},
}
"""What each call is given besides the file."""


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(LIMITS) as engine:
        yield engine


def test_every_call_that_meets_a_strangers_file_is_fuzzed() -> None:
    assert set(OPTIONS) == set(CALLS)


def call(engine: SandboxedMediaEngine, name: str, source: Path, into: Path) -> str:
    """One call: "answered", or the reason for which it was not."""
    container = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}.get(source.suffix, "mp4")
    told = {"{into}": str(into), "{size}": source.stat().st_size, "{format}": container}
    given = {key: told.get(value, value) if isinstance(value, str) else value for key, value in OPTIONS[name].items()}
    into.mkdir(exist_ok=True)
    try:
        engine._call(name, source, msgspec.Raw, given)
    except MediaRejected as refused:
        return refused.code if refused.reason.strip() else "refused without a reason"
    except MediaFailed as failed:
        return type(failed).__name__ if type(failed) is not MediaFailed else f"not foreseen: {failed}"
    finally:
        for file in into.iterdir():
            file.unlink()
    return "answered"


def check(outcome: str) -> None:
    """A refusal has a reason, every failure is foreseen, and no small file takes all the time that a call may have.
    All the memory it may: FFmpeg believes a header that asks for gigabytes, and the limit is what ends it."""
    assert outcome not in ("refused without a reason", DecoderTimeout.__name__)
    assert not outcome.startswith("not foreseen")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CALLS)
def test_a_broken_file_ends_with_an_answer_or_a_reason(
    engine: SandboxedMediaEngine, tmp_path: Path, name: str, seed: str
) -> None:
    source, into = tmp_path / seed, tmp_path / "out"

    @given(wanted=edits())
    @settings(max_examples=EXAMPLES or 25, suppress_health_check=list(HealthCheck))
    def broken(wanted: list[Edit]) -> None:
        source.write_bytes(with_edits(sound(seed), wanted))
        check(call(engine, name, source, into))

    broken()
    source.write_bytes(sound(seed))
    call(engine, name, source, into)  # the worker lives, whatever became of its child


@given(data=st.binary(max_size=4000))
@settings(max_examples=EXAMPLES or 60, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\x0a",
        b"IIU\0\x18\0\0\0",
        b"FUJIFILMCCD-RAW ",
        b"IIRO\x08\0\0\0",
        b"\0\0\0\x18ftypcrx ",
        b"\xff\xd8\xff\xe1",
        b"RIFF....WEBPVP8X",
        b"\0\0\0\x18ftypheic",
        b"II*\0",
    ],
)
def test_bytes_without_any_sense_are_refused(
    engine: SandboxedMediaEngine, tmp_path_factory: pytest.TempPathFactory, head: bytes, data: bytes
) -> None:
    source = tmp_path_factory.getbasetemp() / "senseless"
    source.write_bytes(head + data)
    for name in ("inspect", "read_metadata"):
        check(call(engine, name, source, source.with_suffix(".out")))
