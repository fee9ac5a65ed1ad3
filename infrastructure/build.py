"""Packages for Lambda: `python -m infrastructure.build [--check]` fills build/lambda/ and adds up what is in it.

    code/                           the project's own packages, the same for every function
    core/ arrays/ pictures/ ...       layers: what they import, pinned by constraints.txt, as Linux wheels
    models-tags/ models-faces/ ...    layers: models, from the folder that `photovault models install` fills

Models that are not there yet are installed first; `--without-models` makes these layers empty, and the steps that ask
for them say that they were skipped.

AWS unpacks a function and its layers side by side and takes 250 MB together; `--check` fails above it. Needs uv
(constraints-tools.txt), because pip judges a requirement's markers by the Python that runs it, not by Lambda's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from adapters.ml.store import ModelStore
from infrastructure import cfn
from infrastructure.packages import LAYERS, ROOT, RUNTIME, Layer, code_files, requirements
from photovault.config import models_folder

TARGET = ROOT / "build" / "lambda"
LIMIT_BYTES = 250 * 1024 * 1024
"""AWS's limit for a function and its layers, unpacked (Lambda quotas, "Deployment package size")."""
MAX_LAYERS = 5

_PLATFORM = "x86_64-manylinux_2_34"  # Amazon Linux 2023, which the runtime runs on, has glibc 2.34
KEPT_SERVICES = {
    "dynamodb",
    "dynamodbstreams",
    "kms",
    "lambda",
    "rekognition",
    "s3",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "stepfunctions",
    "sts",
}
"""Of botocore's descriptions of 400 services (22 MB), those of services that functions call, or are about to."""
_PRUNED = ("__pycache__", "tests", "bin", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.a", ".lock")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, print the table; 1 when a function is over the limit and `--check` was given."""
    parser = argparse.ArgumentParser(prog="infrastructure.build", description="Build Lambda packages and layers.")
    parser.add_argument("--check", action="store_true", help="fail when a function is over AWS's limit")
    parser.add_argument("--without-models", action="store_true", help="leave the models out of their layers")
    asked = parser.parse_args(arguments)
    build(TARGET, models=not asked.without_models)
    totals = unpacked(sizes(TARGET), function_layers(cfn.load()))
    sys.stdout.write(table(sizes(TARGET), totals))
    return int(asked.check and bool(faults(totals, function_layers(cfn.load()))))


def build(target: Path, *, models: bool = True) -> None:
    """Make everything anew.

    Args:
        models: whether the layers for models hold them.
    Raises:
        CalledProcessError: uv could not resolve or fetch something; it has said why.
        PhotoVaultError: a model can't be had.
    """
    shutil.rmtree(target, ignore_errors=True)
    for path, name in code_files():
        place = target / "code" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    wanted = requirements()
    pins: dict[str, set[str]] = {}
    for layer in LAYERS:
        if layer.models:
            _place_models(layer.models if models else (), target / layer.name / "models")
            continue
        pins[layer.name] = _pins([wanted[name] for name in sorted(layer.brings) if name in wanted], layer.without)
        own = pins[layer.name].difference(*(pins[below] for below in layer.beneath))
        _install(layer, own, target / layer.name / "python")


def sizes(target: Path) -> dict[str, int]:
    """Bytes of the code and of each layer, unpacked."""
    return {folder.name: _bytes(folder) for folder in sorted(target.iterdir()) if folder.is_dir()}


def function_layers(template: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Which layers each function of the template has, by their names in build/lambda/."""
    resources = template["Resources"]
    assert isinstance(resources, dict)
    places = {
        logical: Path(resource["Properties"]["ContentUri"]).name
        for logical, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    return {
        logical: tuple(places[layer["Ref"]] for layer in resource["Properties"].get("Layers", ()))
        for logical, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def unpacked(measured: Mapping[str, int], functions: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Bytes of each function with its layers."""
    return {
        function: measured["code"] + sum(measured[layer] for layer in layers) for function, layers in functions.items()
    }


def faults(totals: Mapping[str, int], functions: Mapping[str, Sequence[str]]) -> list[str]:
    """What AWS would refuse: too large, too many layers, or a layer without those that it builds on."""
    beneath = {layer.name: layer.beneath for layer in LAYERS}
    found = [f"{name} unpacks to {size:,} bytes" for name, size in totals.items() if size > LIMIT_BYTES]
    for function, layers in functions.items():
        if len(layers) > MAX_LAYERS:
            found.append(f"{function} has {len(layers)} layers; AWS takes {MAX_LAYERS}")
        found += [
            f"{function} has layer {layer} without {below}"
            for layer in layers
            for below in beneath[layer]
            if below not in layers
        ]
    return found


def table(measured: Mapping[str, int], totals: Mapping[str, int]) -> str:
    """Sizes in MB (2^20 bytes) as text."""
    lines = [f"{'part':<24}{'MB':>8}"]
    lines += [f"{name:<24}{size / 2**20:>8.1f}" for name, size in measured.items()]
    lines += ["", f"{'function, unpacked':<24}{'MB':>8}   of {LIMIT_BYTES >> 20}"]
    lines += [
        f"{name:<24}{size / 2**20:>8.1f}   {'OVER THE LIMIT' if size > LIMIT_BYTES else ''}".rstrip()
        for name, size in totals.items()
    ]
    return "\n".join(lines) + "\n"


def _place_models(names: Sequence[str], place: Path) -> None:
    """Models as `adapters.ml.store.ModelStore` finds them in a function; a layer can't be empty, so a line says why."""
    place.mkdir(parents=True)
    if not names:
        (place / "README").write_text("built with --without-models\n", encoding="utf-8")
        return
    store = ModelStore(models_folder())
    store.install(names, on_part=lambda part: print(f"models: fetching {part}", file=sys.stderr))  # noqa: T201
    for model in store.models(names):
        (place / model.folder).mkdir()
        for name in model.files:
            shutil.copyfile(store.path(model.name, name), place / model.folder / name)


def _pins(wanted: Sequence[str], without: Collection[str] = ()) -> set[str]:
    """Everything that these need, as `name==version`; what is left out brings nothing of its own."""
    command = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--constraints", "constraints.txt"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as left_out:
        left_out.write("".join(f"{name}\n" for name in sorted(without)))
        left_out.flush()
        compiled = _uv(*command, *_for_lambda(), "--excludes", left_out.name, "-", given="\n".join(wanted))
    return {line.split(";")[0].strip() for line in compiled.splitlines() if line and not line.startswith("#")}


def _install(layer: Layer, pins: set[str], place: Path) -> None:
    place.mkdir(parents=True)
    command = ["pip", "install", "--quiet", "--no-deps", "--target", str(place), "--link-mode", "copy"]
    _uv(*command, *_for_lambda(), *sorted(pins))
    for pattern in _PRUNED:
        for path in list(place.rglob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
    _prune_botocore(place)
    if layer.stripped:
        _strip(place)


def _prune_botocore(place: Path) -> None:
    for folder in (place / "botocore" / "data").glob("*/"):
        if folder.name not in KEPT_SERVICES:
            shutil.rmtree(folder)


def _strip(place: Path) -> None:
    """Take symbols for the linker out of libraries: a quarter of PyAV's FFmpeg. Needs `strip` of GNU binutils."""
    libraries = [str(path) for path in place.rglob("*.so*") if path.is_file() and not path.is_symlink()]
    subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)  # noqa: S603, S607 - our own arguments


def _for_lambda() -> list[str]:
    return ["--python-version", RUNTIME, "--python-platform", _PLATFORM]


def _uv(*arguments: str, given: str = "") -> str:
    command = [sys.executable, "-m", "uv", *arguments]
    trusting = os.environ | {"UV_SYSTEM_CERTS": "1"}  # the machine's certificates, as pip and git use them
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, cwd=ROOT, env=trusting, input=given, text=True, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
