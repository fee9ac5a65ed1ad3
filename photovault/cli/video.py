"""For the family and whoever serves it: videos made ready for the web."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photovault.analytics import note_view
from photovault.auditing import size
from photovault.cli.app import Json, open_vault
from photovault.cli.output import number, out, print_json
from photovault.finding import find_asset
from photovault.runtime import catch_up
from photovault.video_export import export_video

video = typer.Typer(help="Videos made ready for the web.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(video, name="video")


@video.command()
def export(
    context: typer.Context,
    asset: Annotated[str, typer.Argument(help="Id, the beginning of an id, or the file's path.", metavar="ASSET")],
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.", metavar="FOLDER")],
    json: Json = False,
) -> None:
    """Write a video as a folder that plays anywhere: an MP4, and an HLS stream in several renditions."""
    with open_vault(context) as vault:
        catch_up(vault)
        made = export_video(vault, find_asset(vault, asset), folder)
        note_view(vault, vault.settings.owner, made.asset, "original")
    if json:
        print_json(
            {
                "asset": made.asset,
                "video": str(made.video),
                "master": str(made.master) if made.master else None,
                "files": made.files,
                "bytes": made.size_bytes,
            }
        )
        return
    out.print(f"{number(made.files, 'file')}, {size(made.size_bytes)}, in {folder}")
    out.print(f"plays everywhere: {made.video}")
    out.print(f"streams (HLS): {made.master}" if made.master else "no stream: it is light enough to play in one piece")
