"""Taking stacks apart: a person says that files which look like one shot are photos of their own."""

from __future__ import annotations

from domain.asset import fold
from domain.commits import Cause, derive_id
from domain.errors import InvalidInput
from domain.stacks import dissolve, stack_stream
from photovault.owned import OwnedVault
from steps.stacks import change_stack, tell


def unstack(vault: OwnedVault, stream: str, reason: str) -> list[str]:
    """Dissolve every stack that an asset stands in; it holds for good. Returns the ids of the assets that changed.

    Raises:
        InvalidInput: the asset stands alone, or the reason is empty or too long.
    """
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput("a reason has 1 to 2,000 characters")
    asset = fold(stream, vault.store.load(stream).events)
    stacks = [name for name, stacked in asset.stacked.items() if stacked.main or stacked.parts]
    if not stacks:
        raise InvalidInput(f"asset {asset.id} stands alone: there is nothing to take apart")
    changed: dict[str, None] = {}
    for stack in stacks:
        place = stack_stream(asset.owner, stack)

        def cause(*what: str | int, place: str = place) -> Cause:
            return Cause(
                commit_id=derive_id(place, *what),
                actor=f"person:{vault.settings.owner}",
                correlation_id=asset.correlation_id,
            )

        found = change_stack(
            vault.store,
            asset.owner,
            stack,
            lambda s: dissolve(s, reason),
            cause("dissolve"),
            since=lambda s: s.dissolved,
        )
        for member, change in found.items():
            tell(vault.store, asset.owner, member, change.event(stack), cause(member, change.version))
            changed[member] = None
    return list(changed)
