"""Each step's function has what its step imports: steps run in processes that can import their own layers alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from domain.events import Outcome, StepFailed, StepGivenUp
from domain.pipeline import PIPELINE
from infrastructure.packages import AT_HOME, LAYERS
from infrastructure.steps import STEPS
from photovault.config import Settings
from photovault.cost.measuring_media import write_photo
from photovault.importer import find_files, import_files
from photovault.runtime import catch_up
from photovault.vault import Vault
from tests.support.films import write_webm

OWNER = "anna"
UNASKED = ("embed", "identify")  # they follow what models found, and the functions have none


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


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Outcome]]:
    """What became of a photo with a position and of a video, by step."""
    place = tmp_path_factory.mktemp("layers")
    for folder in ("originals", "absent"):
        (place / folder).mkdir()
    write_photo(place / "originals" / "a.jpg", 1)
    write_webm(place / "originals" / "b.webm")
    found: dict[str, list[Outcome]] = {step.name: [] for step in PIPELINE}
    with Vault(Settings(place / "vault", OWNER, 1), create=True) as vault:
        import_files(vault, find_files([place / "originals"]))
        catch_up(vault)
        while due := [shape for shape in STEPS if vault.queue.depth(shape.name).waiting]:
            for shape in due:
                first = place / "absent" / shape.name
                paths = [without(first, shape.layers) if not first.exists() else str(first), str(Path.cwd())]
                command = [sys.executable, "-m", "tests.support.step_driver", str(place / "vault"), OWNER, shape.name]
                environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
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
    assert outcomes[step] or step in UNASKED, "the step was never due"


def test_a_module_of_another_layer_is_out_of_reach(tmp_path: Path) -> None:
    path = without(tmp_path / "absent", ("arrays", "pictures"))
    command = [sys.executable, "-c", "import PIL, numpy; import av"]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: av is in none of the layers" in ended.stderr
