"""Audit: what events of shares, contacts and messages say, in a sentence. Neither hashes of passwords nor tokens."""

from __future__ import annotations

from domain.event_base import Event
from domain.notification_events import (
    ContactAdded,
    ContactConfirmed,
    ContactPreferred,
    ContactSuppressed,
    ContactUnsubscribed,
    ImportFinished,
    NotificationClaimed,
    NotificationCollected,
    NotificationFailed,
    NotificationPostponed,
    NotificationQueued,
    NotificationSent,
    NotificationWithheld,
    QuotaReached,
    QuotaSet,
)
from domain.share_events import (
    ShareCreated,
    ShareDenied,
    ShareItemDownloaded,
    ShareOpened,
    ShareRevoked,
    ShareUnlocked,
)

__all__ = ["describe_sharing"]


def describe_sharing(event: Event) -> str:
    """What an event says; nothing for one of another kind."""
    match event:
        case ShareCreated():
            return _created(event)
        case ShareRevoked():
            return "the link opens nothing any more"
        case ShareOpened():
            return f"opening {event.view}: {event.items:,} pictures shown{_by(event.visitor)}"
        case ShareUnlocked():
            return f"the right password was given{_by(event.visitor)}"
        case ShareItemDownloaded():
            return f"asset {event.asset} was fetched as {event.name}, {event.size_bytes:,} bytes{_by(event.visitor)}"
        case ShareDenied():
            until = f"; locked until {event.locked_until:%Y-%m-%d %H:%M:%S} UTC" if event.locked_until else ""
            return f"turned away: {event.reason.replace('_', ' ')}{until}{_by(event.visitor)}"
        case ContactAdded():
            return f"{event.name or event.address} may be asked whether they want {event.channel} at {event.address}"
        case ContactConfirmed():
            return "they want to be told"
        case ContactPreferred():
            paces = ", ".join(f"{kind} {pace.replace('_', ' ')}" for kind, pace in sorted(event.paces.items()))
            quiet = f"; quiet from {event.quiet_from} to {event.quiet_until}" if event.quiet_from else ""
            return f"{paces}{quiet}; {event.zone}"
        case ContactUnsubscribed():
            return f"they want to hear no more of {event.kind or 'anything'}"
        case ContactSuppressed():
            return f"nothing is sent there any more: {event.why}{f' ({event.detail})' if event.detail else ''}"
        case NotificationQueued():
            when = f"due {event.due_at:%Y-%m-%d %H:%M} UTC"
            return f"{event.kind}: {event.title}; {event.digest or when}, to contact {event.contact}"
        case NotificationCollected():
            return f"told of in the digest {event.digest}, due {event.due_at:%Y-%m-%d %H:%M} UTC"
        case NotificationPostponed():
            return f"not now: due again {event.until:%Y-%m-%d %H:%M} UTC"
        case NotificationClaimed():
            return f"about to be sent as {event.message_id}, telling of {event.causes}"
        case NotificationSent():
            return f"taken by {event.by}{f' as {event.provider_id}' if event.provider_id else ''}"
        case NotificationFailed():
            after = f"tried again at {event.retry_at:%Y-%m-%d %H:%M} UTC" if event.retry_at else "not tried again"
            return f"{event.reason}; {'it may have been sent; ' if event.uncertain else ''}{after}"
        case NotificationWithheld():
            return f"not sent: {event.reason.replace('_', ' ')}"
        case ImportFinished():
            return f"{event.new:,} new of {event.total:,} assets have come to their end"
        case QuotaSet():
            return "no quota" if event.quota_bytes is None else f"at most {event.quota_bytes:,} bytes"
        case QuotaReached():
            return f"{event.percent} %: {event.used_bytes:,} of {event.quota_bytes:,} bytes"
    return ""


def _created(event: ShareCreated) -> str:
    what = f"{len(event.assets)} assets" if event.assets else f"{event.kind} {event.subject}"
    parts = [what]
    if event.password:
        parts.append("behind a password")
    if event.expires_at:
        parts.append(f"until {event.expires_at:%Y-%m-%d %H:%M} UTC")
    if event.max_views:
        parts.append(f"for {event.max_views} openings")
    parts.append("with files to fetch" if event.download else "to look at only")
    return ", ".join(parts)


def _by(visitor: str) -> str:
    return f", visitor {visitor}" if visitor else ""
