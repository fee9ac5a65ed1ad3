"""Sidecars that were broken, or made to break: an answer or a reason, and an event that can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.sidecar import read_sidecar
from domain.errors import MediaRejected
from domain.events import MetadataExtracted, StepRun
from domain.media import Limits, RawMetadata
from domain.metadata import extract
from tests.fuzz.mutations import EXAMPLES, Edit, edits, with_edits
from tests.unit.media.test_read_sidecar import ADOBE, DARKTABLE, ELEMENTS, GOOGLE

SOUND = {"adobe": ADOBE, "darktable": DARKTABLE, "elements": ELEMENTS, "takeout": GOOGLE}


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(Limits(max_seconds=30)) as engine:
        yield engine


def zone(latitude: float, longitude: float, local: datetime) -> tuple[str, int] | None:
    return "Europe/Rome", 60


def judge(path: Path, kind: str) -> None:
    """Read it, judge a picture with it, and make the event."""
    try:
        said = read_sidecar(path, Limits(), kind=kind)
    except MediaRejected as refused:
        if not refused.reason.strip():
            pytest.fail("refused without a reason")
        return
    facts = extract(RawMetadata({}, 1, 1), file_name="a.jpg", modified_at=None, zone_of=zone, sidecars=[said])
    fields = {name: getattr(facts, name) for name in facts.__struct_fields__}
    event = MetadataExtracted(run=StepRun(step="metadata", version=1, attempt=1), width=1, height=1, **fields)
    assert msgspec.json.decode(msgspec.json.encode(event), type=MetadataExtracted) == event


@pytest.mark.parametrize("name", SOUND)
def test_a_broken_sidecar_ends_with_an_answer_or_a_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    @given(wanted=edits())
    @settings(max_examples=EXAMPLES or 200, suppress_health_check=list(HealthCheck), deadline=None)
    def broken(wanted: list[Edit]) -> None:
        path.write_bytes(with_edits(SOUND[name].encode(), wanted))
        judge(path, "takeout" if name == "takeout" else "xmp")

    broken()


@given(data=st.binary(max_size=3000))
@settings(max_examples=EXAMPLES or 100, suppress_health_check=list(HealthCheck), deadline=None)
@pytest.mark.parametrize("kind", ["xmp", "takeout"])
def test_bytes_without_any_sense(tmp_path_factory: pytest.TempPathFactory, kind: str, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "senseless"
    path.write_bytes(data)
    judge(path, kind)


@pytest.mark.parametrize("kind", ["xmp", "takeout"])
def test_the_deepest_file_of_the_largest_size_leaves_the_child_alive(
    engine: SandboxedMediaEngine, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "deep"
    path.write_bytes({"xmp": b"<a>", "takeout": b'[{"a":'}[kind] * 650_000)
    with pytest.raises(MediaRejected):
        engine.read_sidecar(path, kind)
    [child] = engine.child_pids()
    path.write_text(ADOBE)
    assert engine.read_sidecar(path, "xmp").tags
    assert engine.child_pids() == [child]
