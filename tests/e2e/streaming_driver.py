"""What `photovault work` does, with videos cut into parts of a second, for tests that kill it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import steps.transcode
from domain.transcoding import StreamingLimits, plan
from photovault.config import Settings
from photovault.runtime import Runtime
from photovault.vault import Vault

SMALL_PARTS = StreamingLimits(segment_seconds=1, gop_seconds=1, part_megapixels=0.1)


def main(home: str, owner: str) -> None:
    """Work until every asset has reached an end."""
    steps.transcode.plan = partial(plan, limits=SMALL_PARTS)  # type: ignore[attr-defined]
    with Vault(Settings(Path(home), owner, 2)) as vault:
        Runtime(vault).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
