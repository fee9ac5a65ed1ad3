"""What people say about sensitive content: an owner's policy, and rulings on single pictures."""

from __future__ import annotations

from domain.asset import fold
from domain.commits import Cause, derive_id
from domain.errors import InvalidInput
from domain.events import ModerationPolicySet, ModerationRuled
from domain.moderation import Policy, Verdict
from photovault.owned import OwnedVault
from steps.moderation import policy_of, policy_stream

__all__ = ["rule", "set_policy"]


def set_policy(vault: OwnedVault, policy: Policy) -> bool:
    """Record the owner's policy; False when it stood so already. It counts for what is looked at from now on."""
    owner = vault.settings.owner
    if policy_of(vault.store, owner) == policy:
        return False
    stream = policy_stream(owner)
    loaded = vault.store.load(stream)
    vault.store.append(stream, [ModerationPolicySet(policy=policy)], loaded.token, _cause(vault, stream, loaded.token))
    return True


def rule(vault: OwnedVault, stream: str, verdict: Verdict | None, reason: str) -> bool:
    """Say what becomes of a picture, whatever models say; None: the model's verdict counts again. False when it was
    so already.

    Raises:
        InvalidInput: the reason is empty or too long.
    """
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput("a reason has 1 to 2,000 characters")
    loaded = vault.store.load(stream)
    if fold(stream, loaded.events).ruled == verdict:
        return False
    event = ModerationRuled(verdict=verdict, reason=reason)
    vault.store.append(stream, [event], loaded.token, _cause(vault, stream, loaded.token))
    return True


def _cause(vault: OwnedVault, stream: str, token: str) -> Cause:
    said = derive_id("moderation", stream, token)
    return Cause(commit_id=said, actor=f"person:{vault.settings.owner}", correlation_id=said)
