"""Configuration, from the environment and the command line. The only place that reads either."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from domain.errors import InvalidInput

DEFAULT_HOME = Path("~/.photovault")
DEFAULT_OWNER = "me"
_OWNER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")


class Settings(Struct, frozen=True):
    """Where the vault is and whose photos are meant."""

    home: Path
    owner: str
    workers: int

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ, home: Path | None = None, owner: str | None = None) -> Settings:
        """Read `PHOTOVAULT_HOME` (default `~/.photovault`), `PHOTOVAULT_OWNER` (default `me`) and
        `PHOTOVAULT_WORKERS` (default: the number of processors); arguments that are given win.

        Raises:
            InvalidInput: a value can't be used; says which and why.
        """
        owner = owner or environment.get("PHOTOVAULT_OWNER") or DEFAULT_OWNER
        if not _OWNER.match(owner):
            raise InvalidInput(f"{owner!r} can't be an owner's name: letters, digits and . _ @ + - only, at most 64")
        workers = environment.get("PHOTOVAULT_WORKERS") or str(os.cpu_count() or 1)
        if not workers.isdigit() or not 1 <= int(workers) <= 256:
            raise InvalidInput(f"PHOTOVAULT_WORKERS is {workers!r}; it takes a number from 1 to 256")
        place = home or Path(environment.get("PHOTOVAULT_HOME") or DEFAULT_HOME)
        return Settings(place.expanduser().absolute(), owner, int(workers))


def models_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where models are kept: `PHOTOVAULT_MODELS`, by default the user's cache; vaults share them."""
    named = environment.get("PHOTOVAULT_MODELS")
    cache = Path(environment.get("XDG_CACHE_HOME") or "~/.cache")
    return (Path(named) if named else cache / "photovault" / "models").expanduser().absolute()
