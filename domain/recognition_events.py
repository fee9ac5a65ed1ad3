"""Events of recognition: what models and services saw, how that may be shown, whose faces there are, and what people
said of all of it.

Vectors are never in an event: of faces there is the key of one sealed blob, of pictures and words that of a plain one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from domain.event_base import ERASED, AssetId, BlobKey, Event, Notes, Outcome, Reason, Sha256, doc
from domain.faces import Face
from domain.moderation import LABELS, Policy, Verdict
from domain.recognition import ModelUse, Tag

__all__ = [
    "AssetEmbedded",
    "AssetTagged",
    "ContentModerated",
    "FaceAssigned",
    "FaceRecognitionAgreed",
    "FaceRecognitionWithdrawn",
    "FaceRejected",
    "FaceRejectionUndone",
    "FaceUnassigned",
    "FacesDetected",
    "FacesErased",
    "FacesIdentified",
    "ModerationPolicySet",
    "ModerationRuled",
    "PersonDecisionUndone",
    "PersonDiscovered",
    "PersonForgotten",
    "PersonHidden",
    "PersonNamed",
    "PersonSplit",
    "PersonsMerged",
]


class AssetTagged(Outcome, frozen=True, kw_only=True):
    """What models see in a picture: things, places and doings, each with the model that said so."""

    WHEN = "After the renditions, when models are installed or a service is configured."
    BY = "tags"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"tags": ()}

    tags: Annotated[tuple[Tag, ...], doc("What was seen, the surest first.", max_length=200)]
    models: Annotated[tuple[ModelUse, ...], doc("The models that were asked, also those that saw nothing.")]
    vector: Annotated[str | None, doc("Blob with the picture's vector: float16, little-endian.")] = None
    notes: Notes = ()


class AssetEmbedded(Outcome, frozen=True, kw_only=True):
    """The meaning of what is known of an asset in words (tags, caption, keywords), as one vector."""

    WHEN = "After tags, a caption or keywords, when a model for text is installed."
    BY = "embed"

    vector: Annotated[str, doc("Blob with the vector: float16, little-endian, of length 1.", min_length=1)]
    dimensions: Annotated[int, doc("How many numbers it has.", ge=1)]
    words_sha256: Annotated[Sha256, doc("Of the words and weights that it was made from: the same words, no new run.")]
    model: Annotated[ModelUse, doc("The model that was asked.")]


class ContentModerated(Outcome, frozen=True, kw_only=True):
    """How likely a picture is not safe for everybody, and what its owner's policy makes of that. Nothing is deleted."""

    WHEN = "After the renditions, when a model is installed or a service is configured."
    BY = "moderation"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"score": 0.0, "labels": ()}

    score: Annotated[
        float, doc("0: harmless; 1: surely not safe for work. The model's own, not calibrated.", ge=0, le=1)
    ]
    verdict: Annotated[Verdict, doc("`allow`, `blur` (shown blurred) or `hold` (not shown), by the policy.")]
    policy: Annotated[Policy, doc("The policy that the verdict follows.")]
    model: Annotated[ModelUse, doc("The model that was asked.")]
    labels: Annotated[tuple[str, ...], doc("What a service says it saw, in its words.", max_length=LABELS)] = ()


class ModerationRuled(Event, frozen=True, kw_only=True):
    """A person says what becomes of a picture. It binds for good, whatever a model says later."""

    WHEN = "`moderation rule` was called for the asset."
    BY = "a person"

    verdict: Annotated[Verdict | None, doc("What becomes of it; none: the model's verdict counts again.")]
    reason: Reason


class ModerationPolicySet(Event, frozen=True, kw_only=True):
    """An owner says from which scores on pictures are blurred or held. It counts for what is looked at from then on."""

    STREAM = "settings"
    WHEN = "`moderation policy` was called."
    BY = "a person"

    policy: Annotated[Policy, doc("The new policy, whole.")]


# --- faces and people ------------------------------------------------------------------------------------------------

PersonId: TypeAlias = Annotated[
    str,
    doc("Id of a person of the same owner; it follows from the face that founded it.", min_length=1, max_length=64),
]
FaceNumber: TypeAlias = Annotated[int, doc("Place of the face in the asset's newest FacesDetected, from 0.", ge=0)]
SealKey: TypeAlias = Annotated[
    str, doc("Id of the owner's key that vectors are sealed with; never the key.", min_length=1, max_length=64)
]


class FacesDetected(Outcome, frozen=True, kw_only=True):
    """Where faces are in a picture, and how good they are. What tells them apart is sealed, in a blob."""

    WHEN = "After the renditions, when the owner has agreed and models are installed; also when there are no faces."
    BY = "faces"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"faces": ()}

    faces: Annotated[tuple[Face, ...], doc("From left to right.", max_length=500)] = ()
    sealed: Annotated[
        BlobKey | None,
        doc(
            "Blob with what tells the faces apart: AES-256-GCM over 128 float32 a face, little-endian; of faces in a "
            "Rekognition collection over the FaceId, 16 bytes a face, zeros where it took none. ExternalImageId is the "
            "asset's id."
        ),
    ] = None
    key: SealKey | None = None
    models: Annotated[tuple[ModelUse, ...], doc("The models that were asked.")] = ()
    notes: Notes = ()


class FacesIdentified(Outcome, frozen=True, kw_only=True):
    """Who was recognised. Each assignment is an event of its own in the same commit."""

    WHEN = "After each FacesDetected; also when nobody was recognised."
    BY = "identify"

    known: Annotated[int, doc("Faces of persons who were known.", ge=0)] = 0
    founded: Annotated[int, doc("Faces that founded a person.", ge=0)] = 0
    unknown: Annotated[int, doc("Faces that stay without a person for now.", ge=0)] = 0
    notes: Notes = ()
    models: Annotated[tuple[ModelUse, ...], doc("The service that was asked who is near; none: this vault.")] = ()


class FaceAssigned(Event, frozen=True, kw_only=True):
    """A face is a person's. One by a person binds for ever: nothing automatic moves it."""

    WHEN = "A face is near to a person's, founds one, is found by the periodic clustering, or somebody says so."
    BY = "identify, or a person"

    face: FaceNumber
    person: PersonId
    by: Annotated[
        Literal["nearest", "founded", "cluster", "person"],
        doc("How it was decided; `person`: somebody said so."),
    ]
    distance: (
        Annotated[
            float,
            doc("Euclidean distance to the nearest face of the person; by Rekognition (100 - similarity) / 20.", ge=0),
        ]
        | None
    ) = None


class FaceUnassigned(Event, frozen=True, kw_only=True):
    """A face is nobody's any more, until it is assigned again."""

    WHEN = "In the commit of a FaceRejected, or when a decision is undone."
    BY = "a person"

    face: FaceNumber
    person: PersonId


class FaceRejected(Event, frozen=True, kw_only=True):
    """ "Not this person": binds for ever, also for whom the person is merged with."""

    WHEN = "`people reject` was called."
    BY = "a person"

    face: FaceNumber
    person: PersonId


class FaceRejectionUndone(Event, frozen=True, kw_only=True):
    """A rejection holds no longer."""

    WHEN = "`people undo` was called for the face."
    BY = "a person"

    face: FaceNumber
    person: PersonId


class FacesErased(Event, frozen=True, kw_only=True):
    """The owner took the agreement back: what was known of the asset's faces is shown no more."""

    WHEN = "`faces forget` was called; the key that the vectors were sealed with is destroyed before."
    BY = "a person"

    key: SealKey


class PersonDiscovered(Event, frozen=True, kw_only=True):
    """A face that is good enough is near to nobody's: it founds a person."""

    STREAM = "person"
    WHEN = "A new face is near to nobody who is known, or the clustering found a group of faces."
    BY = "identify, or a person"

    asset: AssetId
    face: FaceNumber


class PersonNamed(Event, frozen=True, kw_only=True):
    """A person has a name."""

    STREAM = "person"
    WHEN = "`people name` was called."
    BY = "a person"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"name": ERASED}

    name: Annotated[str, doc("As people call them.", min_length=1, max_length=200)]


class PersonHidden(Event, frozen=True, kw_only=True):
    """A person is not listed, or listed again."""

    STREAM = "person"
    WHEN = "`people hide` was called."
    BY = "a person"

    hidden: Annotated[bool, doc("True: left out of lists; false: listed again.")]


class PersonsMerged(Event, frozen=True, kw_only=True):
    """This person and another are the same: all faces of this one count as the other's, also those to come."""

    STREAM = "person"
    WHEN = "`people merge` was called, a split was undone, or the periodic look found two who are one."
    BY = "a person, or the periodic look"

    into: PersonId
    by: Annotated[
        Literal["cluster", "person"],
        doc("How it was decided; `cluster`: by nearness, between two of whom nobody has said anything."),
    ] = "person"


class PersonSplit(Event, frozen=True, kw_only=True):
    """Some faces of this person are another's: they move there, and the two are never taken for one again."""

    STREAM = "person"
    WHEN = "`people split` was called."
    BY = "a person"

    off: PersonId


class PersonDecisionUndone(Event, frozen=True, kw_only=True):
    """The newest decision about this person that still held holds no longer."""

    STREAM = "person"
    WHEN = "`people undo` was called."
    BY = "a person"


class PersonForgotten(Event, frozen=True, kw_only=True):
    """The owner took the agreement back: the person is shown no more."""

    STREAM = "person"
    WHEN = "`faces forget` was called."
    BY = "a person"


class FaceRecognitionAgreed(Event, frozen=True, kw_only=True):
    """The owner agrees that faces are found and told apart. Without this no step looks for any."""

    STREAM = "library"
    WHEN = "`faces agree` was called."
    BY = "a person"

    key: SealKey


class FaceRecognitionWithdrawn(Event, frozen=True, kw_only=True):
    """The owner took the agreement back; the key is destroyed, and with it all vectors."""

    STREAM = "library"
    WHEN = "`faces forget` was called, after the key was destroyed."
    BY = "a person"

    key: SealKey
