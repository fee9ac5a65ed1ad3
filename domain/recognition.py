"""What models see in a picture, as plain values: tags, boxes, and which model said so."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["Box", "ModelUse", "Recognised", "Tag", "TagKind"]

TagKind = Literal["object", "scene", "activity"]

_Share = Annotated[float, Meta(ge=0, le=1)]


class Box(Struct, frozen=True, gc=False):
    """A part of an upright picture, as shares of its width and height."""

    left: Annotated[_Share, Meta(description="Left edge.")]
    top: Annotated[_Share, Meta(description="Upper edge.")]
    width: Annotated[_Share, Meta(description="Width.")]
    height: Annotated[_Share, Meta(description="Height.")]


class Tag(Struct, frozen=True, gc=False):
    """One thing, place or doing that a picture shows."""

    name: Annotated[str, Meta(description="In English, lower case, singular: `cat`.", min_length=1, max_length=100)]
    kind: Annotated[TagKind, Meta(description="A thing, where it is, or what goes on.")]
    confidence: Annotated[_Share, Meta(description="As the model says, not calibrated.")]
    model: Annotated[str, Meta(description="Which model said so: name and version.", min_length=1, max_length=100)]
    box: Annotated[Box | None, Meta(description="Where, for objects that a model has located.")] = None


class ModelUse(Struct, frozen=True, gc=False):
    """A model that was asked."""

    name: Annotated[str, Meta(description="Name in the catalogue, or the service's.", min_length=1, max_length=100)]
    version: Annotated[str, Meta(description="Version of the model.", min_length=1, max_length=100)]
    cost_microusd: Annotated[
        int, Meta(description="What the call cost at list price.", ge=0, extra_json_schema={"x-unit": "1e-6 USD"})
    ] = 0


class Recognised(Struct, frozen=True):
    """What was seen in one picture, before it is an event."""

    tags: tuple[Tag, ...]
    models: tuple[ModelUse, ...]
    vector: bytes | None = None  # float16, little-endian; two pictures are alike when the angle between theirs is small
    notes: tuple[str, ...] = ()
