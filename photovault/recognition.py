"""Which models or services recognise things; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec

from domain.ports import Moderator, Tagger
from photovault.config import models_folder

__all__ = ["moderator_of", "tagger_of"]


def tagger_of(environment: Mapping[str, str] = os.environ) -> Tagger | None:
    """What tags pictures: the installed models, and the user's own in `custom/` beside them; None where they can't run.

    Raises:
        InvalidInput: a manifest of the user's can't be used.
    """
    if not _can_run():
        return None
    from adapters.ml.custom import custom_models
    from adapters.ml.store import ModelStore
    from adapters.ml.vision import OnnxTagger

    folder = models_folder(environment)
    return OnnxTagger(ModelStore(folder), custom_models(folder / "custom"))


def moderator_of(environment: Mapping[str, str] = os.environ) -> Moderator | None:
    """What finds sensitive content: the installed model; None where it can't run."""
    if not _can_run():
        return None
    from adapters.ml.moderation import OnnxModerator
    from adapters.ml.store import ModelStore

    return OnnxModerator(ModelStore(models_folder(environment)))


def _can_run() -> bool:
    return all(find_spec(name) is not None for name in ("numpy", "PIL", "onnxruntime"))
