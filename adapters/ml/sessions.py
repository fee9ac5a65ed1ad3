"""ONNX Runtime, the same way for every model: one thread a run, loaded once, no optimiser that writes files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["session"]


def session(model: Path | bytes) -> Any:
    """Load a model, from its file or from memory. One thread a model: workers run side by side."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
