"""Behaviour: an owner's views and searches by month, of those who agreed to have them counted.

A row remembers the last few assets that were looked at, to count bytes of originals once, where views come again soon;
never all of them, so that an event costs the same whatever came before.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct, structs

from domain.behaviour import AGREEMENT
from domain.behaviour_events import AssetViewed, BehaviourAgreed, BehaviourErased, BehaviourWithdrawn, SearchMade
from domain.commits import Commit, split_stream
from projections.base import Projection, Totals

__all__ = ["Behaviour", "Seen"]

_REMEMBERED = 100


class Seen(Struct, frozen=True, array_like=True, gc=False):
    """What one stream says: a month of one agreement, or the agreement itself."""

    month: str = ""
    views: int = 0
    originals: int = 0  # views that opened the original, too
    searches: int = 0
    without_result: int = 0
    touched: dict[
        str, int
    ] = {}  # month of upload -> bytes of originals that were looked at; at least as many as there are
    last: tuple[bytes, ...] = ()  # of the last assets, four bytes each
    erased: bool = False
    agreement: int = 0  # of the agreement's stream: which one holds; 0: none


def _viewed(state: Seen, event: AssetViewed, commit: Commit) -> Seen:
    if state.erased:
        return state
    mark = hashlib.sha256(event.asset.encode()).digest()[:4]
    touched = state.touched
    if mark not in state.last and event.uploaded:
        touched = touched | {event.uploaded: touched.get(event.uploaded, 0) + event.size_bytes}
    return structs.replace(
        state,
        views=state.views + 1,
        originals=state.originals + (event.how == "original"),
        touched=touched,
        last=(*(each for each in state.last if each != mark), mark)[-_REMEMBERED:],
    )


def _searched(state: Seen, event: SearchMade, commit: Commit) -> Seen:
    if state.erased:
        return state
    return structs.replace(state, searches=state.searches + 1, without_result=state.without_result + (not event.found))


def _erased(state: Seen, event: BehaviourErased, commit: Commit) -> Seen:
    return Seen(erased=True)


def _agreed(state: Seen, event: BehaviourAgreed, commit: Commit) -> Seen:
    return Seen(agreement=event.agreement)


def _withdrawn(state: Seen, event: BehaviourWithdrawn, commit: Commit) -> Seen:
    return Seen()


class Behaviour(Projection[Seen]):
    """Views and searches in totals `month:<month>` and `touched:<month>` (bytes, by month of upload)."""

    name = "behaviour"
    version = 1
    about = "views and searches by month, of owners who agreed to that"
    category = "behaviour"
    has_totals = True
    state = Seen
    on = {
        AssetViewed: _viewed,
        SearchMade: _searched,
        BehaviourErased: _erased,
        BehaviourAgreed: _agreed,
        BehaviourWithdrawn: _withdrawn,
    }

    def start(self, stream: str) -> Seen:
        """The month is in the stream's name."""
        ident = split_stream(stream)[2]
        return Seen("" if ident == AGREEMENT else ident.rpartition("-")[0])

    def totals(self, state: Seen) -> Totals:
        """This month's counts."""
        if not state.month:
            return {}
        counts = {
            "views": state.views,
            "originals": state.originals,
            "searches": state.searches,
            "without_result": state.without_result,
        }
        totals = {f"month:{state.month}": {name: count for name, count in counts.items() if count}}
        if state.touched:
            totals[f"touched:{state.month}"] = dict(state.touched)
        return totals
