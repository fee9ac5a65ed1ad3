"""Rekognition's face collections in memory, behind botocore's real client.

botocore builds each request and checks its parameters, and parses each answer, as ever; only the wire is cut: what
would be sent is answered here. Every answer is first held against the service's own description (`botocore.validate`,
as botocore's stubber does), so nothing can be answered that the service could not say. It does what AWS documents: the
same picture with the same external id adds nothing; SearchFaces leaves out the face itself and comes in order of
similarity; faces below the quality bar are found and not taken. Who is in a picture a test says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import botocore.session
import numpy as np
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator

from adapters.aws.connection import Aws
from photovault.face_collection import apart
from tests.support.people import vector

__all__ = ["FACE_MODEL", "FakeRekognition"]

FACE_MODEL = "7.0"


class Refused(Exception):
    """What the service answers instead."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class FakeRekognition:
    """Collections, and the client that reaches them.

    Args:
        who: names of those in a picture, from left to right, by the picture's mark (`medium of MARK`). `name?` is a
            face below the quality bar; `name!` one that is taken, with its eyes closed.

    Attributes:
        asked: operations in the order they came.
        refuse: answers instead of the next of an operation: {operation: [(code, HTTP status)]}.
    """

    def __init__(self, who: Mapping[str, Sequence[str]], mark_of: Callable[[bytes], str] | None = None) -> None:
        self.who = dict(who)
        self.collections: dict[str, dict[str, dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, list[tuple[str, int]]] = {}
        self.page = 4096
        self._mark_of = mark_of or (lambda picture: picture.decode().partition(" of ")[2])
        self._vectors: dict[str, np.ndarray] = {}
        session = botocore.session.Session()
        session.set_credentials("key", "secret")
        session.set_config_variable("region", "eu-central-1")
        self.aws = Aws(session)
        self._service = session.get_service_model("rekognition")
        self.answer(self.aws)

    def answer(self, aws: Aws) -> None:
        """From now on answer what these clients would send."""
        aws.rekognition.meta.events.register_first("before-send.rekognition", self._answer)

    def leave(self, aws: Aws) -> None:
        """Answer them no longer."""
        aws.rekognition.meta.events.unregister("before-send.rekognition", self._answer)

    def close(self) -> None:
        """Close the client."""
        self.aws.close()

    def held(self, collection: str | None = None) -> list[tuple[str, str]]:
        """(external id, face id) of all faces of a collection, or of all."""
        some = [collection] if collection else list(self.collections)
        return [(f["ExternalImageId"], face) for name in some for face, f in self.collections[name].items()]

    # --- the wire ---

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().partition(".")[2]
        said = json.loads(request.body)
        self.asked.append(operation)
        self.requests.append((operation, said))
        try:
            if self.refuse.get(operation):
                code, status = self.refuse[operation].pop(0)
                raise Refused(code, f"{operation} was told to refuse", status)
            body = getattr(self, f"_{xform_name(operation)}")(said)
            shape = self._service.operation_model(operation).output_shape
            report = ParamValidator().validate(body, shape)
            assert not report.has_errors(), f"{operation} can't answer so: {report.generate_report()}"
            return _response(request.url, 200, body)
        except Refused as refused:
            if refused.code not in {each.name for each in self._service.operation_model(operation).error_shapes}:
                raise
            return _response(request.url, refused.status, {"__type": refused.code, "message": str(refused)})

    def _collection(self, said: dict[str, Any]) -> dict[str, dict[str, Any]]:
        name = said["CollectionId"]
        if name not in self.collections:
            raise Refused("ResourceNotFoundException", f"The collection id: {name} does not exist")
        return self.collections[name]

    # --- operations ---

    def _create_collection(self, said: dict[str, Any]) -> dict[str, Any]:
        name = said["CollectionId"]
        if name in self.collections:
            raise Refused("ResourceAlreadyExistsException", f"The collection id: {name} already exists")
        self.collections[name] = {}
        arn = f"aws:rekognition:eu-central-1:123456789012:collection/{name}"
        return {"StatusCode": 200, "CollectionArn": arn, "FaceModelVersion": FACE_MODEL}

    def _delete_collection(self, said: dict[str, Any]) -> dict[str, Any]:
        self._collection(said)
        del self.collections[said["CollectionId"]]
        return {"StatusCode": 200}

    def _index_faces(self, said: dict[str, Any]) -> dict[str, Any]:
        held = self._collection(said)
        assert said["QualityFilter"] == "AUTO"
        assert said["DetectionAttributes"] == ["ALL"]
        picture = base64.b64decode(said["Image"]["Bytes"])
        mark = self._mark_of(picture)
        digest = hashlib.sha256(picture).hexdigest()
        image_id = str(uuid.UUID(digest[:32]))
        records, left = [], []
        for number, name in enumerate(self.who.get(mark, ())):
            detail = _detail(0.1 + 0.2 * number, closed=name.endswith("!"))
            if name.endswith("?"):
                left.append({"Reasons": ["LOW_SHARPNESS"], "FaceDetail": detail})
                continue
            known = [
                each
                for each in held.values()
                if (each["ImageId"], each["ExternalImageId"], each["BoundingBox"])
                == (image_id, said["ExternalImageId"], detail["BoundingBox"])
            ]
            face = known[0] if known else self._taken(held, image_id, said["ExternalImageId"], detail)
            self._vectors[face["FaceId"]] = vector(name.rstrip("!"), f"{mark} {number}")
            records.append({"Face": face, "FaceDetail": detail})
        return {"FaceRecords": records, "UnindexedFaces": left, "FaceModelVersion": FACE_MODEL}

    def _taken(
        self, held: dict[str, dict[str, Any]], image_id: str, external: str, detail: dict[str, Any]
    ) -> dict[str, Any]:
        face = {
            "FaceId": str(uuid.uuid4()),
            "ImageId": image_id,
            "ExternalImageId": external,
            "BoundingBox": detail["BoundingBox"],
            "Confidence": detail["Confidence"],
            "IndexFacesModelVersion": FACE_MODEL,
        }
        held[face["FaceId"]] = face
        return face

    def _search_faces(self, said: dict[str, Any]) -> dict[str, Any]:
        held, face = self._collection(said), said["FaceId"]
        if face not in held:
            raise Refused("InvalidParameterException", "faceId was not found in the collection.")
        found = [
            {"Face": each, "Similarity": similarity}
            for name, each in held.items()
            if name != face and (similarity := self._similarity(face, name)) >= said["FaceMatchThreshold"]
        ]
        found.sort(key=lambda each: -each["Similarity"])
        return {"SearchedFaceId": face, "FaceMatches": found[: said["MaxFaces"]], "FaceModelVersion": FACE_MODEL}

    def _similarity(self, one: str, other: str) -> float:
        """So that `apart` gives the distance of the two vectors."""
        distance = float(np.linalg.norm(self._vectors[one] - self._vectors[other]))
        return max(0.0, 100.0 - distance / apart(99.0))

    def _list_faces(self, said: dict[str, Any]) -> dict[str, Any]:
        names = sorted(self._collection(said))
        first = int(said.get("NextToken", 0))
        most = min(said["MaxResults"], self.page)
        page = [self.collections[said["CollectionId"]][name] for name in names[first : first + most]]
        after = {"NextToken": str(first + most)} if first + most < len(names) else {}
        return {"Faces": page, "FaceModelVersion": FACE_MODEL} | after

    def _delete_faces(self, said: dict[str, Any]) -> dict[str, Any]:
        held = self._collection(said)
        gone = [face for face in said["FaceIds"] if held.pop(face, None)]
        lost = [{"FaceId": face, "Reasons": ["FACE_NOT_FOUND"]} for face in said["FaceIds"] if face not in gone]
        said_of = {"DeletedFaces": gone, "UnsuccessfulFaceDeletions": lost}
        return {name: faces for name, faces in said_of.items() if faces}


def _detail(left: float, *, closed: bool) -> dict[str, Any]:
    marks = {
        "eyeLeft": (0.03, 0.03),
        "eyeRight": (0.07, 0.03),
        "nose": (0.05, 0.05),
        "mouthLeft": (0.035, 0.075),
        "mouthRight": (0.065, 0.075),
    }
    return {
        "BoundingBox": {"Left": left, "Top": 0.2, "Width": 0.1, "Height": 0.1},
        "Landmarks": [{"Type": name, "X": left + x, "Y": 0.2 + y} for name, (x, y) in marks.items()],
        "Pose": {"Roll": 1.0, "Yaw": -5.0, "Pitch": 3.0},
        "Quality": {"Brightness": 80.0, "Sharpness": 92.2},
        "EyesOpen": {"Value": not closed, "Confidence": 98.0},
        "Confidence": 99.98,
    }


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Any:
        """The whole answer at once."""
        yield self._content


def _response(url: str, status: int, body: Mapping[str, Any]) -> AWSResponse:
    headers = {"x-amzn-requestid": "00000000-0000-0000-0000-000000000000", "content-type": "application/x-amz-json-1.1"}
    return AWSResponse(url, status, headers, _Raw(json.dumps(body).encode()))
