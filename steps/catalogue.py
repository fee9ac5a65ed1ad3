"""The function behind each step of `domain/pipeline.py`; a test holds the two together."""

from __future__ import annotations

from steps import Steps
from steps.metadata import extract_metadata
from steps.place import resolve_place
from steps.renditions import make_renditions
from steps.validate import validate

STEP_FUNCTIONS: Steps = {
    "validate": validate,
    "metadata": extract_metadata,
    "place": resolve_place,
    "renditions": make_renditions,
}
