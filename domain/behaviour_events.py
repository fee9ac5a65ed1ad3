"""Events of behaviour: what an owner looks at and how often they search, in a stream for each month and agreement,
`<owner>#behaviour#<month>-<n>`; and in `<owner>#behaviour#agreement` whether they want that at all.

Nothing is recorded until the owner agrees. All that is said is sealed with the key of its stream, which is destroyed
when they withdraw. What was searched for is never recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from domain.event_base import ERASED, Event, SizeBytes, doc

__all__ = [
    "BEHAVIOUR_EVENTS",
    "AssetViewed",
    "BehaviourAgreed",
    "BehaviourErased",
    "BehaviourWithdrawn",
    "SearchMade",
    "ViewedHow",
]

ViewedHow: TypeAlias = Literal["shown", "original"]

_Agreement: TypeAlias = Annotated[int, doc("Which agreement of the owner this is, from 1.", ge=1)]


class BehaviourAgreed(Event, frozen=True, kw_only=True):
    """The owner wants views and searches to be counted."""

    STREAM = "behaviour"
    WHEN = "`analytics agree` was called, or the API's PUT /stats/behaviour."
    BY = "a person"

    agreement: _Agreement


class BehaviourWithdrawn(Event, frozen=True, kw_only=True):
    """The owner does not want it any more; what was recorded is erased."""

    STREAM = "behaviour"
    WHEN = "`analytics withdraw` was called, or the API's DELETE /stats/behaviour."
    BY = "a person"

    agreement: _Agreement


class AssetViewed(Event, frozen=True, kw_only=True):
    """The owner looked at one picture or video by itself; a page of thumbnails is no view."""

    STREAM = "behaviour"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"asset": ERASED, "how": "shown", "uploaded": "", "size_bytes": 0}
    WHEN = "One asset was asked for, by an owner who agreed."
    BY = "a person"

    asset: Annotated[str, doc("Id of the asset.", min_length=1, max_length=64)]
    how: Annotated[ViewedHow, doc("What was handed out: what is shown of it, or its original too.")] = "shown"
    uploaded: Annotated[str, doc("Month of its upload.", pattern="^([0-9]{4}-[0-9]{2})?$")] = ""
    size_bytes: SizeBytes = 0


class SearchMade(Event, frozen=True, kw_only=True):
    """The owner searched. Not what for."""

    STREAM = "behaviour"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"found": 0}
    WHEN = "A search was answered, of an owner who agreed; further pages of it do not count."
    BY = "a person"

    found: Annotated[int, doc("Pictures that it found.", ge=0)] = 0


class BehaviourErased(Event, frozen=True, kw_only=True):
    """What this stream said is erased: its key is destroyed."""

    STREAM = "behaviour"
    WHEN = "The owner withdrew; in each stream of the agreement."
    BY = "a person"


BEHAVIOUR_EVENTS: tuple[type[Event], ...] = (
    BehaviourAgreed,
    AssetViewed,
    SearchMade,
    BehaviourErased,
    BehaviourWithdrawn,
)
"""In the order of an agreement's life."""
