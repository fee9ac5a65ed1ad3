"""moderation: how likely a picture is not safe for everybody, and what its owner's policy makes of that."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.commits import stream_name
from domain.errors import ServicePaused
from domain.events import ContentModerated, Event, ModerationPolicySet, StepSkipped
from domain.eventstore import EventStore
from domain.moderation import LABELS, Policy, newest
from domain.recognition import ModelUse
from steps import Ports
from steps.tags import looked_at

NO_MODEL = (
    "no model for moderation is installed: `photovault models install`, "
    "then `photovault reprocess --step moderation --skipped`"
)


def moderate(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Look at the picture of middling size, or at a video's poster. Of a video nothing else is looked at."""
    if ports.moderator is None or not ports.moderator.available:
        return [StepSkipped(run=attempt.run(), reason=NO_MODEL)]
    picture = looked_at(asset.renditions)
    if picture is None:
        return [StepSkipped(run=attempt.run(), reason="no picture was made that a model could look at")]
    policy = policy_of(ports.store, asset.owner)
    try:
        with ports.blobs.file(picture.blob) as path:
            said = ports.moderator.moderate(path)
    except ServicePaused as paused:
        return [StepSkipped(run=attempt.run(), reason=str(paused))]
    return [
        ContentModerated(
            run=attempt.run(),
            score=round(min(1.0, max(0.0, said.score)), 4),
            verdict=policy.verdict(said.score),
            policy=policy,
            model=ModelUse(said.name, said.version, said.cost_microusd),
            labels=said.labels[:LABELS],
        )
    ]


def policy_stream(owner: str) -> str:
    """The stream in which an owner's policy stands; the newest one counts."""
    return stream_name(owner, "settings", "moderation")


def policy_of(store: EventStore, owner: str) -> Policy:
    """An owner's policy as it stands. Cost: one read of a short stream."""
    events = store.load(policy_stream(owner)).events
    return newest(recorded.event.policy for recorded in events if isinstance(recorded.event, ModerationPolicySet))
