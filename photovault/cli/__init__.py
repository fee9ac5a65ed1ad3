"""The command line: one module for each kind of user. `main` turns every foreseen error into a sentence."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy loads: no threads that nobody uses

from domain.errors import InvalidInput, PhotoVaultError
from photovault.cli import (
    analytics,
    browse,
    care,
    cloud,
    cost,
    history,
    keep,
    likeness,
    memories,
    models,
    moderation,
    notify,
    people,
    process,
    search,
    share,
    upkeep,
    video,
)
from photovault.cli.app import app
from photovault.cli.output import error_line

__all__ = ["app", "main"]

DEBUG = "PHOTOVAULT_DEBUG"

browse.register(app)
likeness.register(app)
keep.register(app)
care.register(app)
process.register(app)
upkeep.register(app)
history.register(app)
cost.register(app)
cloud.register(app)
video.register(app)
models.register(app)
moderation.register(app)
search.register(app)
people.register(app)
memories.register(app)
share.register(app)
notify.register(app)
analytics.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; wrong options end the process with 2 by themselves.

    Returns:
        1 for a failure, 2 for a wrong call. Success, and a check that found something (1), end the process too.
    """
    try:
        app(args=list(arguments) if arguments is not None else None)
    except InvalidInput as wrong:
        error_line(str(wrong))
        return 2
    except PhotoVaultError as failed:
        error_line(str(failed))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has left
    except OSError as failed:
        place = failed.filename or "the vault"
        error_line(f"{place} can't be read or written: {failed.strerror or failed}")
    except sqlite3.Error as failed:
        error_line(f"the vault can't be read or written: {failed}; check the disk and its free space")
    except Exception as fault:
        if DEBUG in os.environ:
            raise
        error_line(f"this is a fault of PhotoVault: {type(fault).__name__}: {fault}; {DEBUG}=1 shows where it happened")
    return 1
