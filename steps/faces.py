"""faces: where faces are in a picture, and how good they are; what tells them apart is sealed with the owner's key.

Faces are biometric data: nothing is looked for until the owner agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.errors import ServicePaused
from domain.events import Event, FacesDetected, Rendition, RenditionsGenerated, StepSkipped
from domain.faces import Look
from domain.people import carried
from steps import Ports

__all__ = ["find_faces", "looked_at"]

MAX_FACES = 500


def find_faces(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Look at the rendition of 1,024 pixels (of a video: of its poster)."""

    def skipped(reason: str) -> Sequence[Event]:
        return [StepSkipped(run=attempt.run(), reason=reason)]

    key = ports.people.key(asset.owner) if ports.people else None
    if ports.people is None or key is None:
        return skipped("face recognition is off: `photovault faces agree` switches it on")
    if ports.faces is None:
        return skipped(
            "no model for faces is installed: `photovault models install mtcnn dlib-face-resnet`; "
            "or PHOTOVAULT_FACES is off"
        )
    picture = looked_at(asset.renditions)
    if picture is None:
        return skipped("no picture was made of it that faces could be looked for in")
    data = ports.blobs.get(picture.blob)
    try:
        looked = ports.faces.analyze(Look(asset.owner, asset.id, key, data, picture.width, picture.height))
    except ServicePaused as paused:
        return skipped(str(paused))
    found, notes = looked.faces, list(looked.notes)
    if len(found) > MAX_FACES:
        notes.append(f"{len(found)} faces: the largest {MAX_FACES} are kept")
        largest = sorted(found, key=lambda each: -each.face.pixels)[:MAX_FACES]
        found = [each for each in found if each in largest]
    sealed = ports.people.seal(asset.owner, asset.id, key, b"".join(each.vector for each in found)) if found else None
    if (found and sealed is None) or ports.people.key(asset.owner) != key:
        return skipped("the agreement to face recognition was taken back while the picture was looked at")
    faces = tuple(each.face for each in found)
    detected = FacesDetected(
        run=attempt.run(),
        faces=faces,
        sealed=sealed,
        key=key,
        models=looked.models,
        notes=tuple(notes),
    )
    before = asset.faces.faces if asset.faces else ()
    return [detected, *carried(before, faces, asset.people, asset.rejected)]


def looked_at(made: RenditionsGenerated | None) -> Rendition | None:
    """The JPEG that faces are looked for in: `medium`, or the largest that there is."""
    jpegs = [each for each in made.renditions if each.format == "jpeg"] if made else []
    medium = [each for each in jpegs if each.name == "medium"]
    return next(iter(medium), None) or max(jpegs, key=lambda r: r.width * r.height, default=None)
