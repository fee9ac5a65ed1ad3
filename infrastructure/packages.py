"""What goes into a Lambda package: the project's own code, and layers of what it imports."""

from __future__ import annotations

import io
import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = "3.13"

NOT_ON_LAMBDA = {"photovault/cli", "photovault/cost", "photovault/__main__.py", "photovault/aws/stacks.py"}
"""The command line stays at home, and what it alone needs (`AT_HOME`)."""
AT_HOME = {"typer", "rich"}


class Layer(Struct, frozen=True):
    """One layer: requirements of pyproject.toml that it brings, on top of layers that are always there with it."""

    name: str
    brings: frozenset[str] = frozenset()
    beneath: tuple[str, ...] = ()
    about: str = ""
    stripped: bool = False  # of symbols that nobody needs to run it; some wheels do not load any more after it
    without: frozenset[str] = frozenset()  # requirements of requirements that the code never comes to
    models: tuple[str, ...] = ()  # of adapters/ml/catalogue.py, unpacked to /opt/models


LAYERS: tuple[Layer, ...] = (
    Layer(
        "core",
        frozenset(
            {
                *("msgspec", "argon2-cffi", "cryptography", "tzdata", "boto3", "pynamodb"),
                *("aws-lambda-powertools", "aws-xray-sdk"),
                "opensearch-py",  # here, because the API has no room for one more layer
            }
        ),
        about="boto3, PynamoDB, Powertools, msgspec, argon2, zones' rules, OpenSearch's client: for every function",
    ),
    Layer("arrays", frozenset({"numpy"}), ("core",), about="NumPy"),
    Layer(
        "pictures",
        frozenset({"pillow", "pillow-heif", "pylibjxl", "rawpy"}),
        ("core", "arrays"),
        about="Pillow, libheif, libjxl, LibRaw",
    ),
    Layer("vips", frozenset({"pyvips", "pyvips-binary"}), ("core",), about="libvips"),
    Layer("video", frozenset({"av"}), ("core",), stripped=True, about="PyAV with its FFmpeg"),
    Layer("places", frozenset({"timezonefinder"}), ("core", "arrays"), about="the map of time zones"),
    Layer("inference", frozenset({"onnxruntime", "pillow"}), ("core", "arrays"), about="ONNX Runtime, Pillow"),
    Layer(
        "words",
        frozenset({"tokenizers"}),
        ("core",),
        without=frozenset({"huggingface-hub"}),
        about="words to tokens",
    ),
    Layer("clusters", frozenset({"hdbscan"}), ("core", "arrays"), about="clusters of times, places and faces"),
    Layer("nearest", frozenset({"usearch"}), ("core", "arrays"), stripped=True, about="the graph of nearest vectors"),
    Layer(
        "models-tags",
        beneath=("core", "inference"),
        models=("efficientnet-lite0", "nanodet"),
        about="models for labels, and for things with boxes",
    ),
    Layer(
        "models-moderation",
        beneath=("core", "inference"),
        models=("open-nsfw",),
        about="the model for sensitive content",
    ),
    Layer(
        "models-faces",
        beneath=("core", "inference"),
        models=("mtcnn", "dlib-face-resnet"),
        about="models that find faces and tell them apart",
    ),
    Layer(
        "models-words",
        beneath=("core", "inference", "words"),
        models=("minilm-l6-v2", "efficientnet-lite0"),
        about="the model for texts, and the labels' own",
    ),
)
"""One layer with everything would pass AWS's 250 MB; so a function gets only what its step imports. What a picture's
vector says in words is in the last layer of the classifier: so `models-words` holds that one, too."""

EXTRAS = ("media", "aws", "ml", "faces", "memories")
"""The optional dependencies of pyproject.toml that run on Lambda."""


def requirements(project: Path = ROOT / "pyproject.toml") -> dict[str, str]:
    """What runs on Lambda: name -> requirement, from pyproject.toml.

    Raises:
        ValueError: one of them is in no layer.
    """
    described = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    listed = list(described["dependencies"])
    for extra in EXTRAS:
        listed += described["optional-dependencies"][extra]
    found = {_name(requirement): requirement for requirement in listed}
    found = {name: requirement for name, requirement in found.items() if name not in AT_HOME}
    homeless = found.keys() - set().union(*(layer.brings for layer in LAYERS))
    if homeless:
        raise ValueError(f"{', '.join(sorted(homeless))}: in no layer; add it to LAYERS in infrastructure/packages.py")
    return found


def code_files(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """The project's own files as (path, name in the package)."""
    described = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    tops = sorted({package.split(".")[0] for package in described["tool"]["setuptools"]["packages"]})
    for top in tops:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and not _stays_at_home(name):
                yield path, name


def zipped(files: Iterator[tuple[Path, str]]) -> bytes:
    """A zip archive; the same files give the same bytes, so that nothing is deployed again without a change."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _stays_at_home(name: str) -> bool:
    return any(name == held or name.startswith(f"{held}/") for held in NOT_ON_LAMBDA)


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found[0].lower().replace("_", "-")
