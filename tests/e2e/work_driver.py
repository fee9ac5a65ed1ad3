"""What `photovault work` does, for tests that kill it: `python -m tests.e2e.work_driver HOME OWNER`."""

from __future__ import annotations

import sys
from pathlib import Path

from photovault.config import Settings
from photovault.runtime import Runtime
from photovault.vault import Vault


def main(home: str, owner: str) -> None:
    """Work until every asset has reached an end."""
    with Vault(Settings(Path(home), owner, 2)) as vault:
        Runtime(vault).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
