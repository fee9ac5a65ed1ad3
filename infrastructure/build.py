"""Packages for Lambda: `python -m infrastructure.build [--check]` fills build/lambda/ and adds up what is in it.

    code/                           the project's own packages, the same for every function
    core/ arrays/ pictures/ ...       layers: what they import, pinned by constraints.txt, as Linux wheels

AWS unpacks a function and its layers side by side and takes 250 MB together; `--check` fails above it. Needs uv
(constraints-tools.txt), because pip judges a requirement's markers by the Python that runs it, not by Lambda's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure import cfn
from infrastructure.packages import LAYERS, ROOT, RUNTIME, Layer, code_files, requirements

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
_PRUNED = ("__pycache__", "tests", "bin", "*.pyi", "*.pyx", "*.pxd", "*.a", ".lock")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, print the table; 1 when a function is over the limit and `--check` was given."""
    parser = argparse.ArgumentParser(prog="infrastructure.build", description="Build Lambda packages and layers.")
    parser.add_argument("--check", action="store_true", help="fail when a function is over AWS's limit")
    asked = parser.parse_args(arguments)
    build(TARGET)
    totals = unpacked(sizes(TARGET), function_layers(cfn.load()))
    sys.stdout.write(table(sizes(TARGET), totals))
    return int(asked.check and bool(faults(totals, function_layers(cfn.load()))))


def build(target: Path) -> None:
    """Make everything anew.

    Raises:
        CalledProcessError: uv could not resolve or fetch something; it has said why.
    """
    shutil.rmtree(target, ignore_errors=True)
    for path, name in code_files():
        place = target / "code" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    wanted = requirements()
    pins: dict[str, set[str]] = {}
    for layer in LAYERS:
        pins[layer.name] = _pins([wanted[name] for name in sorted(layer.brings) if name in wanted])
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


def _pins(wanted: Sequence[str]) -> set[str]:
    """Everything that these need, as `name==version`."""
    command = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--constraints", "constraints.txt"]
    compiled = _uv(*command, *_for_lambda(), "-", given="\n".join(wanted))
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
