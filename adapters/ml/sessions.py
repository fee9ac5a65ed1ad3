"""ONNX Runtime, the same way for every model: one thread a run, loaded once, no optimiser that writes files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["session"]


def session(model: Path) -> Any:
    """Load a model. One thread: workers run side by side, each with a picture of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
