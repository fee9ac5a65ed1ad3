"""Shares, twice: an owner's links, the newest first; and the way from a link to its owner, in a partition of its own
for each link, so that a visitor's request is one row and nobody can list what others share.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from domain import share as shares
from domain.commits import Commit, split_stream
from domain.share import Share
from domain.share_events import SHARE_EVENTS
from projections.base import Locate, Projection, Totals

__all__ = ["LINK", "Link", "Links", "Shares", "shown_share"]

LINK = "share"
"""Key of the one row in a link's partition."""


def _moved(state: Share, event: Any, commit: Commit) -> Share:
    return shares.evolve(state, event, commit.recorded_at, commit.number)


class Shares(Projection[Share]):
    """An owner's links."""

    name = "shares"
    version = 2
    about = "an owner's links: what they open, until when, and how often they were used"
    category = "share"
    indexes = ("created",)
    has_totals = True
    state = Share
    on = dict.fromkeys(SHARE_EVENTS, _moved)

    def start(self, stream: str) -> Share:
        """Nothing is shared yet."""
        return Share(split_stream(stream)[2])

    def keys(self, state: Share) -> tuple[str | None, ...]:
        """By the time it was made."""
        return (state.created_at.isoformat() if state.created_at else None,)

    def totals(self, state: Share) -> Totals:
        """Links, and how often they were used."""
        if state.created is None:
            return {}
        used = {"links": 1, "views": state.views, "downloads": state.downloads, "denied": state.denied}
        return {"shares": {name: count for name, count in used.items() if count}}

    def show(self, state: Share, locate: Locate) -> dict[str, Any]:
        """What the owner sees. Neither the password's hash nor the token's."""
        return shown_share(state)


def shown_share(state: Share) -> dict[str, Any]:
    """A share as its owner sees it."""
    created = state.created
    return {
        "share": state.id,
        "kind": created.kind if created else None,
        "title": created.title if created else "",
        "assets": list(created.assets) if created else [],
        "subject": created.subject if created else None,
        "created_at": state.created_at,
        "expires_at": created.expires_at if created else None,
        "revoked_at": state.revoked_at,
        "password": created is not None and created.password is not None,
        "download": created is not None and created.download,
        "max_views": created.max_views if created else None,
        "views": state.views,
        "downloads": state.downloads,
        "denied": state.denied,
        "opened_at": state.opened_at,
        "locked_until": state.locked_until,
        "to": list(created.to) if created else [],
    }


class Link(Struct, frozen=True, array_like=True):
    """Whose link it is."""

    owner: str = ""
    share: str = ""


class Links(Projection[Link]):
    """Links by their id, which follows from the token alone."""

    name = "links"
    version = 1
    about = "whose a link is, by the hash of its token"
    category = "share"
    state = Link
    on = {}

    def start(self, stream: str) -> Link:
        """All that there is to know is in the stream's name."""
        owner, _, share = split_stream(stream)
        return Link(owner, share)

    def home(self, stream: str) -> tuple[str, str]:
        """A partition for each link."""
        return split_stream(stream)[2], LINK

    def show(self, state: Link, locate: Locate) -> dict[str, Any]:
        """Both."""
        return {"owner": state.owner, "share": state.share}
