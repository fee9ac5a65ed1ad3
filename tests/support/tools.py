"""Finds the tools that read the template (constraints-tools.txt; sam by itself, as it pins much)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

MISSING = (
    "is not installed: `make lint-template` brings cfn-lint; sam needs a place of its own (PHOTOVAULT_TOOLS names it)"
)


def tool(name: str) -> Path | None:
    """Path of an executable, or None: in the folder that PHOTOVAULT_TOOLS names, beside this Python, on the PATH."""
    folders = [os.environ.get("PHOTOVAULT_TOOLS"), Path(sys.executable).parent]
    for folder in folders:
        if folder and (found := shutil.which(name, path=str(folder))):
            return Path(found)
    found = shutil.which(name)
    return Path(found) if found else None
