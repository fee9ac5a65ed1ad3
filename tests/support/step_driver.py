"""One function's work, in a process of its own: `python -m tests.support.step_driver HOME OWNER STEP`."""

from __future__ import annotations

import sys
from pathlib import Path

from photovault.config import Settings
from photovault.vault import Vault


def main(home: str, owner: str, step: str) -> None:
    """Attempt each message of the step that is due, once."""
    with Vault(Settings(Path(home), owner, 1)) as vault:
        for delivery in vault.queue.receive([step], 1_000, 600.0):
            vault.worker.handle(delivery)
            vault.queue.done([delivery])


if __name__ == "__main__":
    main(*sys.argv[1:])
