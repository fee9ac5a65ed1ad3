"""What all suites share: hypothesis without a clock, and folders of real media that only some machines have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import strategies  # noqa: F401 - loads its own profile, which the one below replaces

settings.register_profile(
    "photovault-tests",
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # in CI the same examples each time; elsewhere new ones
    database=None,
)
settings.load_profile("photovault-tests")

MEDIA = "PHOTOVAULT_MEDIA"


@pytest.fixture(scope="session")
def sample_media() -> Path:
    """A folder of real photos and videos, named by the environment."""
    named = os.environ.get(MEDIA)
    if not named:
        pytest.skip(f"no sample media: set {MEDIA} to a folder with photos and videos")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"{MEDIA} names {named}, which is no folder")
    return folder
