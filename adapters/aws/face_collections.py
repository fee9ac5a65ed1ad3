"""Face collections of Amazon Rekognition: CreateCollection, IndexFaces, SearchFaces, ListFaces, DeleteFaces.

A collection holds what tells faces apart, and gives each face an id; the service never shows what it holds. IndexFaces
and SearchFaces take one picture, or one face, a request, and each is paid from a `Budget` before it is made; the others
are free, and DeleteFaces takes thousands at once. botocore retries what is throttled, in its adaptive mode.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from adapters.aws.connection import Aws, Costs, attempts, error_code
from adapters.aws.rekognition import box_of, paid
from domain.budget import Budget
from domain.errors import MediaRejected, NotFound
from domain.faces import LEAST_FRONTALITY, LEAST_PIXELS, Face, FoundFace, Look, Looked, Point, frontality
from domain.recognition import ModelUse

__all__ = ["FACE_ID_BYTES", "NOT_TAKEN", "FaceCollections", "Match"]

FACES_NAME, SEARCH_NAME = "rekognition-faces", "rekognition-search-faces"

FACE_ID_BYTES = 16
NOT_TAKEN = bytes(FACE_ID_BYTES)
"""In place of the id of a face that the collection did not take: nothing is ever near to it."""

PRICE_MICROUSD = 1_000
"""List price of a picture that is indexed and of a face that is searched for (us-east-1, the first million a month)."""

_MOST_FACES = 100  # that the service finds in a picture
_MOST_DELETED = 4096  # a request
_PAGE = 4096
_MAX_BYTES = 5 * 1024 * 1024

_REASONS: Mapping[str, str] = {
    "EXTREME_POSE": "turned",
    "LOW_BRIGHTNESS": "dark",
    "LOW_SHARPNESS": "blurred",
    "LOW_CONFIDENCE": "unsure",
    "SMALL_BOUNDING_BOX": "small",
    "LOW_FACE_QUALITY": "blurred",
    "EXCEEDS_MAX_FACES": "small",  # the largest are taken
}
"""What the service says of a face that it did not take into the collection."""

_TURNED, _TURNED_DOWN, _TURNED_UP = 45.0, 30.0, 45.0
"""Degrees of yaw and pitch up to which AWS recommends faces for comparison."""

_SURE = 90.0
"""Confidence from which on eyes count as closed."""

_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")


class Match(Struct, frozen=True):
    """A face of the collection that is like another."""

    face_id: bytes
    asset: str
    similarity: float  # 0 to 100


class FaceCollections:
    """The service's collections, by name.

    Attributes:
        costs: requests used by this instance.
    """

    def __init__(self, aws: Aws, budget: Budget, *, price_microusd: int = PRICE_MICROUSD) -> None:
        self.costs = Costs()
        self._client = aws.rekognition
        self._budget = budget
        self._price = price_microusd

    def create(self, collection: str) -> None:
        """Make a collection; nothing when it is there. Cost: 1 request, free."""
        self._free(
            lambda: self._client.create_collection(CollectionId=collection), but="ResourceAlreadyExistsException"
        )

    def delete(self, collection: str) -> None:
        """Delete a collection with all that it holds; nothing when it is gone. Cost: 1 request, free."""
        self._free(lambda: self._client.delete_collection(CollectionId=collection), but="ResourceNotFoundException")

    def index(self, collection: str, look: Look) -> Looked | None:
        """Find the faces of a picture, and take those that are good enough into the collection; None when there is no
        such collection. The same picture of the same asset again adds nothing.

        Raises:
            MediaRejected: the service can't read the picture.
            ServicePaused: the month's cap is reached.
        Cost:
            1 paid request.
        """
        if len(look.picture) > _MAX_BYTES:
            raise MediaRejected("too_large", f"Rekognition takes pictures of up to {_MAX_BYTES >> 20} MB")
        try:
            said = paid(
                self._budget,
                self._price,
                self.costs,
                lambda: self._client.index_faces(
                    CollectionId=collection,
                    Image={"Bytes": look.picture},
                    ExternalImageId=look.asset,
                    DetectionAttributes=["ALL"],
                    MaxFaces=_MOST_FACES,
                    QualityFilter="AUTO",
                ),
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        taken = [
            FoundFace(_face(each["FaceDetail"], look, ()), uuid.UUID(each["Face"]["FaceId"]).bytes)
            for each in said.get("FaceRecords", ())
        ]
        left = [
            FoundFace(_face(each["FaceDetail"], look, each.get("Reasons", ())), NOT_TAKEN)
            for each in said.get("UnindexedFaces", ())
        ]
        version = str(said.get("FaceModelVersion") or "unknown")
        faces = sorted([*taken, *left], key=lambda each: (each.face.box.left, each.face.box.top))
        return Looked(faces, (ModelUse(FACES_NAME, version, self._price),))

    def search(
        self, collection: str, faces: Sequence[bytes], most: int, least: float
    ) -> tuple[list[list[Match]], tuple[ModelUse, ...]]:
        """For each face of the collection, by id, the others that are like it, the most alike first.

        Args:
            most: matches of each face at most.
            least: similarity from which on a face counts, 0 to 100.
        Raises:
            NotFound: there is no such collection, or no such face in it.
            ServicePaused: the month's cap is reached.
        Cost:
            1 paid request a face; none for `NOT_TAKEN`.
        """
        found: list[list[Match]] = []
        asked, version = 0, "unknown"
        for face in faces:
            if face == NOT_TAKEN:
                found.append([])
                continue
            said = self._search(collection, str(uuid.UUID(bytes=face)), most, least)
            asked, version = asked + 1, str(said.get("FaceModelVersion") or version)
            found.append(
                [
                    Match(
                        uuid.UUID(each["Face"]["FaceId"]).bytes,
                        each["Face"].get("ExternalImageId", ""),
                        float(each["Similarity"]),
                    )
                    for each in said.get("FaceMatches", ())
                ]
            )
        return found, (ModelUse(SEARCH_NAME, version, asked * self._price),) if asked else ()

    def _search(self, collection: str, face: str, most: int, least: float) -> dict[str, Any]:
        try:
            return paid(
                self._budget,
                self._price,
                self.costs,
                lambda: self._client.search_faces(
                    CollectionId=collection, FaceId=face, MaxFaces=most, FaceMatchThreshold=least
                ),
                broken=(),
            )
        except ClientError as error:
            if error_code(error) in ("ResourceNotFoundException", "InvalidParameterException"):
                raise NotFound(
                    "a face is not in its Rekognition collection: `photovault reprocess --step faces` takes it in again"
                ) from error
            raise

    def faces(self, collection: str) -> Iterator[tuple[bytes, str]]:
        """All faces of a collection, by id, and the asset of each; none when there is no such collection.

        Cost:
            1 free request for 4,096 faces.
        """
        token: dict[str, str] = {}
        while True:
            page = self._free(
                lambda: self._client.list_faces(CollectionId=collection, MaxResults=_PAGE, **token),  # noqa: B023
                but="ResourceNotFoundException",
            )
            for each in page.get("Faces", ()):
                yield uuid.UUID(each["FaceId"]).bytes, each.get("ExternalImageId", "")
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def remove(self, collection: str, faces: Sequence[bytes]) -> None:
        """Delete faces; nothing for those that are gone, or when there is no such collection.

        Cost:
            1 free request for 4,096 faces.
        """
        ids = [str(uuid.UUID(bytes=face)) for face in faces if face != NOT_TAKEN]
        for first in range(0, len(ids), _MOST_DELETED):
            some = ids[first : first + _MOST_DELETED]
            self._free(
                lambda: self._client.delete_faces(CollectionId=collection, FaceIds=some),  # noqa: B023
                but="ResourceNotFoundException",
            )

    def _free(self, call: Callable[[], dict[str, Any]], but: str) -> dict[str, Any]:
        try:
            answer = call()
        except ClientError as error:
            self.costs.add(attempts(error.response))
            if error_code(error) == but:
                return {}
            raise
        self.costs.add(attempts(answer))
        return answer


def _face(detail: Mapping[str, Any], look: Look, reasons: Sequence[str]) -> Face:
    """A face as the service describes it; doubts by its own quality filter, by geometry, and by AWS's advice on faces
    that are to be compared."""
    box = box_of(detail["BoundingBox"])
    marks = {each["Type"]: (float(each["X"]), float(each["Y"])) for each in detail.get("Landmarks", ())}
    five = [marks[name] for name in _LANDMARKS] if all(name in marks for name in _LANDMARKS) else []
    pixels = int(min(box.width * look.width, box.height * look.height))
    frontal = frontality([(x * look.width, y * look.height) for x, y in five]) if five else 0.0
    pose, eyes = detail.get("Pose", {}), detail.get("EyesOpen", {})
    yaw, pitch = abs(float(pose.get("Yaw", 0.0))), float(pose.get("Pitch", 0.0))
    found = [
        *(_REASONS.get(reason, "unsure") for reason in reasons),
        *(["small"] if pixels < LEAST_PIXELS else []),
        *(
            ["turned"]
            if frontal < LEAST_FRONTALITY or yaw > _TURNED or not -_TURNED_DOWN <= pitch <= _TURNED_UP
            else []
        ),
        *(["closed"] if eyes.get("Value") is False and float(eyes.get("Confidence", 0.0)) >= _SURE else []),
    ]
    return Face(
        box=box,
        landmarks=tuple(Point(_place(x), _place(y)) for x, y in five),
        score=round(min(1.0, max(0.0, float(detail.get("Confidence", 0.0)) / 100)), 4),
        pixels=pixels,
        sharpness=round(max(0.0, float(detail.get("Quality", {}).get("Sharpness", 0.0))), 3),
        frontality=round(frontal, 3),
        doubts=tuple(dict.fromkeys(found)),
    )


def _place(share: float) -> float:
    return round(min(2.0, max(-1.0, share)), 5)
