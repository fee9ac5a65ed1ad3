"""Finds the template's tools: they live in an environment of their own (constraints-tools.txt), as they pin much."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]

MISSING = "is not installed: run `make tools` (or set PHOTOVAULT_TOOLS to the folder of its executables)"


def tool(name: str) -> Path | None:
    """Path of an executable, or None. Looks in PHOTOVAULT_TOOLS, .venv-tools, beside this Python, on the PATH."""
    folders = [os.environ.get("PHOTOVAULT_TOOLS"), _ROOT / ".venv-tools" / "bin", Path(sys.executable).parent]
    for folder in folders:
        if folder and (found := shutil.which(name, path=str(folder))):
            return Path(found)
    found = shutil.which(name)
    return Path(found) if found else None
