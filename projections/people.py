"""Faces by picture, and people: two views, as a face's place is in the stream of the asset that shows it, and what
people say of a person in the person's.

Beside each asset's home row there is a row for each person that it shows (`~p#person#asset`), so that a person's
pictures are one range, and one for each "not this person" (`~r#person#asset`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from domain import person as persons
from domain.commits import Commit, split_stream
from domain.events import (
    AssetUploaded,
    ContentModerated,
    Event,
    FaceAssigned,
    FaceRejected,
    FaceRejectionUndone,
    FacesDetected,
    FacesErased,
    FaceUnassigned,
    FileQuarantined,
    FileValidated,
    ModerationRuled,
    PersonDecisionUndone,
    PersonDiscovered,
    PersonForgotten,
    PersonHidden,
    PersonNamed,
    PersonsMerged,
    PersonSplit,
    RenditionsGenerated,
)
from domain.moderation import Verdict, standing
from domain.scanning import Safety
from projections.base import Locate, OtherRow, Projection

__all__ = ["Faces", "PeopleView", "Seen", "Shown", "asset_in", "person_range", "rejected_range"]

BEHIND = "~"


class Seen(Struct, frozen=True, array_like=True):
    """One face of a picture."""

    left: float
    top: float
    width: float
    height: float
    score: float
    doubts: tuple[str, ...] = ()
    person: str | None = None
    by: str | None = None
    distance: float | None = None


class Shown(Struct, frozen=True, array_like=True):
    """All faces of one picture."""

    asset: str = ""
    file_name: str = ""
    faces: tuple[Seen, ...] = ()
    sealed: str | None = None
    key: str | None = None
    rejected: tuple[tuple[int, str], ...] = ()
    picture: str | None = None  # the JPEG that faces are cut from
    safety: Safety = "unknown"
    trashed: str | None = None
    verdict: Verdict | None = None  # of the model, under the owner's policy
    ruled: Verdict | None = None  # by a person


def person_range(person: str) -> tuple[str, str]:
    """Keys of the pictures that show a person: (from, to)."""
    return f"{BEHIND}p#{person}#", f"{BEHIND}p#{person}$"


def rejected_range(person: str) -> tuple[str, str]:
    """Keys of the pictures with a face that is said not to be the person: (from, to)."""
    return f"{BEHIND}r#{person}#", f"{BEHIND}r#{person}$"


def asset_in(key: str) -> str:
    """The asset that a row beside its home row belongs to."""
    return key.rpartition("#")[2]


def _uploaded(state: Shown, event: AssetUploaded, commit: Commit) -> Shown:
    return structs.replace(state, asset=split_stream(commit.stream)[2], file_name=event.file_name)


def _validated(state: Shown, event: FileValidated, commit: Commit) -> Shown:
    return structs.replace(state, safety=event.scan.status)


def _rendered(state: Shown, event: RenditionsGenerated, commit: Commit) -> Shown:
    jpegs = [each for each in event.renditions if each.format == "jpeg"]
    medium = next((each for each in jpegs if each.name == "medium"), None)
    best = medium or max(jpegs, key=lambda r: r.width * r.height, default=None)
    return structs.replace(state, picture=best.blob if best else None)


def _moderated(state: Shown, event: ContentModerated, commit: Commit) -> Shown:
    return structs.replace(state, verdict=event.verdict)


def _ruled(state: Shown, event: ModerationRuled, commit: Commit) -> Shown:
    return structs.replace(state, ruled=event.verdict)


def _detected(state: Shown, event: FacesDetected, commit: Commit) -> Shown:
    faces = tuple(Seen(f.box.left, f.box.top, f.box.width, f.box.height, f.score, f.doubts) for f in event.faces)
    return structs.replace(state, faces=faces, sealed=event.sealed, key=event.key, rejected=())


def _nothing(state: Shown, event: Event, commit: Commit) -> Shown:
    return structs.replace(state, faces=(), sealed=None, key=None, rejected=())


def _refused(state: Shown, event: FileQuarantined, commit: Commit) -> Shown:
    return structs.replace(_nothing(state, event, commit), safety="refused")


def _assigned(state: Shown, event: FaceAssigned, commit: Commit) -> Shown:
    return _face(state, event.face, event.person, event.by, event.distance)


def _unassigned(state: Shown, event: FaceUnassigned, commit: Commit) -> Shown:
    return _face(state, event.face, None, None, None)


def _face(state: Shown, number: int, person: str | None, by: str | None, distance: float | None) -> Shown:
    if number >= len(state.faces):
        return state
    face = structs.replace(state.faces[number], person=person, by=by, distance=distance)
    return structs.replace(state, faces=(*state.faces[:number], face, *state.faces[number + 1 :]))


def _rejected(state: Shown, event: FaceRejected, commit: Commit) -> Shown:
    return structs.replace(state, rejected=tuple(sorted({*state.rejected, (event.face, event.person)})))


def _accepted(state: Shown, event: FaceRejectionUndone, commit: Commit) -> Shown:
    return structs.replace(state, rejected=tuple(r for r in state.rejected if r != (event.face, event.person)))


class Faces(Projection[Shown]):
    """Assets by id with their faces; the index `faces` holds those that have some."""

    name = "faces"
    version = 3
    about = "which faces a picture shows, where, and whose they are"
    indexes = ("faces",)
    loses_others = True
    state = Shown
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        FileQuarantined: _refused,
        RenditionsGenerated: _rendered,
        ContentModerated: _moderated,
        ModerationRuled: _ruled,
        FacesDetected: _detected,
        FacesErased: _nothing,
        FaceAssigned: _assigned,
        FaceUnassigned: _unassigned,
        FaceRejected: _rejected,
        FaceRejectionUndone: _accepted,
    }

    def keys(self, state: Shown) -> tuple[str | None, ...]:
        """In `faces` with at least one."""
        return (state.asset if state.faces else None,)

    def others(self, state: Shown) -> Mapping[str, OtherRow]:
        """A row for each person that it shows, with the numbers of the faces; and for each that it does not."""
        rows: dict[str, list[int]] = {}
        for number, face in enumerate(state.faces):
            if face.person is not None:
                rows.setdefault(f"{person_range(face.person)[0]}{state.asset}", []).append(number)
        for number, person in state.rejected:
            rows.setdefault(f"{rejected_range(person)[0]}{state.asset}", []).append(number)
        return {key: OtherRow(numbers) for key, numbers in rows.items()}

    def safety(self, state: Shown) -> Safety | None:
        """Crops of faces are pictures of the file."""
        return state.safety

    def verdict(self, state: Shown) -> Verdict | None:
        """See `Projection.verdict`."""
        return standing(state.verdict, state.ruled)

    def withhold(self, state: Shown) -> Shown:
        """No picture to cut faces from."""
        return structs.replace(state, picture=None)

    def show(self, state: Shown, locate: Locate) -> dict[str, Any]:
        """Faces with their boxes."""
        return {
            "asset": state.asset,
            "file_name": state.file_name,
            "picture": locate(state.picture) if state.picture else None,
            "faces": [
                {
                    "face": number,
                    "box": {"left": f.left, "top": f.top, "width": f.width, "height": f.height},
                    "score": f.score,
                    "doubts": list(f.doubts),
                    "person": f.person,
                    "by": f.by,
                    "distance": f.distance,
                }
                for number, f in enumerate(state.faces)
            ],
        }


def _decided(state: persons.Person, event: Event, commit: Commit) -> persons.Person:
    """As the decider folds it."""
    return persons.evolve(state, event)


class PeopleView(Projection[persons.Person]):
    """People by id."""

    name = "people"
    version = 2
    about = "who there is: name, hidden, with whom merged, and the face that founded them"
    category = "person"
    state = persons.Person

    on = dict.fromkeys(
        (
            PersonDiscovered,
            PersonNamed,
            PersonHidden,
            PersonsMerged,
            PersonSplit,
            PersonDecisionUndone,
            PersonForgotten,
        ),
        _decided,
    )

    def start(self, stream: str) -> persons.Person:
        """Nobody yet."""
        return persons.Person(split_stream(stream)[2])

    def show(self, state: persons.Person, locate: Locate) -> dict[str, Any]:
        """What holds now."""
        return {
            "person": state.id,
            "name": state.now.name,
            "hidden": state.now.hidden,
            "merged_into": state.now.into,
            "founded_by": {"asset": state.asset, "face": state.face},
        } | ({"forgotten": True} if state.forgotten else {})
