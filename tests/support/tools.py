"""Finds the tools that read the template (constraints-tools.txt; sam by itself, as it pins much)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

MISSING = "is not installed: `make tools` brings cfn-lint, and sam in an environment of its own"
_SAM = Path(__file__).resolve().parents[2] / ".venv-sam" / "bin"


def tool(name: str) -> Path | None:
    """Path of an executable, or None: in the folder that PHOTOVAULT_TOOLS names, beside this Python, where `make
    tools` puts sam."""
    folders = [os.environ.get("PHOTOVAULT_TOOLS"), Path(sys.executable).parent, _SAM]
    for folder in folders:
        if folder and (found := shutil.which(name, path=str(folder))):
            return Path(found)
    return None
