"""Which models or services recognise things; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from msgspec import Struct

from domain.budget import Budget
from domain.errors import InvalidInput, PhotoVaultError
from domain.eventstore import EventStore, utc_now
from domain.faces import FaceAnalyzer
from domain.ports import BlobStore, Checkpoints, Moderator, Tagger, ViewStore
from photovault.config import models_folder

if TYPE_CHECKING:
    from adapters.aws.connection import Aws
    from photovault.face_collection import CollectedFaces
    from photovault.face_memory import KeptFaces

__all__ = ["RecognitionOptions", "faces_of", "moderator_of", "people_of", "tagger_of"]

_CHOICES = ("models", "rekognition", "off")
_ARN = re.compile(r"arn:aws[a-z-]*:rekognition:[a-z0-9-]+:[0-9]{12}:project/[A-Za-z0-9._/-]{1,400}", re.ASCII)


class RecognitionOptions(Struct, frozen=True):
    """Who recognises things, and what it may cost."""

    tagger: str = "models"
    moderator: str = "models"
    cap_microusd: int = 5_000_000
    custom_model: str | None = None
    faces: str = "models"

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> RecognitionOptions:
        """Read `PHOTOVAULT_TAGGER`, `PHOTOVAULT_MODERATOR` and `PHOTOVAULT_FACES` (`models`, `rekognition` or `off`;
        default: models), `PHOTOVAULT_REKOGNITION_CAP_USD` (a month; default: 5) and `PHOTOVAULT_REKOGNITION_CUSTOM`
        (ARN of a version of a Custom Labels project).

        Raises:
            InvalidInput: a value can't be used; says which and why.
        """
        chosen = {}
        for name in ("PHOTOVAULT_TAGGER", "PHOTOVAULT_MODERATOR", "PHOTOVAULT_FACES"):
            chosen[name] = environment.get(name) or "models"
            if chosen[name] not in _CHOICES:
                raise InvalidInput(f"{name} is {chosen[name]!r}; it takes {', '.join(_CHOICES)}")
        cap = environment.get("PHOTOVAULT_REKOGNITION_CAP_USD") or "5"
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,2})?", cap, re.ASCII):
            raise InvalidInput(f"PHOTOVAULT_REKOGNITION_CAP_USD is {cap!r}; it takes dollars, like 5 or 2.50")
        custom = environment.get("PHOTOVAULT_REKOGNITION_CUSTOM") or None
        if custom is not None and not _ARN.fullmatch(custom):
            raise InvalidInput(f"PHOTOVAULT_REKOGNITION_CUSTOM is {custom!r}; it takes the ARN of a project's version")
        cents = round(float(cap) * 100)
        return RecognitionOptions(
            chosen["PHOTOVAULT_TAGGER"],
            chosen["PHOTOVAULT_MODERATOR"],
            cents * 10_000,
            custom,
            chosen["PHOTOVAULT_FACES"],
        )


def tagger_of(
    checkpoints: Checkpoints,
    environment: Mapping[str, str] = os.environ,
    aws: Aws | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Tagger | None:
    """What tags pictures: the installed models, and the user's own in `custom/` beside them, or Rekognition; None where
    they can't run, or by `off`.

    Raises:
        InvalidInput: a setting, or a manifest of the user's, can't be used.
    """
    options = RecognitionOptions.of(environment)
    if options.tagger == "rekognition":
        budget = _budget(options, checkpoints, clock)
        from adapters.aws.rekognition import RekognitionTagger

        return RekognitionTagger(aws or _aws(), budget, custom_model=options.custom_model)
    if options.tagger == "off":
        return None
    try:
        import onnxruntime  # noqa: F401

        from adapters.ml.custom import custom_models
        from adapters.ml.store import ModelStore
        from adapters.ml.vision import OnnxTagger
    except ImportError:
        return None

    folder = models_folder(environment)
    return OnnxTagger(ModelStore(folder), custom_models(folder / "custom"))


def moderator_of(
    checkpoints: Checkpoints,
    environment: Mapping[str, str] = os.environ,
    aws: Aws | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Moderator | None:
    """What finds sensitive content: the installed model, or Rekognition; None where it can't run, or by `off`.

    Raises:
        InvalidInput: a setting can't be used.
    """
    options = RecognitionOptions.of(environment)
    if options.moderator == "rekognition":
        budget = _budget(options, checkpoints, clock)
        from adapters.aws.rekognition import RekognitionModerator

        return RekognitionModerator(aws or _aws(), budget)
    if options.moderator == "off":
        return None
    try:
        import onnxruntime  # noqa: F401

        from adapters.ml.moderation import OnnxModerator
        from adapters.ml.store import ModelStore
    except ImportError:
        return None

    return OnnxModerator(ModelStore(models_folder(environment)))


def people_of(
    store: EventStore,
    views: ViewStore,
    checkpoints: Checkpoints,
    blobs: BlobStore,
    clock: Callable[[], datetime] = utc_now,
    environment: Mapping[str, str] = os.environ,
    aws: Aws | None = None,
    stage: str = "local",
) -> KeptFaces | CollectedFaces:
    """Who remembers faces and says which are near: a graph in this process, or a Rekognition collection an owner.

    Args:
        stage: part of the collections' names.
    Raises:
        InvalidInput: a setting can't be used.
    """
    options = RecognitionOptions.of(environment)
    if options.faces == "rekognition":
        budget = _budget(options, checkpoints, clock)
        from adapters.aws.face_collections import FaceCollections
        from photovault.face_collection import CollectedFaces

        collections = FaceCollections(aws or _aws(), budget)
        prefix = f"photovault-{stage}-"
        return CollectedFaces(store, views, checkpoints, blobs, clock, collections=collections, prefix=prefix)
    from photovault.face_memory import KeptFaces

    return KeptFaces(store, views, checkpoints, blobs, clock)


def faces_of(people: KeptFaces | CollectedFaces, environment: Mapping[str, str] = os.environ) -> FaceAnalyzer | None:
    """What finds faces and tells them apart: the installed models, or the collections that also remember them; None
    where they can't run, or by `off`."""
    options = RecognitionOptions.of(environment)
    if options.faces == "rekognition":
        from photovault.face_collection import CollectedFaces

        return people if isinstance(people, CollectedFaces) else None
    if options.faces == "off":
        return None
    try:
        import onnxruntime  # noqa: F401

        from adapters.ml.faces import OnnxFaceAnalyzer
        from adapters.ml.store import ModelStore
    except ImportError:
        return None

    store = ModelStore(models_folder(environment))
    return OnnxFaceAnalyzer(store) if store.has("mtcnn", "dlib-face-resnet") else None


def _budget(options: RecognitionOptions, checkpoints: Checkpoints, clock: Callable[[], datetime]) -> Budget:
    if find_spec("botocore") is None:
        raise PhotoVaultError("Rekognition needs botocore, which is not installed: pip install 'photovault[aws]'")
    return Budget(checkpoints, "rekognition", options.cap_microusd, clock)


def _aws() -> Aws:
    from adapters.aws.connection import Aws

    return Aws()
