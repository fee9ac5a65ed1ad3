"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain import pipeline
from domain.events import RenditionsGenerated


@pytest.fixture
def renditions_come_last(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pipeline in which no step follows the renditions, for rules that are told best with few steps."""
    few = tuple(step for step in pipeline.PIPELINE if RenditionsGenerated not in step.follows)
    monkeypatch.setattr(pipeline, "PIPELINE", few)
    pipeline._after.cache_clear()
    yield
    monkeypatch.undo()
    pipeline._after.cache_clear()
