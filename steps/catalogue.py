"""The function behind each step of `domain/pipeline.py`; a test holds the two together."""

from __future__ import annotations

from steps import Steps
from steps.duplicates import find_duplicates
from steps.embed import embed
from steps.faces import find_faces
from steps.fingerprint import fingerprint
from steps.identify import identify
from steps.metadata import extract_metadata
from steps.moderation import moderate
from steps.place import resolve_place
from steps.renditions import make_renditions
from steps.tags import tag
from steps.transcode import encode_part, join, plan_transcode
from steps.validate import validate
from steps.video import analyze_video

STEP_FUNCTIONS: Steps = {
    "validate": validate,
    "metadata": extract_metadata,
    "place": resolve_place,
    "renditions": make_renditions,
    "video": analyze_video,
    "fingerprint": fingerprint,
    "duplicates": find_duplicates,
    "tags": tag,
    "moderation": moderate,
    "embed": embed,
    "faces": find_faces,
    "identify": identify,
    "transcode": plan_transcode,
    "encode": encode_part,
    "join": join,
}
