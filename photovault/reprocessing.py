"""Reprocessing: ask for a step again, for assets by name, by how their processing stands, or by dead letter; and read
again what was parked."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from domain.asset import Asset, asset_stream, fold, request_reprocess
from domain.commits import Cause, derive_id, split_stream
from domain.errors import ConflictError, InvalidInput
from domain.eventstore import EventStore, Loaded
from domain.pipeline import STEPS, step_named
from domain.ports import DeadLetter, Queue
from photovault.finding import find_asset
from photovault.owned import OwnedVault
from projections.processing import Processing

if TYPE_CHECKING:
    from photovault.vault import Vault

_PAGE = 1000
_BATCH = 500


class Selection(Struct, frozen=True):
    """Which assets are meant; the conditions add up."""

    assets: tuple[str, ...] = ()
    failed: bool = False
    older_than: int | None = None
    skipped: bool = False
    where: str | None = None  # a condition on the models that were asked: "model < 2", "nanodet < 1.5"
    everything: bool = False


def reprocess(
    vault: OwnedVault,
    step: str,
    selection: Selection,
    reason: str,
    *,
    dry: bool = False,
    threads: int = 1,
    on_asset: Callable[[], None] = lambda: None,
) -> list[str]:
    """Ask for a step again; returns the ids of the assets that it was asked for. Of all assets, also those are asked
    that are older than the step. Asked for twice, a step runs once: what waits already is not asked for again.

    Args:
        threads: assets that are asked for at once.
        on_asset: called after each asset that was looked at.
    Cost:
        A page of rows for each 1,000 of the owner's assets; for each that is meant its stream is read, and one append.
    Raises:
        InvalidInput: no such step, nothing selected, or a named asset that never came as far as the step.
    """
    if step_named(step) is None:
        raise InvalidInput(f"there is no step {step!r}; there are: {', '.join(STEPS)}")
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput("a reason has 1 to 2,000 characters")
    named = [find_asset(vault, text) for text in selection.assets]
    chosen = selection.failed or selection.skipped or selection.everything
    if not named and not (chosen or selection.older_than is not None or selection.where is not None):
        raise InvalidInput(
            "say which assets: name them, or give --failed, --skipped, --older-than VERSION, --where CONDITION or --all"
        )
    store, owner = vault.store, vault.settings.owner

    def ask(stream: str) -> str | None:
        try:
            asked = _ask(store, stream, step, reason, actor=owner, dry=dry)
        except InvalidInput:
            if named:
                raise
            return None  # of all assets, those that never came so far are not meant
        return split_stream(stream)[2] if asked else None

    asked: list[str] = []
    meant = iter(named or list(_matching(vault, step, selection)))
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(meant, _BATCH)):
            for each in pool.map(ask, batch):
                asked += [each] if each is not None else []
                on_asset()
    return asked


def _matching(vault: OwnedVault, step: str, selection: Selection) -> Iterator[str]:
    projection, table = vault.generations.active("processing")
    owner = vault.settings.owner
    asked_by = condition(selection.where) if selection.where is not None else None
    cursor: str | None = None
    while True:
        page = vault.views.query(table, owner, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            state: Processing = projection.decode(row.data)
            runs = [made for name, made in state.steps.items() if step in (name, name.partition(":")[0])]
            failed = any(made.status in ("failed", "given_up") for made in runs)
            failed = failed or (state.state == "quarantined" and step == "validate")
            older = selection.older_than is not None and any(0 < made.version < selection.older_than for made in runs)
            skipped = selection.skipped and any(made.status == "skipped" for made in runs)
            by_model = asked_by is not None and any(asked_by(made.models) for made in runs)
            if selection.everything or (selection.failed and failed) or older or skipped or by_model:
                yield asset_stream(owner, row.key)
        cursor = page.cursor
        if cursor is None:
            return


_CONDITION = re.compile(r"\s*([a-z0-9][a-z0-9._-]*)\s*(<=|>=|!=|<|>|=)\s*([0-9][A-Za-z0-9._-]*)\s*", re.ASCII)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def condition(text: str) -> Callable[[Sequence[str]], bool]:
    """A test of recorded models ("nanodet 1"): whether one of them is meant by `NAME OPERATOR VERSION`, where the name
    `model` means every model. Versions are compared number by number: 1.10 is later than 1.9.

    Raises:
        InvalidInput: it is no such condition.
    """
    read = _CONDITION.fullmatch(text)
    if read is None:
        raise InvalidInput(f"{text!r} is no condition: write 'model < 2', or 'nanodet < 2'; < <= > >= = != are known")
    name, compare, version = read[1], _COMPARE[read[2]], _version(read[3])

    def holds(models: Sequence[str]) -> bool:
        named = (model.rpartition(" ") for model in models)
        return any(name in ("model", model) and compare(_version(recorded), version) for model, _, recorded in named)

    return holds


def _version(text: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|[A-Za-z]+", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


class Worked(Protocol):
    """What asking for a step needs of a vault, here or on AWS."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def queue(self) -> Queue:
        """The steps' queues."""
        ...


def dead_letters(vault: Worked) -> list[DeadLetter]:
    """Messages of all steps that were given up after their last attempt, oldest first within a step."""
    return [letter for step in STEPS for letter in vault.queue.dead(step)]


def redrive(vault: Worked, owner: str, reason: str = "redriven from the dead letters") -> int:
    """Ask again for every step that a dead letter is about, and empty the dead letters; how many there were.

    The request is an event like any other, so that the audit shows who began it anew; the messages follow it.
    """
    letters = dead_letters(vault)
    for letter in letters:
        _ask(vault.store, letter.message.stream, letter.message.step, reason, actor=owner)
    for step in {letter.queue for letter in letters}:
        vault.queue.redrive(step)
    return len(letters)


def redrive_parked(vault: Vault) -> int:
    """Fold parked streams again, and relay those that the relay parked; how many messages were sent.

    What still can't be read or folded stays parked, with one more attempt.
    """
    vault.projector.redrive()
    return vault.relay.redrive()


def _ask(store: EventStore, stream: str, step: str, reason: str, *, actor: str, dry: bool = False) -> bool:
    while True:
        loaded: Loaded = store.load(stream)
        asset: Asset = fold(stream, loaded.events)
        events = request_reprocess(asset, step, reason)
        if not events or dry:
            return bool(events)
        cause = Cause(
            commit_id=derive_id("reprocess", stream, step, loaded.token),
            actor=f"person:{actor}",
            correlation_id=derive_id("reprocess", stream, step, loaded.token),
        )
        try:
            store.append(stream, events, loaded.token, cause)
        except ConflictError:
            continue
        return True
