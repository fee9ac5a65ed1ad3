"""Read models: each a pure fold of events into rows; the projector keeps them live, replay rebuilds them."""

from __future__ import annotations

from typing import Any

from projections.base import Projection
from projections.behaviour import Behaviour
from projections.files import Files
from projections.fingerprints import Fingerprints
from projections.gallery import Gallery
from projections.library import Library
from projections.memories import Memories
from projections.moments import Moments
from projections.notifications import Contacts, Notifications
from projections.people import Faces, PeopleView
from projections.performance import Performance
from projections.processing import ProcessingView
from projections.renditions import Renditions
from projections.search import Search
from projections.shares import Links, Shares
from projections.storage import Storage
from projections.tagged import Tagged

__all__ = ["PROJECTIONS", "Projection", "projection"]

PROJECTIONS: tuple[Projection[Any], ...] = (
    Gallery(),
    Renditions(),
    ProcessingView(),
    Library(),
    Files(),
    Fingerprints(),
    Search(),
    Tagged(),
    Faces(),
    PeopleView(),
    Shares(),
    Links(),
    Contacts(),
    Notifications(),
    Moments(),
    Memories(),
    Storage(),
    Performance(),
    Behaviour(),
)
"""All projections; a new one is added here."""
