"""Which models or services recognise things; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec

from domain.ports import Tagger
from photovault.config import models_folder

__all__ = ["tagger_of"]


def tagger_of(environment: Mapping[str, str] = os.environ) -> Tagger | None:
    """What tags pictures: the installed models; None where they can't run."""
    if any(find_spec(name) is None for name in ("numpy", "PIL", "onnxruntime")):
        return None
    from adapters.ml.store import ModelStore
    from adapters.ml.vision import OnnxTagger

    return OnnxTagger(ModelStore(models_folder(environment)))
