"""The day's look of a vault that is worked on all day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from photovault.config import Settings
from photovault.daily import remember
from photovault.vault import Vault

pytest.importorskip("hdbscan")


def test_it_looks_once_a_day(tmp_path: Path) -> None:
    with Vault(Settings(tmp_path, "anna", 1), create=True) as vault:
        assert remember(vault, date(2026, 5, 1))
        assert not remember(vault, date(2026, 5, 1))
        assert remember(vault, date(2026, 5, 2))
