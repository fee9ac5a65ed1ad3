"""The processing graph as data: which step runs after which event, for which kinds, and how often it is tried.

The relay asks `runs_after(event)`, the asset's decider asks for what else there is; nothing else in the house knows
the order of the steps. A new step is one entry here and one function in `steps/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from msgspec import Struct

from domain.events import (
    AssetTagged,
    AssetUploaded,
    ChunksEncoded,
    Event,
    FacesDetected,
    FileValidated,
    FingerprintComputed,
    MetadataExtracted,
    PosterExtracted,
    RenditionsGenerated,
    ReprocessRequested,
    SidecarAttached,
    TranscodePlanned,
    VideoAnalyzed,
)
from domain.media import Kind

ALL_KINDS: frozenset[Kind] = frozenset(("image", "video"))
IMAGES: frozenset[Kind] = frozenset(("image",))
VIDEOS: frozenset[Kind] = frozenset(("video",))


def _has_words(event: Event) -> bool:
    """Whether there is anything to embed. Where words went away, the step `metadata` asks for the embedding by name."""
    return not isinstance(event, MetadataExtracted) or bool(event.description or event.keywords)


class Step(Struct, frozen=True, kw_only=True):
    """One kind of work on an asset."""

    name: str
    version: int  # raise it when the same bytes would give another result
    follows: Mapping[type[Event], frozenset[Kind]]  # after which events it is due, for which kinds of asset
    wants: Callable[[Event], bool] | None = None  # of the events that it follows, those that say something for it
    parallel: bool = False  # one run for each of the event's `parts`, side by side, under "name:0000", "name:0001" ...
    max_attempts: int = 5
    first_delay_seconds: float = 2.0  # before the second attempt; each further wait is three times longer
    lease_seconds: float = 120.0  # longer than the work may take; then the message goes to another worker

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt (1, 2, 3, ...), never over an hour."""
        return float(min(self.first_delay_seconds * 3.0 ** (attempt - 1), 3600.0))

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of asset that it ever runs for."""
        return frozenset().union(*self.follows.values())


PIPELINE: tuple[Step, ...] = (
    Step(name="validate", version=2, follows={AssetUploaded: ALL_KINDS}, lease_seconds=400.0),  # a scan, and a decode
    Step(name="metadata", version=3, follows={FileValidated: ALL_KINDS, SidecarAttached: ALL_KINDS}),
    Step(name="place", version=1, follows={MetadataExtracted: ALL_KINDS}),
    Step(name="renditions", version=3, follows={FileValidated: IMAGES, PosterExtracted: VIDEOS}),
    Step(name="video", version=1, follows={FileValidated: VIDEOS}, lease_seconds=180.0),
    Step(name="fingerprint", version=1, follows={RenditionsGenerated: ALL_KINDS}, lease_seconds=600.0),
    Step(name="duplicates", version=1, follows={FingerprintComputed: ALL_KINDS}, max_attempts=9),  # waits for a replay
    Step(name="tags", version=2, follows={RenditionsGenerated: ALL_KINDS}),
    Step(name="moderation", version=2, follows={RenditionsGenerated: ALL_KINDS}),
    Step(name="embed", version=1, follows={AssetTagged: ALL_KINDS, MetadataExtracted: ALL_KINDS}, wants=_has_words),
    Step(name="faces", version=2, follows={RenditionsGenerated: ALL_KINDS}),
    Step(name="identify", version=1, follows={FacesDetected: ALL_KINDS}, max_attempts=9),  # waits for a replay
    Step(name="transcode", version=1, follows={VideoAnalyzed: VIDEOS}),
    Step(name="encode", version=1, follows={TranscodePlanned: VIDEOS}, parallel=True, lease_seconds=890.0),
    Step(name="join", version=1, follows={ChunksEncoded: VIDEOS}, lease_seconds=890.0),
)

STEPS: dict[str, Step] = {step.name: step for step in PIPELINE}


def step_named(run: str) -> Step | None:
    """The step of a run: `transcode` of `transcode`, `encode` of `encode:0003`; None when there is no such step."""
    return STEPS.get(run.partition(":")[0])


def part_of(run: str) -> int | None:
    """The number of the part that a run is for: 3 of `encode:0003`; None of a run without parts."""
    number = run.partition(":")[2]
    return int(number) if number.isdecimal() else None


def steps_after(event: Event) -> tuple[Step, ...]:
    """The steps that an event makes due. Only validation learns the kind; what follows later concerns that kind."""
    if isinstance(event, ReprocessRequested):
        step = step_named(event.step)
        return (step,) if step else ()
    following = _after(type(event), event.kind if isinstance(event, FileValidated) else None)
    return tuple(step for step in following if step.wants is None or step.wants(event))


@cache
def _after(event: type[Event], kind: Kind | None) -> tuple[Step, ...]:
    return tuple(s for s in PIPELINE if event in s.follows and (kind is None or kind in s.follows[event]))


def runs_after(event: Event) -> tuple[str, ...]:
    """Names of the runs that an event makes due: a step's name, or one name for each part of a parallel step."""
    if isinstance(event, ReprocessRequested):
        return (event.step,) if step_named(event.step) else ()
    names: list[str] = []
    for step in steps_after(event):
        names += [f"{step.name}:{n:04}" for n in range(len(event.parts))] if step.parallel else [step.name]  # type: ignore[attr-defined]
    return tuple(names)
