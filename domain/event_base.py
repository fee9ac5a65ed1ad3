"""What every event is made of: the base classes, and how a field is described. `domain.events` has the asset's events;
a group of its own (recognition, sharing, notifications) has a module beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from msgspec import Meta, Struct

__all__ = [
    "ERASED",
    "AssetId",
    "BlobKey",
    "Event",
    "Notes",
    "Outcome",
    "Pixels",
    "Reason",
    "Sha256",
    "SizeBytes",
    "StepName",
    "StepRun",
    "doc",
]


def doc(text: str, unit: str | None = None, **limits: Any) -> Meta:
    return Meta(description=text, extra_json_schema={"x-unit": unit} if unit else None, **limits)


AssetId: TypeAlias = Annotated[str, doc("Id of an asset of the same owner.", min_length=1, max_length=64)]
BlobKey: TypeAlias = Annotated[str, doc("Key of the bytes in the blob store.", min_length=1, max_length=1024)]
Sha256: TypeAlias = Annotated[str, doc("SHA-256 of the bytes, in lower-case hex.", pattern="^[0-9a-f]{64}$")]
SizeBytes: TypeAlias = Annotated[int, doc("Length in bytes.", "bytes", ge=0)]
Pixels: TypeAlias = Annotated[int, doc("Pixels, upright: as a person sees the picture.", "px", ge=1)]
StepName: TypeAlias = Annotated[str, doc("Name of a step in `domain/pipeline.py`.", min_length=1, max_length=64)]
Reason: TypeAlias = Annotated[str, doc("Why, in a sentence for a person.", min_length=1, max_length=2000)]
ERASED = "erased"
"""What a personal text says once its key is destroyed."""

Notes: TypeAlias = Annotated[
    tuple[str, ...], doc("Faults that the work survived, each a sentence for a person.", max_length=50)
]


class StepRun(Struct, frozen=True, kw_only=True, gc=False):
    """Which piece of work made this event: one attempt of one version of one step."""

    step: StepName
    version: Annotated[int, doc("Version of the step's code.", ge=1)]
    attempt: Annotated[int, doc("1 for the first try since the step became due.", ge=1)]
    duration_ms: Annotated[int, doc("Wall time of this attempt.", "ms", ge=0)] = 0
    cpu_ms: Annotated[int, doc("Processor time of this attempt, the decoder's included.", "ms", ge=0)] = 0
    peak_mb: Annotated[
        int, doc("Most memory that it can have needed, the decoder's included; 0: unknown.", "MB", ge=0)
    ] = 0


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all events. `WHEN` and `BY` feed the catalogue page.

    `PERSONAL` names the fields that are stored sealed with the stream's key (or, where `SEALED_FOR` names a field, with
    that asset's), and what each says once the key is destroyed. A field with a default says that.
    """

    VERSION: ClassVar[int] = 1
    STREAM: ClassVar[str] = "asset"
    PERSONAL: ClassVar[Mapping[str, Any]] = {}
    SEALED_FOR: ClassVar[str | None] = None
    WHEN: ClassVar[str] = ""
    BY: ClassVar[str] = ""


class Outcome(Event, frozen=True, kw_only=True):
    """Base of the events that end one attempt of a step."""

    run: Annotated[StepRun, doc("The attempt that this ends.")]
