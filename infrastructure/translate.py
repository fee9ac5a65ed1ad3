"""SAM's transform, as AWS applies it: `python -m infrastructure.translate FOLDER...` for linters and for reading.

Each FOLDER holds a `template.json` (long form); its translation is written beside it as `translated.json`.
Needs aws-sam-translator (constraints-tools.txt).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infrastructure.emulate import packaged
from infrastructure.packages import LAYERS


class _NoManagedPolicies:
    """The template names no AWS-managed policy, so there is nothing to look up in IAM."""

    def load(self) -> dict[str, str]:
        return {}


def translated(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template in CloudFormation's own resource types.

    Raises:
        samtranslator.model.exceptions.InvalidDocumentException: SAM refuses it; the causes say what.
    """
    from samtranslator.translator.transform import transform

    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    layers = {layer.name: f"s3://packages/{layer.name}.zip" for layer in LAYERS}
    result: dict[str, Any] = transform(packaged(template, "s3://packages/code.zip", layers), {}, _NoManagedPolicies())
    return result


def main(folders: Sequence[str]) -> int:
    """Translate all; where SAM refuses, the reason is written instead, as `refused.txt`."""
    from samtranslator.model.exceptions import InvalidDocumentException

    for folder in map(Path, folders):
        template = json.loads((folder / "template.json").read_text(encoding="utf-8"))
        try:
            text = json.dumps(translated(template), indent=1)
        except InvalidDocumentException as error:
            reasons = [str(cause.message) for cause in error.causes] or [str(error)]
            (folder / "refused.txt").write_text("\n".join(reasons), encoding="utf-8")
        else:
            (folder / "translated.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
