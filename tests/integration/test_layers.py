"""Each step's function has what its step imports and asks: steps run in processes that can import their own layers
alone, and find no models but those of their layers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from adapters.ml.store import ModelStore
from domain.events import FacesDetected, FacesIdentified, Outcome, StepFailed, StepGivenUp, StepSkipped
from domain.pipeline import PIPELINE
from infrastructure.packages import AT_HOME, LAYERS
from infrastructure.steps import STEPS
from photovault.config import Settings, models_folder
from photovault.cost.measuring_media import write_photo
from photovault.importer import find_files, import_files
from photovault.runtime import catch_up
from photovault.vault import Vault
from tests.support.films import write_webm

OWNER = "anna"
RECOGNISING = ("tags", "moderation", "embed", "faces", "identify")
FACES = Path(os.environ.get("PHOTOVAULT_MEDIA", "/nowhere")) / "faces"
INSTALLED = ModelStore(models_folder())
MODELS = sorted({name for layer in LAYERS for name in layer.models})
needs_models = pytest.mark.skipif(not INSTALLED.has(*MODELS), reason="`photovault models install`, PHOTOVAULT_MODELS")
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="PHOTOVAULT_MEDIA names no folder with faces")


def without(folder: Path, layers: Sequence[str]) -> str:
    """A folder to put before all others, in which every module that is in none of the layers says that it is absent."""
    brought = set().union(*(layer.brings for layer in LAYERS if layer.name in ("core", *layers)))
    absent = set().union(AT_HOME, *(layer.brings for layer in LAYERS)) - brought
    for module, distributions in packages_distributions().items():
        if absent & {name.lower().replace("_", "-") for name in distributions} and module.isidentifier():
            (folder / module).mkdir(parents=True)
            text = f"raise ModuleNotFoundError('{module} is in none of the layers {' '.join(layers)}')\n"
            (folder / module / "__init__.py").write_text(text, encoding="utf-8")
    return str(folder)


def with_models(folder: Path, layers: Sequence[str]) -> str:
    """A folder with the models of these layers, as they unpack to /opt/models."""
    names = {name for layer in LAYERS if layer.name in layers for name in layer.models}
    for model in INSTALLED.models(sorted(names)) if names else ():
        if INSTALLED.has(model.name):
            (folder / model.folder).symlink_to(INSTALLED.folder / model.folder)
    return str(folder)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Outcome]]:
    """What became of a photo with a position, of one with a face, and of a video, by step; the owner has agreed."""
    place = tmp_path_factory.mktemp("layers")
    for folder in ("originals", "absent"):
        (place / folder).mkdir()
    write_photo(place / "originals" / "a.jpg", 1)
    write_webm(place / "originals" / "b.webm")
    for photo in sorted(FACES.glob("*.jpg"))[:2]:
        shutil.copy(photo, place / "originals" / photo.name)
    models = {}
    for shape in STEPS:
        (place / "models" / shape.name).mkdir(parents=True)
        models[shape.name] = with_models(place / "models" / shape.name, shape.layers)
    found: dict[str, list[Outcome]] = {step.name: [] for step in PIPELINE}
    with Vault(Settings(place / "vault", OWNER, 1), create=True) as vault:
        vault.people.agree(OWNER, f"person:{OWNER}")
        import_files(vault, find_files([place / "originals"]))
        catch_up(vault)
        while due := [shape for shape in STEPS if vault.queue.depth(shape.name).waiting]:
            for shape in due:
                first = place / "absent" / shape.name
                paths = [without(first, shape.layers) if not first.exists() else str(first), str(Path.cwd())]
                command = [sys.executable, "-m", "tests.support.step_driver", str(place / "vault"), OWNER, shape.name]
                environment = os.environ | {
                    "PYTHONPATH": os.pathsep.join(paths),
                    "PHOTOVAULT_MODELS": models[shape.name],
                }
                ended = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=120, check=False
                )
                assert ended.returncode == 0, f"{shape.name}: {ended.stderr}"
            catch_up(vault)
        for commit in vault.commits.tail(None, 10_000).commits:
            for recorded in vault.store.events_of(commit):
                if isinstance(recorded.event, Outcome):
                    found[recorded.event.run.step.partition(":")[0]].append(recorded.event)
    return found


@pytest.mark.parametrize("step", [step.name for step in PIPELINE])
def test_a_step_needs_no_more_than_its_functions_layers(step: str, outcomes: dict[str, list[Outcome]]) -> None:
    failed = [e.message for e in outcomes[step] if isinstance(e, StepFailed | StepGivenUp)]
    assert failed == []
    assert outcomes[step], "the step was never due"


@needs_models
@pytest.mark.parametrize("step", RECOGNISING)
def test_a_function_finds_its_models_in_its_layers(step: str, outcomes: dict[str, list[Outcome]]) -> None:
    skipped = [e.reason for e in outcomes[step] if isinstance(e, StepSkipped)]
    assert not [reason for reason in skipped if "install" in reason or "agree" in reason]
    assert len(skipped) < len(outcomes[step])


@needs_models
@needs_faces
def test_faces_are_found_and_identified_with_no_more_than_the_functions_layers(
    outcomes: dict[str, list[Outcome]],
) -> None:
    found = sum(len(e.faces) for e in outcomes["faces"] if isinstance(e, FacesDetected))
    assert found > 0
    assert sum(e.known + e.founded + e.unknown for e in outcomes["identify"] if isinstance(e, FacesIdentified)) == found


def test_a_module_of_another_layer_is_out_of_reach(tmp_path: Path) -> None:
    path = without(tmp_path / "absent", ("arrays", "pictures"))
    command = [sys.executable, "-c", "import PIL, numpy; import av"]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: av is in none of the layers" in ended.stderr
