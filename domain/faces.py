"""Faces in a picture as plain values, and the gate: which of them are good enough to stand for a person. Pure.

Boxes and landmarks are positions in the picture. What tells a person apart, the vector of 128 numbers, is never in an
event: it is in a sealed blob (docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from domain.recognition import Box, ModelUse

__all__ = [
    "DIMENSIONS",
    "VECTOR_BYTES",
    "Face",
    "FaceAnalyzer",
    "FoundFace",
    "Look",
    "Looked",
    "Point",
    "doubts",
    "frontality",
]

DIMENSIONS = 128
"""Numbers in a face's vector."""

VECTOR_BYTES = DIMENSIONS * 4
"""Of a vector: float32."""

LEAST_PIXELS = 48
"""Shorter side of a box, in a picture of 1,024: the embedding is made of 150 pixels, and below a third of that two
strangers begin to look alike."""

LEAST_SCORE = 0.97
"""MTCNN's confidence: no false hit among the sample photos at or above it."""

LEAST_SHARPNESS = 4.0
"""Mean absolute Laplacian of the aligned face in grey levels of 255; see docs/people.md for what was measured."""

LEAST_FRONTALITY = 0.35
"""Of `frontality`: below it one half of the face is turned away."""

_Share = Annotated[float, Meta(ge=-1, le=2)]


class Point(Struct, frozen=True, gc=False):
    """A place in an upright picture, as shares of its width and height; slightly outside where a face is cut."""

    x: Annotated[_Share, Meta(description="From the left.")]
    y: Annotated[_Share, Meta(description="From the top.")]


class Face(Struct, frozen=True, kw_only=True, gc=False):
    """One face that a model has found."""

    box: Annotated[Box, Meta(description="Where it is.")]
    landmarks: Annotated[
        tuple[Point, ...],
        Meta(description="Left eye, right eye, nose, left and right corner of the mouth, as seen.", max_length=5),
    ]
    score: Annotated[float, Meta(description="The detector's confidence.", ge=0, le=1)]
    pixels: Annotated[int, Meta(description="Shorter side of the box in the picture that was looked at.", ge=0)]
    sharpness: Annotated[
        float,
        Meta(description="Mean absolute Laplacian of the aligned face, 0 to 255; Rekognition's own, 0 to 100.", ge=0),
    ]
    frontality: Annotated[float, Meta(description="1 when it looks into the camera, 0 in profile.", ge=0, le=1)]
    doubts: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "Why it may not found a person: `small`, `blurred`, `turned`, `unsure`; by Rekognition also `dark` and "
                "`closed` (its eyes); none: it may."
            )
        ),
    ] = ()


class FoundFace(Struct, frozen=True):
    """A face together with what tells it apart: its vector, 128 numbers as little-endian float32, 512 bytes; or the id
    that a collection has given to it, 16 bytes."""

    face: Face
    vector: bytes


class Look(Struct, frozen=True):
    """A picture that faces are looked for in: a JPEG of our own making, whose it is, and what the agreement is called
    that allows it."""

    owner: str
    asset: str
    key: str
    picture: bytes
    width: int
    height: int


class Looked(Struct, frozen=True):
    """What was found in a picture."""

    faces: Sequence[FoundFace]  # from left to right
    models: tuple[ModelUse, ...]
    notes: tuple[str, ...] = ()


class FaceAnalyzer(Protocol):
    """Finds faces in our own renditions and says what tells them apart."""

    def analyze(self, look: Look) -> Looked:
        """Faces in a picture. Twice is as once.

        Cost:
            Models on this machine: about 60 ms of a processor for 1,024 pixels, and 15 ms for each face. A service: one
            request, paid from the month's budget.
        Raises:
            MediaRejected: it is no picture that could be looked at.
            ServicePaused: the month's cap is reached.
        """
        ...


def frontality(landmarks: Sequence[tuple[float, float]]) -> float:
    """How far a face looks into the camera, from five landmarks in pixels: 1 frontal, 0 in profile.

    The nose's distance to the nearer eye over that to the farther one, measured along the line between the eyes: both
    are equal in a frontal face, and one vanishes in a profile.
    """
    (lx, ly), (rx, ry), (nx, ny) = landmarks[0], landmarks[1], landmarks[2]
    dx, dy = rx - lx, ry - ly
    span = dx * dx + dy * dy
    if span <= 0:
        return 0.0
    along = ((nx - lx) * dx + (ny - ly) * dy) / span  # 0 at the left eye, 1 at the right one
    return 0.0 if not 0 < along < 1 else min(along, 1 - along) / max(along, 1 - along)


def doubts(*, score: float, pixels: int, sharpness: float, frontal: float) -> tuple[str, ...]:
    """Why a face may not found a person. It may still be found to be somebody who is known."""
    found = (
        ("unsure", score < LEAST_SCORE),
        ("small", pixels < LEAST_PIXELS),
        ("blurred", sharpness < LEAST_SHARPNESS),
        ("turned", frontal < LEAST_FRONTALITY),
    )
    return tuple(word for word, true in found if true)
