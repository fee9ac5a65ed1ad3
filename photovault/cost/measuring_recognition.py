"""What recognises things while the pipeline is measured: the installed models, on stores behind meters."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from adapters.ml.faces import CHIP, OnnxFaceAnalyzer
from adapters.ml.store import ModelStore
from domain.eventstore import EventStore
from domain.faces import Face, FoundFace, Look, Looked
from domain.ports import BlobStore, Checkpoints, ViewStore
from domain.recognition import Box
from photovault.config import models_folder
from photovault.face_memory import KeptFaces
from photovault.vault import Vault
from steps import Recognition

__all__ = ["RECOGNISERS", "OneFace", "recognition"]

_MODELS = """
import io, pathlib, tempfile
from PIL import Image
from adapters.ml.store import ModelStore
from photovault.config import models_folder
store, jpeg = ModelStore(models_folder()), io.BytesIO()
Image.new("RGB", (1024, 768)).save(jpeg, "JPEG")
folder = tempfile.TemporaryDirectory()
picture = pathlib.Path(folder.name, "a.jpg")
picture.write_bytes(jpeg.getvalue())
"""
RECOGNISERS = {
    "tags": f"{_MODELS}from adapters.ml.vision import OnnxTagger; OnnxTagger(store).tag([picture])",
    "moderation": f"{_MODELS}from adapters.ml.moderation import OnnxModerator; OnnxModerator(store).moderate(picture)",
    "embed": f"{_MODELS}from photovault.meaning import embedder_of, likely_labels_of; embedder_of().embed(['a']); "
    "likely_labels_of()(bytes(2560))",
    "faces": f"{_MODELS}from adapters.ml.faces import OnnxFaceAnalyzer; found = OnnxFaceAnalyzer(store); "
    "found.find(jpeg.getvalue()); found._embedder",
    "identify": "import photovault.face_memory, usearch.index, cryptography.hazmat.primitives.ciphers.aead",
}
"""What the first picture of a container makes each function do: load its models, and look at one picture."""


class OneFace:
    """`FaceAnalyzer` that looks as the real one; of a photo that shows nobody the middle counts as a face."""

    def __init__(self, store: ModelStore) -> None:
        self._real = OnnxFaceAnalyzer(store)

    def analyze(self, look: Look) -> Looked:
        """Those that there are, or the middle."""
        return Looked(self._find(look.picture), self._real.models)

    def _find(self, picture: bytes) -> Sequence[FoundFace]:
        found = self._real.find(picture)
        if found:
            return found
        with Image.open(io.BytesIO(picture)) as image:
            chip = np.asarray(image.convert("RGB").resize((CHIP, CHIP)), np.uint8)
        [vector] = self._real.embed([chip])
        box = Box(0.4, 0.4, 0.2, 0.2)
        face = Face(box=box, landmarks=(), score=1.0, pixels=CHIP, sharpness=10.0, frontality=1.0)
        return [FoundFace(face, vector.astype("<f4").tobytes())]


def recognition(
    vault: Vault, store: EventStore, views: ViewStore, checkpoints: Checkpoints, blobs: BlobStore, owner: str
) -> Recognition:
    """All of it; the owner agrees to face recognition."""
    people = KeptFaces(store, views, checkpoints, blobs)
    people.agree(owner, f"person:{owner}")
    return Recognition(
        tagger=vault.tagger,
        moderator=vault.moderator,
        texts=vault.texts,
        likely_labels=vault.likely_labels,
        faces=OneFace(ModelStore(models_folder())),
        people=people,
    )
