"""What several media tests share."""

from __future__ import annotations

import sys

import pytest

from adapters.media import sandbox


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that also serve the calls of `probes`, by their name."""
    code = (
        "from adapters.media import child\n"
        "from tests.unit.media import probes\n"
        "child.CALLS.update((name, f'{probes.__name__}:{name}') for name in vars(probes) if name[0] != '_')\n"
        "child.main()\n"
    )
    monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, "-P", "-c", code))
