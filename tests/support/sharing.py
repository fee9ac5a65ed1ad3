"""Pictures to share, contacts who agreed, and requests of visitors."""

from __future__ import annotations

import re
from typing import Any

from domain.asset import asset_stream
from domain.contact import Contact
from domain.events import Event, Rendition, RenditionsGenerated
from domain.notification_events import Channel
from photovault import contacts
from photovault.runtime import catch_up
from photovault.sharing import Made, create
from projections.verify import compare, digest
from tests.support.factories import append, metadata, processed, run, uploaded, validated
from tests.support.fakes import MemoryVault
from tests.support.specs import DELIVERIES

SMALL = b"the small picture of "


def photo(vault: Any, asset: str, *more: Event, owner: str = "anna") -> str:
    """A picture that is done, whose bytes and renditions are in the store; its id."""
    original = vault.blobs.put(f"FAKE image 4000 3000 -\n{asset}\n".encode())
    small = vault.blobs.put(SMALL + asset.encode())
    made = RenditionsGenerated(
        run=run("renditions"),
        renditions=(
            Rendition(name="small", format="jpeg", blob=small, width=256, height=192, size_bytes=len(SMALL) + 2),
        ),
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        engine="fake 1",
    )
    events = [uploaded(f"SECRET_{asset}.jpg", blob=original), validated(), metadata(), made, *more, processed()]
    vault.projector.project(append(vault.store, asset_stream(owner, asset), *events))
    return asset


def shared(vault: Any, *assets: str, owner: str = "anna", **options: Any) -> Made:
    """A link to these pictures, and its rows."""
    made = create(vault, owner, "selection", vault.settings.serving, assets=assets or ("a1",), **options)
    catch_up(vault)
    return made


def friend(vault: Any, address: str = "boris@example.org", *, owner: str = "anna", agreed: bool = True) -> Contact:
    """Somebody who wants to be told."""
    channel: Channel = "email" if "@" in address else "sms"
    contact = contacts.add(vault, owner, channel, address, "Boris", "Europe/Lisbon")
    if agreed:
        contact = contacts.confirm(vault, owner, contact.id, contacts.code(vault, owner, contact, "confirm"))
    catch_up(vault)
    return contact


def cookie_of(answer: dict[str, Any]) -> str:
    """The session that an answer sets, as a browser gives it back."""
    (cookie,) = answer["cookies"]
    return re.match(r"[^;]+", cookie)[0]  # type: ignore[index]


def same_however_delivered(vault: Any, *names: str) -> None:
    """The live rows of these views are what any delivery gives, and what a fresh fold says (laws 1, 2)."""
    commits = vault.everything()
    for name in names:
        projection, table = vault.generations.active(name)
        live = {(row.partition, row.key): row for row in vault.views.scan(table) if not row.deleted}
        assert live, f"{name} has no rows: nothing is compared"
        for way, deliver in DELIVERIES.items():
            with MemoryVault(projections=(projection,), keys=vault.keys) as other:
                for commit in commits:
                    other.commits.put(commit)
                for batch in deliver(list(commits)):
                    other.projector.project(batch)
                assert other.projector.parked() == []
                found = {(r.partition, r.key): r for r in other.views.scan(other.table(name)) if not r.deleted}
                assert found == live, f"{name}, delivered {way}"
                for owner in {row.partition for row in live.values()}:
                    totals = other.views.totals(other.table(name), owner)
                    assert totals == vault.views.totals(table, owner), f"{name}, delivered {way}"
        history = sorted(commits, key=lambda commit: (commit.stream, commit.number))
        want = digest([projection], vault.store, history)[0]
        verdict = compare(projection, table, want, vault.store, vault.views, lambda: iter(history))  # noqa: B023
        assert verdict.equal, verdict.different
