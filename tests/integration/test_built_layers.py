"""The layers as `make build` has made them: what recognises runs on them, on the runtime's Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from infrastructure import build, cfn
from infrastructure.packages import LAYERS, RUNTIME

BUILT = build.TARGET
LAYERS_OF = build.function_layers(cfn.load())

RUN = {
    "Tags": "tagger_of(None).tag([picture])[0].vector is not None",
    "Moderation": "0 <= moderator_of(None).moderate(picture).score <= 1",
    "Embed": "len(embedder_of().embed(['a dog on the beach'])[0]) == 384 and len(likely_labels_of()(bytes(2560))) > 0",
    "Faces": "faces_of(None).find(picture.read_bytes()) == [] and sealed(b'a face')",
    "Identify": "graph.near(np.zeros(128, 'f4'), 3)[0][:2] == ('an asset', 0) and sealed(graph.to_bytes())",
}
"""What each function's own part does, as a condition that holds."""

HEAD = """
import json, sys
from pathlib import Path
import handlers.steps, steps.catalogue, steps.worker
from photovault.recognition import faces_of, moderator_of, tagger_of
from photovault.meaning import embedder_of, likely_labels_of
from adapters.ml.sealing import seal, unseal
picture = Path(sys.argv[1])
def sealed(data):
    return unseal(bytes(32), seal(bytes(32), data, "here"), "here") == data
"""
GRAPH = """
import numpy as np
from adapters.ml.nearest import FaceGraph
graph = FaceGraph()
graph.put("an asset", np.ones((1, 128), "f4"))
"""


@cache
def runtime() -> str | None:
    """A Python of the runtime's version on this machine."""
    name = f"python{RUNTIME}"
    managed = sorted(Path.home().glob(f".pyenv/versions/{RUNTIME}*/bin/{name}"))
    for place in (sys.executable, shutil.which(name), *map(str, managed)):
        command = [place or name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if place and subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == RUNTIME:
            return place
    return None


def whole() -> bool:
    """Whether everything was built, with models."""
    models = [layer for layer in LAYERS if layer.models]
    return all((BUILT / layer.name).is_dir() for layer in LAYERS) and not any(
        (BUILT / layer.name / "models" / "README").exists() for layer in models
    )


@pytest.mark.skipif(not whole(), reason="`make build` makes the layers")
@pytest.mark.parametrize("function", RUN)
def test_a_function_recognises_with_its_built_layers_and_nothing_else(function: str, tmp_path: Path) -> None:
    python = runtime()
    if python is None:
        pytest.skip(f"no Python {RUNTIME} here, which the layers are built for")
    Image.effect_noise((320, 240), 60).convert("RGB").save(tmp_path / "noise.jpg")
    layers = LAYERS_OF[f"{function}Function"]
    places = [BUILT / "code", *(BUILT / layer / "python" for layer in layers)]
    models = tmp_path / "models"  # as layers with models are unpacked into one folder
    models.mkdir()
    for layer in layers:
        for folder in (BUILT / layer / "models").glob("*"):
            (models / folder.name).symlink_to(folder)
    code = f"{HEAD}{GRAPH if 'graph' in RUN[function] else ''}\nprint(json.dumps(bool({RUN[function]})))"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PHOTOVAULT_MODELS": str(models),
        "STEP": function.lower(),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    ended = subprocess.run(
        [python, "-S", "-c", code, str(tmp_path / "noise.jpg")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) is True
