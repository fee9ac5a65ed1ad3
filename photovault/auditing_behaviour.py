"""Audit: what events of behaviour say, in a sentence."""

from __future__ import annotations

from domain.behaviour_events import AssetViewed, BehaviourAgreed, BehaviourErased, BehaviourWithdrawn, SearchMade
from domain.event_base import Event

__all__ = ["describe_behaviour"]


def describe_behaviour(event: Event) -> str:
    """What an event says; nothing for one of another kind."""
    match event:
        case BehaviourAgreed():
            return "views and searches may be counted"
        case BehaviourWithdrawn():
            return "views and searches are not counted any more, and what was counted is erased"
        case AssetViewed():
            return f"asset {event.asset} was looked at{', its original too' if event.how == 'original' else ''}"
        case SearchMade():
            return f"a search found {event.found:,} pictures"
        case BehaviourErased():
            return "what was counted here is erased: its key is destroyed"
    return ""
